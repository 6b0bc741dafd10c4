#include "tools/table/cells.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "kernels/error.hpp"
#include "tools/files.hpp"
#include "tools/metrics/resize.hpp"
#include "tools/prior.hpp"
#include "tools/restore/method.hpp"
#include "tools/table/workload.hpp"
#include "weights/checkpoints/byte_source.hpp"

namespace tweedie::table {
namespace {

namespace fs = std::filesystem;
using metrics::Planes;

constexpr std::size_t largest_text = std::size_t(1) << 26;

// Half the sides, each pixel the mean of four (Pillow's BOX filter).
Planes halved(const Planes& x) {
  Planes y{x.channels, x.height / 2, x.width / 2, {}};
  for (int c = 0; c < y.channels; ++c)
    for (int i = 0; i < y.height; ++i)
      for (int j = 0; j < y.width; ++j) {
        const double* at =
            x.data.data() +
            (std::size_t(c) * std::size_t(x.height) + 2 * std::size_t(i)) * std::size_t(x.width) +
            2 * std::size_t(j);
        y.data.push_back((at[0] + at[1] + at[x.width] + at[x.width + 1]) / 4);
      }
  return y;
}

Image image_of(const Planes& planes) {
  Image image{planes.channels, planes.height, planes.width, {}};
  for (const double v : planes.data) image.data.push_back(float(2 * v - 1));
  return image;
}

// guided-diffusion's recipe: halve while the short side is at least twice the size, then Pillow's bicubic to
// the size, then the square in the middle. `centre`: the square first.
Image cut(const Image& image, const Selection& s, const std::string& path) {
  const int side = std::min(image.height, image.width);
  require(side >= s.size, path, ": ", describe(image), ", smaller than the table's ", s.size, " pixels");
  if (s.crop == "centre") {
    const Image square = crop(image, (image.height - side) / 2, (image.width - side) / 2, side, side);
    return image_of(
        metrics::resized(metrics::planes_of(square), s.size, s.size, metrics::Resizer::bicubic_pil));
  }
  Planes planes = metrics::planes_of(image);
  while (std::min(planes.height, planes.width) >= 2 * s.size) planes = halved(planes);
  const double scale = double(s.size) / std::min(planes.height, planes.width);
  const int height = int(std::lround(planes.height * scale)), width = int(std::lround(planes.width * scale));
  const Image scaled = image_of(metrics::resized(planes, height, width, metrics::Resizer::bicubic_pil));
  return crop(scaled, (height - s.size) / 2, (width - s.size) / 2, s.size, s.size);
}

// Where the programs lie: beside this one.
std::string program(const std::string& name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? name : (self.parent_path() / name).string();
}

std::string last_line(const std::string& path) {
  std::string text = read_file(path, largest_text);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

// Runs a command with both streams in a file; it ends with this process. The result: its exit status; 128 and
// more: ended by a signal.
int run(const std::vector<std::string>& words, const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid(), child = ::fork();
  require(child >= 0, words[0], ": cannot be run: ", std::strerror(errno));
  if (child == 0) {  // nothing but system calls here
    const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file >= 0) {
      ::dup2(file, STDOUT_FILENO);
      ::dup2(file, STDERR_FILENO);
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() == parent) ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    require(errno == EINTR, words[0], ": cannot be waited for: ", std::strerror(errno));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::uint32_t hash_of(const std::string& text) {  // FNV-1a
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

/// The hashes of files, each taken once.
class Hashes {
 public:
  const std::string& of(const std::string& path) {
    std::string& hash = known_[path];
    if (hash.empty() && !path.empty()) hash = sha256_hex(*open_file(path));
    return hash;
  }

 private:
  std::map<std::string, std::string> known_;
};

/// The words that name the networks of a run besides the image's prior. Errors: one that nobody gave.
std::vector<std::string> networks_of(const Table& table, const Setting& setting, const Row& task,
                                     const Row& method) {
  const OtherNetworks wanted = other_networks(options_of(table, task, method));
  std::vector<std::string> words;
  for (const std::string& unknown : wanted.unknowns) {
    const auto path = setting.unknown_weights.find(unknown);
    require(path != setting.unknown_weights.end() && !path->second.empty(), task.name, " / ", method.name,
            ": wants a prior of the ", unknown, ": give its --", unknown, "-weights");
    words.push_back("--" + unknown + "-weights");
    words.push_back(path->second);
  }
  if (!wanted.of_operator) return words;
  require(!setting.operator_weights.empty(), task.name, " / ", method.name,
          ": the operator is a network: give its --operator-weights");
  words.push_back("--operator-weights");
  words.push_back(setting.operator_weights);
  return words;
}

/// The words that name the image's prior and, where the row's own words do not, the method: dps, and the
/// analytic prior, if nobody named others. tweedie-restore's own choice may be another in another version.
/// Errors: a method that asks a prior, and the row says it has none.
std::vector<std::string> choice_of(const Table& table, const Setting& setting, const Row& task,
                                   const Row& method) {
  const Options options = options_of(table, task, method);
  const std::vector<std::string> stated = words_of(table, task, method);
  std::vector<std::string> words;
  const auto add = [&](const char* option, const std::string& value) {
    words.push_back(option);
    words.push_back(value);
  };
  if (std::find(stated.begin(), stated.end(), "--method") == stated.end()) add("--method", options.method);
  if (!find_method(options.method).samples()) return words;
  require(method.prior != "none", task.name, " / ", method.name, ": ", options.method,
          " asks a prior; the row says `prior: none`");
  if (!method.prior.empty())
    add("--prior", method.prior);
  else if (!setting.weights.empty())
    add("--weights", setting.weights);
  else
    add("--prior", setting.prior.empty() ? "spectrum" : setting.prior);
  return words;
}

/// The class of a picture, of "0003_7.png" 7. Errors: its name has none.
std::string label_of(const std::string& image) {
  const std::string stem = fs::path(image).stem().string();
  const std::string label = stem.substr(stem.rfind('_') + 1);
  require(stem.find('_') != std::string::npos && !label.empty() && label.size() < 10 &&
              label.find_first_not_of("0123456789") == std::string::npos,
          image, ": the table takes its class from its name, where a number behind the last _ was expected");
  return label;
}

/// The files of priors that a run takes by their names: one that ships is another one in another version.
std::vector<std::string> shipped_of(const Table& table, const Setting& setting, const Row& task,
                                    const Row& method) {
  std::vector<std::string> names = other_networks(options_of(table, task, method)).shipped;
  names.insert(names.begin(), method.prior.empty() ? setting.prior : method.prior);
  std::vector<std::string> files;
  for (const std::string& name : names)
    if (const std::string file = shipped_file(name); fs::exists(file)) files.push_back(file);
  return files;
}

std::string key_of(const Table& table, const Setting& setting, const Cell& cell,
                   const std::vector<std::string>& shipped, Hashes& hashes) {
  std::vector<std::string> words = command_of(table, setting, cell, "");
  words[0] = "tweedie-restore " TWEEDIE_VERSION;
  words[2] = hashes.of(cell.image);
  std::string key = shell_line(words) + " # " + hashes.of(setting.weights);
  for (const std::string& file : shipped) key += " " + hashes.of(file);
  for (std::size_t k = 1; k < cell.networks.size(); k += 2) key += " " + hashes.of(cell.networks[k]);
  return key + "\n";
}

// Pictures by their endings, in the folder and below.
std::vector<std::string> pictures_below(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, fs::directory_options::follow_directory_symlink, error);
  require(!error, folder, ": ", error.message());
  for (const auto& entry : entries) {
    std::string ending = entry.path().extension().string();
    for (char& c : ending) c = char(std::tolower(static_cast<unsigned char>(c)));
    for (const char* known : {".png", ".jpg", ".jpeg", ".tif", ".tiff"})
      if (ending == known) files.push_back(entry.path().string());
  }
  require(!files.empty(), folder, ": no image in it (PNG, JPEG or TIFF)");
  std::sort(files.begin(), files.end());
  return files;
}

/// Errors: a picture is chosen twice, or shares its name with another chosen one: their runs would have one
/// folder; or with another of `all`, of which it was chosen by that name.
void require_own_names(const std::vector<std::string>& chosen, const std::vector<std::string>& all) {
  std::map<std::string, std::string> by_stem;
  for (const std::string& file : chosen)
    require(by_stem.emplace(fs::path(file).stem().string(), file).second, file,
            ": is chosen twice, or another picture has its name");
  for (const std::string& file : all) {
    const auto found = by_stem.find(fs::path(file).stem().string());
    require(found == by_stem.end() || found->second == file, found == by_stem.end() ? "" : found->second,
            " and ", file, " have one name: which is meant?");
  }
}

}  // namespace

bool Cell::complete() const {
  const std::string path = (fs::path(folder) / "key").string();
  std::error_code none;
  return fs::exists(path, none) && read_file(path, largest_text) == key;
}

std::vector<Cell> cells_of(const Table& table, const Setting& setting) {
  std::vector<Cell> cells;
  Hashes hashes;
  for (const Row& task : table.tasks) {
    std::map<const Row*, std::vector<std::string>> choices, networks, shipped;
    for (const Row& method : table.methods) {
      if (!table.pairs(task, method)) continue;
      choices[&method] = choice_of(table, setting, task, method);
      networks[&method] = networks_of(table, setting, task, method);
      shipped[&method] = shipped_of(table, setting, task, method);
    }
    for (const std::string& image : setting.images)
      for (const std::uint64_t seed : table.seeds)
        for (const Row& method : table.methods) {
          if (!table.pairs(task, method)) continue;
          const std::string stem = fs::path(image).stem().string();
          const std::string name = table.seeds.size() > 1 ? fmt::format("{}_seed{}", stem, seed) : stem;
          const fs::path folder = fs::path(setting.out) / "cells" / task.id() / method.id() / name;
          Cell cell{&task,
                    &method,
                    image,
                    name,
                    (seed << 32) + hash_of(stem),
                    folder.string(),
                    "",
                    choices[&method],
                    networks[&method]};
          cell.key = key_of(table, setting, cell, shipped[&method], hashes);
          cells.push_back(std::move(cell));
        }
  }
  return cells;
}

std::vector<std::string> choose_images(const Table& table, const std::string& folder,
                                       const std::string& out) {
  const Selection& s = table.images;
  const std::vector<std::string> all = pictures_below(folder);
  std::vector<std::string> files = all;
  if (!s.ids.empty()) {
    std::map<std::string, std::string> by_stem;
    for (const std::string& file : files) {
      // 00000001 is also ILSVRC2012_val_00000001.
      const std::string stem = fs::path(file).stem().string();
      by_stem.emplace(stem.substr(stem.rfind('_') + 1), file);
      by_stem[stem] = file;
    }
    files.clear();
    for (const std::string& id : s.ids) {
      if (s.first > 0 && files.size() == std::size_t(s.first)) break;
      const auto found = by_stem.find(id);
      require(found != by_stem.end(), folder, ": there is no image ", id, ", which the table names");
      files.push_back(found->second);
    }
  }
  if (s.first > 0 && files.size() > std::size_t(s.first)) files.resize(std::size_t(s.first));
  require_own_names(files, s.ids.empty() ? std::vector<std::string>() : all);
  if (s.crop == "none") {
    if (s.size > 0)
      for (const std::string& file : files) {
        const Image image = read_image(file);
        require(image.height == s.size && image.width == s.size, file, ": ", describe(image),
                ", the table is of ", s.size, " x ", s.size, "; a crop in its images can make it so");
      }
    return files;
  }
  ensure_output_directory((fs::path(out) / "images").string());
  for (std::string& file : files) {
    const std::string to = (fs::path(out) / "images" / (fs::path(file).stem().string() + ".png")).string();
    write_png(to, cut(read_image(file), s, file));
    file = to;
  }
  return files;
}

std::vector<std::string> command_of(const Table& table, const Setting& setting, const Cell& cell,
                                    const std::string& folder) {
  std::vector<std::string> words{program("tweedie-restore"), "--input", cell.image};
  for (const std::vector<std::string>& part : {words_of(table, *cell.task, *cell.method), cell.networks})
    words.insert(words.end(), part.begin(), part.end());
  const auto add = [&](const char* option, const std::string& value) {
    words.push_back(option);
    words.push_back(value);
  };
  if (cell.method->label_of_name) add("--label", label_of(cell.image));
  add("--seed", std::to_string(cell.seed));
  words.insert(words.end(), cell.choice.begin(), cell.choice.end());
  add("--device", setting.device);
  add("--precision", setting.precision);
  words.push_back("--quiet");
  add("-o", folder);
  return words;
}

std::optional<std::string> run_cell(const Table& table, const Setting& setting, const Cell& cell) {
  const std::string part = cell.folder + ".part", log = cell.folder + ".log";
  ensure_output_directory(fs::path(cell.folder).parent_path().string());
  fs::remove_all(part);  // of a run that was killed
  const auto start = std::chrono::steady_clock::now();
  const int status = run(command_of(table, setting, cell, part), log);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (status != 0) {
    const std::string reason = last_line(log);
    return reason.empty() ? fmt::format("tweedie-restore ended with status {}", status) : reason;
  }
  atomic_write(part + "/seconds", fmt::format("{:.3f}\n", seconds));
  atomic_write(part + "/key", cell.key);
  std::error_code error;
  fs::remove(log, error);              // before the cell is complete: then nobody looks here again
  fs::remove_all(cell.folder, error);  // of another key
  fs::rename(part, cell.folder, error);
  require(!error, cell.folder, ": cannot be made: ", error.message());
  return std::nullopt;
}

Json report_of(const Cell& cell) {
  const std::string path = cell.folder + "/report.json";
  Json report;
  try {
    report = Json::parse(read_file(path, largest_text));
    report["seconds"] = std::stod(read_file(cell.folder + "/seconds", largest_text));
  } catch (const std::logic_error& e) {  // of std::stod
    throw Error(message(cell.folder, ": no complete result; remove the folder to have it made again"));
  } catch (const Json::exception& e) {
    throw Error(message(path, ": ", e.what(), "; remove the folder to have it made again"));
  }
  return report;
}

}  // namespace tweedie::table
