#include "tests/layers/allocation_count.hpp"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

// glibc's own entry points, which the replacements below hand on to.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

struct Range {
  std::uintptr_t begin = 0, end = 0;
  bool holds(const void* address) const {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    return at >= begin && at < end;
  }
};

constexpr int deep = 24;
Range program, cxx_library, c_library;
std::atomic<bool> counting{false};
std::atomic<int> count{0};
void* first_frames[deep];
int first_depth = 0;
std::size_t first_bytes = 0;
thread_local bool inside = false;  // backtrace may allocate

int add_module(dl_phdr_info* info, std::size_t, void*) {
  const std::string path = info->dlpi_name;
  Range* const range = path.empty()                                     ? &program
                       : path.find("libstdc++.so") != std::string::npos ? &cxx_library
                       : path.find("libc.so") != std::string::npos      ? &c_library
                                                                        : nullptr;
  for (int i = 0; range && i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    const std::uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    range->begin = range->begin == 0 ? begin : std::min(range->begin, begin);
    range->end = std::max(range->end, begin + info->dlpi_phdr[i].p_memsz);
  }
  return 0;
}

// Who asked: `caller` is where the replacement returns to. Only when that is the C++ library does it take
// the stack to tell; the first frame outside of it decides.
bool is_ours(const void* caller, void* const* frames, int depth) {
  if (!cxx_library.holds(caller)) return program.holds(caller);
  int at = 0;
  while (at < depth && frames[at] != caller) ++at;
  while (at < depth && cxx_library.holds(frames[at])) ++at;
  return at < depth && program.holds(frames[at]);
}

void note(const void* caller, std::size_t bytes) {
  if (!counting.load(std::memory_order_relaxed) || inside) return;
  inside = true;
  void* frames[deep];
  const int depth = backtrace(frames, deep);
  if (is_ours(caller, frames, depth) && count.fetch_add(1) == 0) {
    std::memcpy(first_frames, frames, sizeof(frames));
    first_depth = depth;
    first_bytes = bytes;
  }
  inside = false;
}

}  // namespace

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))

extern "C" {
__attribute__((noinline)) void* malloc(std::size_t bytes) {
  note(CALLER, bytes);
  return __libc_malloc(bytes);
}
__attribute__((noinline)) void* calloc(std::size_t n, std::size_t bytes) {
  note(CALLER, n * bytes);
  return __libc_calloc(n, bytes);
}
__attribute__((noinline)) void* realloc(void* old, std::size_t bytes) {
  note(CALLER, bytes);
  return __libc_realloc(old, bytes);
}
__attribute__((noinline)) void* memalign(std::size_t alignment, std::size_t bytes) {
  note(CALLER, bytes);
  return __libc_memalign(alignment, bytes);
}
__attribute__((noinline)) void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  note(CALLER, bytes);
  return __libc_memalign(alignment, bytes);
}
__attribute__((noinline)) int posix_memalign(void** to, std::size_t alignment, std::size_t bytes) {
  note(CALLER, bytes);
  *to = __libc_memalign(alignment, bytes);
  return *to ? 0 : ENOMEM;
}
}

// operator new is not taken from the C++ library, so that its caller is seen and not the library.
__attribute__((noinline)) void* operator new(std::size_t bytes) {
  note(CALLER, bytes);
  if (void* p = __libc_malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void* operator new[](std::size_t bytes) {
  note(CALLER, bytes);
  if (void* p = __libc_malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void* operator new(std::size_t bytes, std::align_val_t alignment) {
  note(CALLER, bytes);
  if (void* p = __libc_memalign(std::size_t(alignment), bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  note(CALLER, bytes);
  if (void* p = __libc_memalign(std::size_t(alignment), bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace tweedie::test {

void start_counting() {
  if (program.end == 0) {
    dl_iterate_phdr(add_module, nullptr);
    void* frame;
    backtrace(&frame, 1);  // loads the unwinder
  }
  count = 0;
  first_depth = 0;
  first_bytes = 0;
  counting = true;
}

void stop_counting() { counting = false; }

Allocations counted() {
  Allocations result{count, first_bytes, ""};
  for (int i = 0; i < first_depth; ++i) {
    char line[64];
    const auto at = reinterpret_cast<std::uintptr_t>(first_frames[i]);
    std::snprintf(line, sizeof(line), program.holds(first_frames[i]) ? "  0x%zx\n" : "  (0x%zx, a library)\n",
                  program.holds(first_frames[i]) ? at - program.begin : at);
    result.first += line;
  }
  return result;
}

}  // namespace tweedie::test
