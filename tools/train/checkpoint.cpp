#include "tools/train/checkpoint.hpp"

#include <array>
#include <filesystem>

#include "weights/array_file.hpp"
#include "weights/hdf5_writer.hpp"
#include "weights/read_files.hpp"
#include "weights/weight_file.hpp"

namespace tweedie {
namespace {

constexpr const char* format = "tweedie-training";

// The arenas of a run, by the names of their groups.
std::array<std::pair<const char*, Tensor*>, 4> arenas(Trainer& t) {
  return {{{"parameters", &t.values()},
           {"average", &t.optimiser().average()},
           {"first_moment", &t.optimiser().first_moment()},
           {"second_moment", &t.optimiser().second_moment()}}};
}

std::string dataset(const std::string& group, const std::string& key) { return group + "/" + key; }

// A double is the exact sum of three floats, as long as it is neither tiny nor huge: what HDF5 files of ours
// hold is float32.
void write_doubles(Hdf5Writer& file, const std::string& name, const std::vector<double>& values) {
  std::vector<float> parts;
  for (double rest : values)
    for (int part = 0; part < 3; ++part) {
      parts.push_back(float(rest));
      rest -= double(parts.back());
    }
  file.array(name, {std::int64_t(values.size()), 3}, parts);
}

std::vector<double> read_doubles(const ArrayFile& file, const std::string& name) {
  const std::vector<double> parts = file.doubles(name);
  std::vector<double> values;
  for (std::size_t i = 0; i + 2 < parts.size(); i += 3)
    values.push_back(parts[i] + (parts[i + 1] + parts[i + 2]));
  return values;
}

}  // namespace

void write_checkpoint(const std::string& path, Trainer& trainer) {
  Hdf5Writer file(path);
  file.text("format", format);
  file.integer("version", 1);
  file.text("settings", to_json(trainer.settings()).dump());
  file.text("step", std::to_string(trainer.steps()));
  const std::vector<double> sampler = trainer.timesteps().state();
  if (!sampler.empty()) write_doubles(file, "timesteps", sampler);
  const Parameters& parameters = trainer.parameters();
  for (const auto& [name, arena] : arenas(trainer)) {
    file.group(name);
    for (std::size_t i = 0; i < parameters.count(); ++i)
      file.array(dataset(name, parameters.name(i)), parameters.extents(i), parameters.read(*arena, i));
  }
  file.commit();
}

TrainSettings checkpoint_settings(const std::string& path) {
  const ArrayFile file(path);
  note_own(path);
  require(file.has_attribute("format") && file.text_attribute("format") == format, path,
          ": an HDF5 file, but not a checkpoint of tweedie-train");
  return train_settings(file.json_attribute("settings"), path);
}

void read_checkpoint(Trainer& trainer, const std::string& path) {
  const ArrayFile file(path);
  note_own(path);
  const Parameters& parameters = trainer.parameters();
  for (const auto& [group, arena] : arenas(trainer))
    for (std::size_t i = 0; i < parameters.count(); ++i) {
      const std::string name = dataset(group, parameters.name(i));
      require(file.has(name) && file.extents(name) == parameters.extents(i), path, ": ", name,
              " is missing or has another shape than ", to_string(parameters.extents(i)));
      parameters.write(*arena, i, file.floats(name));
    }
  trainer.optimiser().set_steps(std::stoll(file.text_attribute("step")));
  if (file.has("timesteps")) trainer.timesteps().set_state(read_doubles(file, "timesteps"));
}

void write_weights(const std::string& path, Trainer& trainer, bool average) {
  const TrainSettings& s = trainer.settings();
  // Where the data lay on this machine is nobody's business who gets the file.
  std::filesystem::path data = std::filesystem::path(s.data.source).lexically_normal();
  if (!data.has_filename()) data = data.parent_path();
  const WeightFileHeader header{
      "guided_diffusion_unet", to_json(s.unet), to_json(s.diffusion),
      message("tweedie-train, step ", trainer.steps(), ", data ", data.filename().string(),
              average ? message(", averaged at ", s.optimiser.ema_rate) : std::string())};
  WeightFileOptions options;
  options.overwrite = true;
  WeightFileWriter file(path, header, options);
  const Parameters& parameters = trainer.parameters();
  const Tensor& arena = average ? trainer.optimiser().average() : trainer.values();
  for (std::size_t i = 0; i < parameters.count(); ++i)
    file.write(parameters.name(i), parameters.extents(i), parameters.read(arena, i));
  file.commit();
}

}  // namespace tweedie
