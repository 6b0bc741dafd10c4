#include "weights/hdf5_output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>
#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>  // since HDF5 1.13, where drivers are declared
#endif

#include "weights/descriptor.hpp"

namespace tweedie {

namespace {

// Where the driver's bytes go. It outlives the library's file.
struct Sink {
  explicit Sink(int opened) : descriptor(opened) {}

  void fail(int reason) {
    if (error == 0) error = reason != 0 ? reason : EIO;
  }

  // What the disk did not take, by address. The library may read its own bookkeeping again, and must find it.
  std::map<haddr_t, std::vector<char>> lost;
  Descriptor descriptor;
  int error = 0;  ///< errno of the first write that failed
};

// One open file in the library's terms; the public part comes first, as it expects.
struct DriverFile : H5FD_t {
  Sink* sink = nullptr;
  haddr_t allocated = 0;  ///< end of what the library has allocated
  haddr_t written = 0;    ///< end of what it has written
};

DriverFile& own(H5FD_t* file) { return *static_cast<DriverFile*>(file); }
const DriverFile& own(const H5FD_t* file) { return *static_cast<const DriverFile*>(file); }

H5FD_t* open_file(const char*, unsigned, hid_t access, haddr_t) {
  const auto* sink = static_cast<Sink* const*>(H5Pget_driver_info(access));
  if (sink == nullptr) return nullptr;
  auto* file = new (std::nothrow) DriverFile{};
  if (file != nullptr) file->sink = *sink;
  return file;
}

herr_t close_file(H5FD_t* file) {
  delete &own(file);
  return 0;
}

herr_t query(const H5FD_t*, unsigned long* features) {
  *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
              H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

haddr_t end_allocated(const H5FD_t* file, H5FD_mem_t) { return own(file).allocated; }
haddr_t end_written(const H5FD_t* file, H5FD_mem_t) { return own(file).written; }

herr_t allocate(H5FD_t* file, H5FD_mem_t, haddr_t end) {
  own(file).allocated = end;
  return 0;
}

// Bytes that were never written are zeros.
herr_t read_bytes(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, void* out) {
  const Sink& sink = *own(file).sink;
  auto* to = static_cast<char*>(out);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        ::pread(sink.descriptor.get(), to + done, size - done, static_cast<off_t>(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  std::fill(to + done, to + size, '\0');
  for (const auto& [begin, bytes] : sink.lost) {
    const haddr_t first = std::max(begin, address), last = std::min(begin + bytes.size(), address + size);
    if (first < last)
      std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(first - begin),
                bytes.begin() + static_cast<std::ptrdiff_t>(last - begin), to + (first - address));
  }
  return 0;
}

herr_t write_bytes(H5FD_t* file, H5FD_mem_t type, hid_t, haddr_t address, std::size_t size,
                   const void* from) {
  Sink& sink = *own(file).sink;
  own(file).written = std::max(own(file).written, address + size);
  const auto* bytes = static_cast<const char*>(from);
  std::size_t done = 0;
  while (done < size && sink.error == 0) {
    const ssize_t put =
        ::pwrite(sink.descriptor.get(), bytes + done, size - done, static_cast<off_t>(address + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0)
      sink.fail(errno);
    else
      done += static_cast<std::size_t>(put);
  }
  if (done == size || type == H5FD_MEM_DRAW) return 0;  // elements are never read again
  try {
    sink.lost[address].assign(bytes, bytes + size);
  } catch (const std::bad_alloc&) {  // no exception may pass through the library
    sink.fail(ENOMEM);
  }
  return 0;
}

herr_t truncate(H5FD_t* file, hid_t, hbool_t) {
  DriverFile& f = own(file);
  if (f.sink->error == 0 && ::ftruncate(f.sink->descriptor.get(), static_cast<off_t>(f.allocated)) != 0)
    f.sink->fail(errno);
  f.written = f.allocated;
  return 0;
}

H5FD_class_t driver_class() {
  H5FD_class_t driver{};
#ifdef H5FD_CLASS_VERSION
  driver.version = H5FD_CLASS_VERSION;
  driver.value = 600;  // 512 and above are for private drivers
#endif
  driver.name = "tweedie_output";
  driver.maxaddr = (haddr_t{1} << 62);
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.fapl_size = sizeof(Sink*);
  driver.open = open_file;
  driver.close = close_file;
  driver.query = query;
  driver.get_eoa = end_allocated;
  driver.set_eoa = allocate;
  driver.get_eof = end_written;
  driver.read = read_bytes;
  driver.write = write_bytes;
  driver.truncate = truncate;
  return driver;
}

Hdf5Handle register_driver(const std::string& failure) {
  const H5FD_class_t driver = driver_class();  // the library keeps a copy
  return {H5FDregister(&driver), H5FDunregister, failure};
}

Hdf5Handle create(hid_t driver, Sink& sink, const std::string& path, const std::string& failure) {
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, failure);
  Sink* const info = &sink;
  require_hdf5(H5Pset_driver(access, driver, &info) >= 0, failure);
  return {H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose, failure};
}

}  // namespace

struct Hdf5Output::State {
  State(const std::string& path, const std::string& written_name)
      : name(written_name),
        sink(::open(path.c_str(), O_RDWR | O_CLOEXEC)),
        driver(register_driver(name + ": cannot be written")),
        file(create(driver, sink, path, name + ": cannot be written")) {}

  std::string name;
  Sink sink;  // the handles below still write to it when they close
  Hdf5Handle driver;
  Hdf5Handle file;
};

Hdf5Output::Hdf5Output(const std::string& path, const std::string& name) {
  quiet_hdf5();
  state_ = std::make_unique<State>(path, name);
  require_written();
}

Hdf5Output::~Hdf5Output() = default;

hid_t Hdf5Output::file() const { return state_->file; }

void Hdf5Output::require_written() const {
  const int error = state_->sink.error;
  require(error == 0, state_->name, ": cannot be written: ", std::strerror(error));
}

void Hdf5Output::close() {
  const bool closed = state_->file.reset();
  require_written();
  require_hdf5(closed, state_->name, ": cannot be written");
  const bool stored = state_->sink.descriptor.close();  // some file systems report a full disk only here
  const int reason = errno;
  require(stored, state_->name, ": cannot be written: ", std::strerror(reason));
}

}  // namespace tweedie
