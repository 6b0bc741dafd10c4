#include "operators/continuation.hpp"

#include <algorithm>

namespace tweedie {

Padding parse_padding(const std::string& name) {
  if (name == "zero") return Padding::zero;
  if (name == "reflect") return Padding::reflect;
  if (name == "replicate") return Padding::replicate;
  if (name == "circular") return Padding::circular;
  if (name == "valid") return Padding::valid;
  throw Error(
      message("padding '", name, "' is not known; expected zero, reflect, replicate, circular or valid"));
}

int continued_index(int i, int n, Padding padding) {
  switch (padding) {
    case Padding::reflect:
      return fold(i, n, Boundary::reflect);
    case Padding::circular:
      return fold(i, n, Boundary::circular);
    case Padding::replicate:
      return std::clamp(i, 0, n - 1);
    case Padding::zero:
    case Padding::valid:
      break;
  }
  return i >= 0 && i < n ? i : -1;
}

int fast_length(int n) {
  for (n += n % 2;; n += 2) {
    int rest = n;
    for (const int prime : {2, 3, 5, 7})
      while (rest % prime == 0) rest /= prime;
    if (rest == 1) return n;
  }
}

SparseRows picked_rows(int rows, int pixels, int used, const std::function<int(int)>& column) {
  SparseRows m{rows, pixels, {0}, {}, {}};
  for (int row = 0; row < rows; ++row) {
    const int at = row < used ? column(row) : -1;
    if (at >= 0) {
      m.index.push_back(at);
      m.weight.push_back(1.f);
    }
    m.start.push_back(int(m.index.size()));
  }
  return m;
}

std::function<SparseRows(int)> wrapped_in(int pixels) {
  return [pixels](int taps) {
    require(taps <= pixels, "a kernel of ", taps, " pixels for images of ", pixels);
    return picked_rows(pixels, taps, pixels, [=](int row) {
      const int tap = (row + (taps - 1) / 2) % pixels;
      return tap < taps ? tap : -1;
    });
  };
}

}  // namespace tweedie
