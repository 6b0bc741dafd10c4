// Stand-in for the CUDA runtime: devices, errors, streams and events. Work is done when it is queued, so
// waiting has nothing to do but to report what went wrong.
#include <cstdio>
#include <cstring>

#include "tests/machine/stand_in/runtime_state.hpp"

// The runtime's opaque handles point at these.
struct CUstream_st {
  unsigned flags = 0;
};
struct CUevent_st {
  unsigned flags = 0;
  bool recorded = false;
  double seconds = 0;
};

namespace tweedie::stand_in {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

struct ErrorText {
  cudaError_t status;
  const char *name, *description;
};
#define ERROR_TEXT(status, description) \
  { status, #status, description }
constexpr ErrorText error_texts[] = {
    ERROR_TEXT(cudaSuccess, "no error"),
    ERROR_TEXT(cudaErrorInvalidValue, "invalid argument"),
    ERROR_TEXT(cudaErrorMemoryAllocation, "out of memory"),
    ERROR_TEXT(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    ERROR_TEXT(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    ERROR_TEXT(cudaErrorInvalidSymbol, "invalid device symbol"),
    ERROR_TEXT(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    ERROR_TEXT(cudaErrorInvalidDeviceFunction, "invalid device function"),
    ERROR_TEXT(cudaErrorInvalidDevice, "invalid device ordinal"),
    ERROR_TEXT(cudaErrorInvalidPtx, "a PTX JIT compilation failed"),
    ERROR_TEXT(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ERROR_TEXT(cudaErrorNotReady, "device not ready"),
    ERROR_TEXT(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    ERROR_TEXT(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    ERROR_TEXT(cudaErrorAssert, "device-side assert triggered"),
    ERROR_TEXT(cudaErrorMisalignedAddress, "misaligned address"),
    ERROR_TEXT(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    ERROR_TEXT(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    ERROR_TEXT(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    ERROR_TEXT(cudaErrorStreamCaptureImplicit,
               "operation would make the legacy stream depend on a capturing blocking stream"),
    ERROR_TEXT(cudaErrorLaunchFailure, "unspecified launch failure"),
};
#undef ERROR_TEXT

// What calls report that come after work has been done.
cudaError_t done() { return result(Runtime::instance().sticky); }

// The same of calls at which the host waits for the device.
cudaError_t waited(const char* call) {
  if (const cudaError_t no = outside_capture(call); no != cudaSuccess) return no;
  Runtime::instance().counts.waits += 1;
  return done();
}

// The device's clock, which is nobody's: everything takes as long, so that what is chosen by time repeats.
double device_seconds() {
  const Runtime& runtime = Runtime::instance();
  return 1e-5 * double(runtime.counts.launches + runtime.counts.copies + runtime.counts.library_calls) +
         runtime.seconds_passed;
}

bool known_event(cudaEvent_t event) { return Runtime::instance().events.count(event) != 0; }

}  // namespace

cudaError_t result(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

cudaError_t refuse(cudaError_t status, const std::string& why) {
  report(why);
  return result(status);
}

bool known(cudaStream_t stream) {
  return !stream || stream == cudaStreamLegacy || stream == cudaStreamPerThread ||
         Runtime::instance().streams.count(stream) != 0;
}

namespace {

constexpr int multiprocessors = 8;  // fewer than any real one of its kind: grids sized by it stay small

// An H100's limits, as far as programs ask for them.
cudaDeviceProp properties() {
  cudaDeviceProp p;
  std::memset(&p, 0, sizeof p);
  std::snprintf(p.name, sizeof p.name, "PTX machine (no GPU)");
  p.totalGlobalMem = DeviceMemory::instance().total_bytes();
  p.sharedMemPerBlock = 48 * 1024;
  p.sharedMemPerBlockOptin = 227 * 1024;
  p.sharedMemPerMultiprocessor = 228 * 1024;
  p.reservedSharedMemPerBlock = 1024;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.warpSize = 32;
  p.maxThreadsPerBlock = p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 2147483647;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.totalConstMem = 64 * 1024;
  p.major = 9;
  p.multiProcessorCount = multiprocessors;
  p.maxThreadsPerMultiProcessor = 2048;
  p.maxBlocksPerMultiProcessor = 32;
  p.memoryBusWidth = 5120;
  p.l2CacheSize = 50 * 1024 * 1024;
  p.unifiedAddressing = p.memoryPoolsSupported = 1;
  return p;
}

}  // namespace
}  // namespace tweedie::stand_in

using namespace tweedie::stand_in;
using tweedie::message;

extern "C" {

// ---- errors -------------------------------------------------------------------------------------------

// A faulty kernel's error is sticky: reading it does not clear it.
cudaError_t cudaGetLastError() {
  const cudaError_t status = last_error;
  last_error = Runtime::instance().sticky;
  return status;
}

cudaError_t cudaPeekAtLastError() { return last_error; }

const char* cudaGetErrorName(cudaError_t status) {
  for (const ErrorText& e : error_texts)
    if (e.status == status) return e.name;
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t status) {
  for (const ErrorText& e : error_texts)
    if (e.status == status) return e.description;
  return "unrecognized error code";
}

// ---- the device ---------------------------------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return result(cudaSuccess);
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return result(cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
  return device == 0 ? result(cudaSuccess)
                     : refuse(cudaErrorInvalidDevice, message("cudaSetDevice(", device, ")"));
}

cudaError_t cudaDeviceSynchronize() { return waited("cudaDeviceSynchronize"); }
cudaError_t cudaDeviceReset() { return done(); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* out, int device) {
  if (device != 0) return refuse(cudaErrorInvalidDevice, message("cudaGetDeviceProperties: device ", device));
  *out = properties();
  return result(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device != 0) return refuse(cudaErrorInvalidDevice, message("cudaDeviceGetAttribute: device ", device));
  const cudaDeviceProp p = properties();
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = int(p.sharedMemPerBlock);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = int(p.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = int(p.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *value = int(p.reservedSharedMemPerBlock);
      break;
    case cudaDevAttrMaxRegistersPerBlock:
      *value = p.regsPerBlock;
      break;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *value = p.maxBlocksPerMultiProcessor;
      break;
    case cudaDevAttrMaxGridDimX:
      *value = p.maxGridSize[0];
      break;
    case cudaDevAttrMaxGridDimY:
      *value = p.maxGridSize[1];
      break;
    case cudaDevAttrMaxGridDimZ:
      *value = p.maxGridSize[2];
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = p.memoryBusWidth;
      break;
    case cudaDevAttrL2CacheSize:
      *value = p.l2CacheSize;
      break;
    case cudaDevAttrClockRate:
      *value = 1980000;
      break;  // kHz
    case cudaDevAttrMemoryClockRate:
      *value = 2619000;
      break;  // kHz
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
    case cudaDevAttrCooperativeLaunch:
      *value = 0;
      break;
    default:
      return refuse(cudaErrorInvalidValue, message("cudaDeviceGetAttribute: attribute ", int(attribute)));
  }
  return result(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return result(cudaSuccess);
}

cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

// ---- streams ------------------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  *stream = new CUstream_st{flags};
  Runtime::instance().streams.insert(*stream);
  return result(cudaSuccess);
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (Runtime::instance().streams.erase(stream) == 0)
    return refuse(cudaErrorInvalidResourceHandle, "cudaStreamDestroy: the stream does not exist");
  delete stream;
  return result(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return known(stream)
             ? waited("cudaStreamSynchronize")
             : refuse(cudaErrorInvalidResourceHandle, "cudaStreamSynchronize: the stream does not exist");
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (!known(stream) || !known_event(event))
    return refuse(cudaErrorInvalidResourceHandle, "cudaStreamWaitEvent: no such stream or event");
  return done();
}

// ---- events -------------------------------------------------------------------------------------------

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new CUevent_st;
  (*event)->flags = flags;
  Runtime::instance().events.insert(*event);
  return result(cudaSuccess);
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (Runtime::instance().events.erase(event) == 0)
    return refuse(cudaErrorInvalidResourceHandle, "cudaEventDestroy: the event does not exist");
  delete event;
  return result(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (!known_event(event) || !known(stream))
    return refuse(cudaErrorInvalidResourceHandle, "cudaEventRecord: no such stream or event");
  if (const cudaError_t no = outside_capture("cudaEventRecord"); no != cudaSuccess) return no;
  event->recorded = true;
  event->seconds = device_seconds();
  return done();
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return known_event(event)
             ? waited("cudaEventSynchronize")
             : refuse(cudaErrorInvalidResourceHandle, "cudaEventSynchronize: the event does not exist");
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  for (cudaEvent_t event : {start, end})
    if (!known_event(event) || !event->recorded || (event->flags & cudaEventDisableTiming))
      return refuse(
          cudaErrorInvalidResourceHandle,
          "cudaEventElapsedTime: an event that does not exist, was not recorded, or has timing disabled");
  *milliseconds = float(1e3 * (end->seconds - start->seconds));
  return done();
}

}  // extern "C"
