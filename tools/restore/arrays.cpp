#include "tools/restore/arrays.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/arrays.hpp"
#include "tools/image.hpp"
#include "tools/restore/views.hpp"
#include "weights/array_file.hpp"
#include "weights/hdf5_read.hpp"

namespace tweedie {
namespace {

/// Zeros and ones: from the file, or drawn.
std::vector<float> make_mask(const Asked& asked, const ArrayRow& row, const Shape& image, std::uint64_t seed,
                             std::vector<std::string>& notes) {
  const auto file = asked.files.find(row.name);
  const bool given = file != asked.files.end();
  require(given || asked.draw, "task ", asked.name(), ": give the ", row.name, " with ", row.option,
          " (white: observed)");
  const std::vector<float> mask = given ? read_mask(file->second, image.H, image.W, &notes)
                                        : asked.draw->draw(asked.drawn_by, image.H, image.W, seed);
  const auto observed = std::size_t(std::count(mask.begin(), mask.end(), 1.f));
  require(observed > 0, "task ", asked.name(), ": the mask observes none of ", mask.size(),
          " pixels: nothing would be measured");
  if (observed == mask.size()) notes.push_back("no pixel is lost: the mask observes all of them");
  return mask;
}

/// The shape of what each leaf is given of such an image.
std::vector<Shape> shapes_before(Context& context, const OperatorDescription& op, const OperatorData& data,
                                 Shape image) {
  std::vector<Shape> shapes;
  const auto leaves = op.leaves();
  for (const OperatorDescription* leaf : leaves) {
    shapes.push_back(image);
    if (leaf == leaves.back()) break;
    const bool masks =
        std::any_of(leaf->kind->arrays.begin(), leaf->kind->arrays.end(),
                    [](const ArrayRow& row) { return row.form == ArrayRow::Form::mask && *row.option; });
    if (!masks) image = make_operator(context, *leaf, data)->output_shape(image);  // a mask keeps the shape
  }
  return shapes;
}

/// A kernel in the making: not yet of sum 1.
struct Weights {
  int height, width;
  std::vector<float> values;
};

/// Errors: the sum is not positive; `expected` says what would be right.
void normalise(Weights& kernel, const std::string& path, const std::string& expected) {
  double sum = 0;
  for (const float v : kernel.values) {
    require(std::isfinite(v), path, ": the kernel holds ", v);
    sum += v;
  }
  require(sum > 0, path, ": the kernel's sum is ", sum, ", expected a positive number: ", expected);
  for (float& v : kernel.values) v = float(v / sum);
}

/// A kernel off its middle shifts the picture, and one with the middle in a corner is a transform's.
void note_centre(const Weights& kernel, const std::string& path, std::vector<std::string>& notes) {
  double row = 0, column = 0;
  for (std::size_t i = 0; i < kernel.values.size(); ++i) {
    row += kernel.values[i] * double(i / std::size_t(kernel.width));
    column += kernel.values[i] * double(i % std::size_t(kernel.width));
  }
  const double down = row - (kernel.height - 1) / 2.0, right = column - (kernel.width - 1) / 2.0;
  const auto slight = [](double shift, int side) { return std::abs(shift) <= std::max(1.0, side / 4.0); };
  if (slight(down, kernel.height) && slight(right, kernel.width)) return;
  notes.push_back(fmt::format(
      "{}: the kernel's centre of mass is {:.3g} rows below and {:.3g} columns right of its middle, which is "
      "where it belongs; the picture is shifted by as much",
      path, down, right));
}

Weights kernel_of_array(const std::string& path) {
  Array array = read_array_called(path, "kernel");
  const Extents& e = array.shape;
  const bool plane = e.size() == 2 || (e.size() == 4 && e[0] == 1 && e[1] == 1);
  require(plane && e[e.size() - 2] < 4096 && e.back() < 4096, path, ": kernel has shape ", to_string(e),
          ", expected (height, width)");
  Weights kernel{int(e[e.size() - 2]), int(e.back()), std::move(array.values)};
  normalise(kernel, path, "the values of a kernel");
  return kernel;
}

Weights kernel_of_picture(const std::string& path, std::vector<std::string>& notes) {
  std::vector<std::string> unread;
  const Image image = as_channels(read_image(path, &unread), 1, path, unread);
  Weights kernel{image.height, image.width, {}};
  for (const float v : image.data) kernel.values.push_back((v + 1) / 2);
  std::string expected = "a gray picture, black where the kernel is 0";
  for (const std::string& note : unread) expected += "; " + note;
  normalise(kernel, path, expected);
  notes.insert(notes.end(), unread.begin(), unread.end());
  return kernel;
}

}  // namespace

Tensor read_kernel(Context& context, const std::string& path, bool turned, std::vector<std::string>& notes) {
  const bool numbers = is_array_file(path) && !is_image_file(path);
  Weights kernel = numbers ? kernel_of_array(path) : kernel_of_picture(path, notes);
  require(kernel.height % 2 == 1 && kernel.width % 2 == 1, path, ": a kernel of ", kernel.width, " x ",
          kernel.height, " pixels; expected odd sides");
  note_centre(kernel, path, notes);
  if (turned) std::reverse(kernel.values.begin(), kernel.values.end());
  return context.upload({1, 1, kernel.height, kernel.width}, kernel.values);
}

void draw_unknowns(Context& context, const Asked& asked, const OperatorDescription& op, const Shape& image,
                   OperatorData& data, std::vector<std::string>& notes) {
  if (!op.kind->blind) return;
  for (const char* unknown : op.kind->blind->unknowns) {
    const auto file = asked.files.find(unknown);
    data[unknown] = file == asked.files.end()
                        ? op.kind->blind->draw(context, op.settings, unknown, image)
                        : read_kernel(context, file->second, asked.kernel_is_psf, notes);
  }
}

OperatorData make_arrays(Context& context, const Asked& asked, const Shape& image, std::uint64_t seed,
                         std::vector<std::string>& notes) {
  OperatorData data;
  data.weights = asked.network;
  asked.add_lists(context, data);
  const auto leaves = asked.op.leaves();
  for (const OperatorDescription* leaf : leaves) {
    require(!leaf->kind->network || !asked.network.empty(), "task ", asked.name(),
            ": give the weight file of its network with --operator-weights");
    for (const ArrayRow& row : leaf->kind->arrays) {
      if (row.form != ArrayRow::Form::kernel || !*row.option || leaf->kind->blind) continue;
      const auto file = asked.files.find(row.name);
      require(file != asked.files.end(), "task ", asked.name(), ": give the ", row.name, " with ",
              row.option);
      data[row.name] = read_kernel(context, file->second, asked.kernel_is_psf, notes);
    }
  }
  const std::vector<Shape> shapes = shapes_before(context, asked.op, data, image);
  for (std::size_t i = 0; i < leaves.size(); ++i)
    for (const ArrayRow& row : leaves[i]->kind->arrays)
      if (row.form == ArrayRow::Form::mask && *row.option)
        data[row.name] =
            context.upload({1, 1, shapes[i].H, shapes[i].W}, make_mask(asked, row, shapes[i], seed, notes));
  return data;
}

}  // namespace tweedie
