#include "tools/train/log.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "tools/files.hpp"
#include "tools/plot.hpp"
#include "weights/read_files.hpp"

namespace tweedie {
namespace {

constexpr const char* header = "step,loss,mse,vb,gradient_norm,rate,images_per_second\n";
constexpr std::size_t largest_log = std::size_t(1) << 30;

}  // namespace

TrainLog::TrainLog(const std::string& out, std::int64_t steps)
    : out_(out), path_((std::filesystem::path(out) / "log.csv").string()) {
  std::string kept = header;
  if (steps > 0) {
    std::istringstream lines(read_file(path_, largest_log));
    note_own(path_);
    std::string line;
    std::getline(lines, line);
    while (std::int64_t(steps_.size()) < steps && std::getline(lines, line)) {
      double step = 0, loss = 0;
      const bool read = std::sscanf(line.c_str(), "%lf,%lf", &step, &loss) == 2;
      require(read && step == double(steps_.size() + 1), path_, ": row ", steps_.size() + 1,
              " is damaged: ", line);
      steps_.push_back(step);
      losses_.push_back(loss);
      kept += line + "\n";
    }
    require(std::int64_t(steps_.size()) == steps, path_, ": ", steps_.size(),
            " rows, but the checkpoint is of step ", steps);
  }
  atomic_write(path_, kept);
  file_ = std::fopen(path_.c_str(), "ab");
  require(file_ != nullptr, path_, ": cannot be written: ", std::strerror(errno));
}

TrainLog::~TrainLog() { std::fclose(file_); }

void TrainLog::add(std::int64_t step, const StepReport& r, double images_per_second) {
  steps_.push_back(double(step));
  losses_.push_back(r.loss);
  const std::string row = fmt::format("{},{:.9g},{:.9g},{:.9g},{:.9g},{:.9g},{:.4g}\n", step, r.loss, r.mse,
                                      r.vb, r.gradient_norm, r.rate, images_per_second);
  const bool written = std::fwrite(row.data(), 1, row.size(), file_) == row.size() && std::fflush(file_) == 0;
  require(written, path_, ": cannot be written: ", std::strerror(errno));
}

void TrainLog::draw() const {
  if (steps_.size() < 2) return;
  Plot plot = loss_plot("Loss", steps_, losses_);
  plot.log_y = true;
  write_png((std::filesystem::path(out_) / "loss.png").string(), draw_plot(plot));
}

std::string progress_line(std::int64_t step, std::int64_t steps, double loss, double images_per_second,
                          double seconds_left) {
  const double s = seconds_left;
  const std::string left = s < 100    ? fmt::format("{:.0f} s", s)
                           : s < 6000 ? fmt::format("{:.0f} min", s / 60)
                                      : fmt::format("{:.1f} h", s / 3600);
  return fmt::format("step {}/{}  loss {:.4f}  {:.3g} images/s  {} left", step, steps, loss,
                     images_per_second, left);
}

}  // namespace tweedie
