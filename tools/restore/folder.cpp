#include "tools/restore/folder.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "kernels/error.hpp"
#include "operators/measurement_file.hpp"
#include "tools/codec.hpp"
#include "tools/restore/blind.hpp"
#include "weights/read_files.hpp"
#include "weights/staged_file.hpp"

namespace tweedie {
namespace {

namespace fs = std::filesystem;

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error);
}

/// Whether the file is a picture as this program writes one: of 8 bits, without alpha.
bool is_plain_png(const std::string& path) {
  try {
    const std::string bytes = read_file(path, std::size_t(1) << 30);
    std::vector<std::string> notes;
    return is_png(bytes) && decode_png(bytes, path, notes).peak == 255 && notes.empty();
  } catch (const Error&) {
    return false;  // whoever reads the input says what is wrong with it
  }
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_picture(const std::string& name) {
  const fs::path extension = fs::path(name).extension();
  return extension == ".png" || extension == ".npy";
}

/// The pictures that an earlier run has written into this folder, by its report.
std::vector<std::string> earlier_pictures(const std::string& folder) {
  std::ifstream file(fs::path(folder) / "report.json");
  const Json report = Json::parse(file, nullptr, false);
  std::vector<std::string> names;
  if (!report.is_object() || report.value("program", Json()) != "tweedie-restore") return names;
  for (const Json& name : report.value("pictures", Json::array()))
    if (name.is_string()) names.push_back(fs::path(name.get<std::string>()).filename().string());
  return names;
}

}  // namespace

std::string sample_name(int index) { return message("sample_", index + 1, ".png"); }

std::string sample_array_name(int index) { return message("sample_", index + 1, ".npy"); }

ResultFolder::ResultFolder(const Options& o) : path_(o.output), input_(o.input), measurement_(o.measurement) {
  planned_ = {"original.png",   "measurement.png", "restored.png",
              "comparison.png", "measurement.h5",  "report.json"};
  for (const std::string& name : unknown_files(*o.asked->op.kind)) planned_.push_back(name);
  if (o.samples > 1) planned_.push_back("standard_deviation.png");
  for (int i = 0; i < o.samples && o.samples > 1; ++i) planned_.push_back(sample_name(i));
  if (o.save_arrays) planned_.push_back("restored.npy");
  for (int i = 0; i < o.samples && o.samples > 1 && o.save_arrays; ++i)
    planned_.push_back(sample_array_name(i));
  if (!input_.empty() && same_file(fs::path(path_) / "original.png", input_) && is_plain_png(input_))
    stays_.push_back("original.png");
  if (same_file(fs::path(path_) / "measurement.h5", measurement_) && is_measurement(measurement_))
    stays_.push_back("measurement.h5");
}

void ResultFolder::require_inputs_survive() const {
  for (const std::string& name : planned_)
    if (!holds(stays_, name)) require_not_read((fs::path(path_) / name).string());
}

void ResultFolder::make() {
  require_inputs_survive();
  directory_.emplace(path_);
  remove_abandoned(path_, [&](const std::string& name) { return holds(planned_, name); });
}

std::optional<std::string> ResultFolder::place(const std::string& name) {
  require(holds(planned_, name), "results: ", name, " was not planned");
  placed_.push_back(name);
  if (holds(stays_, name)) return {};
  return (fs::path(path_) / name).string();
}

std::vector<std::string> ResultFolder::pictures() const {
  std::vector<std::string> names;
  std::copy_if(placed_.begin(), placed_.end(), std::back_inserter(names), is_picture);
  return names;
}

bool ResultFolder::is_needed(const std::string& name) const {
  const fs::path path = fs::path(path_) / name;
  // The truth of a measurement beside it.
  if (name == "original.png" && same_file(fs::path(path_) / "measurement.h5", measurement_)) return true;
  return is_read(path.string());
}

std::vector<std::string> ResultFolder::remove_earlier() {
  std::vector<std::string> kept;
  std::error_code error;
  for (const std::string& name : earlier_pictures(path_)) {
    const fs::path path = fs::path(path_) / name;
    if (holds(placed_, name) || !is_picture(name) || !fs::is_regular_file(path, error)) continue;
    if (is_needed(name))
      kept.push_back(name);
    else
      require(fs::remove(path, error), path.string(),
              ": of an earlier run; cannot be removed: ", error.message());
  }
  return kept;
}

}  // namespace tweedie
