#include "tools/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "kernels/error.hpp"
#include "tools/say.hpp"

namespace tweedie {
namespace {

constexpr double redraw_seconds = 0.1, line_seconds = 2, patience_seconds = 30;

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool is_terminal(std::FILE* out) {
  const char* kind = std::getenv("TERM");
  return ::isatty(::fileno(out)) && kind && std::string_view(kind) != "dumb";
}

int terminal_columns(std::FILE* out) {
  winsize size{};
  return ::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string duration(double seconds) {
  const auto total = static_cast<long long>(std::llround(std::max(seconds, 0.0)));
  const long long h = total / 3600, m = total / 60 % 60, s = total % 60;
  return h > 0 ? fmt::format("{}:{:02}:{:02}", h, m, s) : fmt::format("{}:{:02}", m, s);
}

/// A bar of `width` characters between brackets.
std::string bar(int width, double share) {
  const int full = std::clamp(static_cast<int>(share * width), 0, width);
  return fmt::format("[{:#<{}}{:.<{}}]", "", full, "", width - full);
}

}  // namespace

Progress::Progress(std::string label, int steps, ProgressStyle style, std::FILE* out,
                   std::function<double()> seconds)
    : label_(std::move(label)),
      steps_(steps),
      style_(style),
      out_(out),
      seconds_(seconds ? std::move(seconds) : steady_seconds),
      start_(seconds_()) {
  require(steps > 0, "progress over ", steps, " steps");
  if (style_ == ProgressStyle::automatic)
    style_ = is_terminal(out_) ? ProgressStyle::bar : ProgressStyle::lines;
}

Progress::~Progress() {
  if (!line_open_) return;
  say(out_, "\n");
}

double Progress::seconds_per_step() const {
  if (done_ == 0) return 0;
  return done_ == 1 ? first_step_ - start_ : (latest_ - first_step_) / (done_ - 1);
}

std::string Progress::text(int done, std::optional<double> distance) const {
  const std::string measured = distance ? fmt::format("  |y - A x0| {:.4g}", *distance) : "";
  const double rate = seconds_per_step();
  const std::string time =
      done < steps_ ? duration(rate * (steps_ - done)) + " left" : duration(latest_ - start_) + " in all";
  return fmt::format("{}/{}{}  {:.3g} s/step  {}", done, steps_, measured, rate, time);
}

bool Progress::line_is_due(int done, double now) const {
  if (shown_done_ == 0 || done == steps_) return true;
  if (now - shown_at_ < line_seconds) return false;
  const int tenth = std::max(1, steps_ / 10);
  return done / tenth > shown_done_ / tenth || now - shown_at_ >= patience_seconds;
}

void Progress::update(int done, std::optional<double> distance) {
  const double now = seconds_();
  if (done_ == 0) {  // also when the first report comes late: the rate starts counting here
    first_step_ = start_ + (now - start_) / done;
  }
  done_ = done;
  latest_ = now;
  if (style_ == ProgressStyle::quiet) return;

  if (style_ == ProgressStyle::lines) {
    if (!line_is_due(done, now)) return;
    say(out_, fmt::format("{} {}\n", label_, text(done, distance)));
  } else {
    if (shown_done_ > 0 && done < steps_ && now - shown_at_ < redraw_seconds) return;
    const auto columns = std::size_t(terminal_columns(out_)) - 1;  // a full last column would wrap
    std::string line = label_ + " ";
    const std::string numbers = text(done, distance);
    const int room = static_cast<int>(columns) - static_cast<int>(line.size() + numbers.size()) - 3;
    if (room >= 10) line += bar(std::min(room, 40), double(done) / steps_) + " ";
    line += numbers;
    say(out_, fmt::format("\r{}\x1b[K", line.substr(0, columns)));
    line_open_ = true;
  }
  shown_at_ = now;
  shown_done_ = done;
}

}  // namespace tweedie
