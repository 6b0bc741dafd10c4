#include "tools/train/stop.hpp"

#include <csignal>

namespace tweedie {
namespace {

// A signal's handler reaches nothing but static memory.
volatile std::sig_atomic_t noted = 0;

void note(int signal) {
  noted = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

StopOnSignal::StopOnSignal() {
  noted = 0;
  std::signal(SIGINT, note);
  std::signal(SIGTERM, note);
}

StopOnSignal::~StopOnSignal() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

bool StopOnSignal::wanted() const { return noted != 0; }

}  // namespace tweedie
