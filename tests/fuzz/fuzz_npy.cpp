// libFuzzer target: NumPy's arrays (.npy) and archives of them (.npz).
#include <cstdint>

#include "kernels/error.hpp"
#include "weights/npy_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tweedie;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const auto source = open_bytes({bytes, bytes + size}, "input");
  // An `Error` is a sound answer; anything else that goes wrong is not.
  try {
    if (size > 1 && data[0] == 'P' && data[1] == 'K') {
      const NpzFile file(source);
      for (const std::string& name : file.names()) file.read(name).complexes();
    } else {
      NpyArray::read(*source).complexes();
    }
  } catch (const Error&) {
  }
  return 0;
}
