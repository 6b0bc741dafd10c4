#include "tools/restore/sample_store.hpp"

#include <filesystem>

#include "weights/array_file.hpp"
#include "weights/hdf5_read.hpp"
#include "weights/hdf5_writer.hpp"
#include "weights/read_files.hpp"
#include "weights/staged_file.hpp"

namespace tweedie {
namespace {

namespace fs = std::filesystem;

/// Which sample a part's name is of, from 0; -1: it is none.
int index_of(const std::string& name) {
  constexpr std::string_view head = "sample_", tail = ".part.h5";
  if (!name.starts_with(head) || !name.ends_with(tail)) return -1;
  const std::string digits = name.substr(head.size(), name.size() - head.size() - tail.size());
  const bool number =
      !digits.empty() && digits.size() < 7 && digits.find_first_not_of("0123456789") == digits.npos;
  return number ? std::stoi(digits) - 1 : -1;
}

std::vector<fs::path> parts_in(const std::string& folder) {
  std::vector<fs::path> parts;
  std::error_code error;  // no folder, no parts
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (index_of(entry.path().filename().string()) >= 0) parts.push_back(entry.path());
  return parts;
}

Image read_picture(const ArrayFile& file, const std::string& name) {
  const Extents e = file.extents(name);
  require(e.size() == 3, file.path(), ": ", name, " is damaged");
  return {int(e[0]), int(e[1]), int(e[2]), file.floats(name)};
}

}  // namespace

SampleStore::SampleStore(std::string folder, std::string run, bool several, bool resume)
    : folder_(std::move(folder)), run_(std::move(run)), several_(several), resume_(resume) {
  remove_abandoned(folder_, [](const std::string& name) { return index_of(name) >= 0; });
  if (!resume_) remove_parts();
  for (const fs::path& path : parts_in(folder_)) {
    require(holds_hdf5(path.string()) && ArrayFile(path.string()).text_attribute("run") == run_,
            path.string(),
            ": of another run: --resume goes on with the same command; without it, this run starts anew");
    note_own(path.string());
  }
}

std::string SampleStore::part(int index) const {
  return (fs::path(folder_) / message("sample_", index + 1, ".part.h5")).string();
}

std::optional<Sample> SampleStore::read(int index) const {
  if (!resume_ || !several_ || !holds_hdf5(part(index))) return {};
  const ArrayFile file(part(index));
  note_own(part(index));
  const nlohmann::json numbers = file.json_attribute("numbers");
  std::vector<Run> runs;
  for (const nlohmann::json& each : numbers) {
    const std::string name = message("run_", runs.size());
    require(each.is_array() && each.size() == 3, file.path(), ": ", name, " is damaged");
    runs.push_back({read_picture(file, name), each[0], each[1]});
    if (runs.size() == 1) runs.back().unclipped = read_picture(file, "unclipped");
    for (const std::string unknown : each[2])
      runs.back().unknowns.emplace(unknown, read_picture(file, message(name, "_", unknown)));
  }
  require(runs.size() > 1, file.path(), ": holds no runs");
  const Run best = runs.front();
  runs.erase(runs.begin());
  return Sample{best, runs};
}

void SampleStore::write(int index, const Sample& sample) const {
  if (!several_) return;
  Hdf5Writer file(part(index));
  nlohmann::json numbers;
  std::vector<Run> runs = sample.runs;
  runs.insert(runs.begin(), sample.best);
  for (const Run& run : runs) {
    const std::string name = message("run_", numbers.size());
    const auto write_picture = [&](const std::string& as, const Image& x) {
      file.array(as, {x.channels, x.height, x.width}, x.data);
    };
    write_picture(name, run.restored);
    nlohmann::json unknowns = nlohmann::json::array();
    for (const auto& [unknown, x] : run.unknowns) {
      write_picture(message(name, "_", unknown), x);
      unknowns.push_back(unknown);
    }
    numbers.push_back({run.misfit, run.seconds_per_step, unknowns});
  }
  const Image& exact = sample.best.unclipped;
  file.array("unclipped", {exact.channels, exact.height, exact.width}, exact.data);
  file.text("numbers", numbers.dump());
  file.text("run", run_);
  file.commit();
  write_png((fs::path(folder_) / message("sample_", index + 1, ".png")).string(), sample.best.restored);
}

int SampleStore::found(int samples) const {
  int count = 0;
  for (int i = 0; i < samples && resume_ && several_; ++i) count += holds_hdf5(part(i));
  return count;
}

void SampleStore::finish() const { remove_parts(); }

void SampleStore::remove_parts() const {
  std::error_code error;  // what cannot be removed is of no harm: without --resume it is not read
  for (const fs::path& path : parts_in(folder_)) fs::remove(path, error);
}

}  // namespace tweedie
