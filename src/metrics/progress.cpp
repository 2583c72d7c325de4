#include "metrics/progress.hpp"

#include <cmath>
#include <cstdio>

#include "base/log.hpp"
#include "base/terminal.hpp"

namespace vae_dist::metrics {
namespace {

constexpr base::Seconds kRedraw{0.1};
constexpr base::Seconds kSpeedMemory{10.0};

template <typename... Values>
std::string formatted(const char* format, Values... values) {
  char line[256];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

}  // namespace

std::string hours_minutes_seconds(base::Seconds time) {
  if (!std::isfinite(time.count()) || time.count() < 0) return "-:--:--";
  const long long seconds = std::llround(time.count());
  return formatted("%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string progress_text(const ProgressFacts& facts, double samples_per_second,
                          base::Seconds remaining) {
  const StepMetrics& step = facts.step;
  std::string line = formatted(
      "epoch %lld/%lld  step %lld/%lld  ETA %s", static_cast<long long>(step.epoch) + 1,
      static_cast<long long>(facts.epochs_planned), static_cast<long long>(step.step),
      static_cast<long long>(facts.steps_planned), hours_minutes_seconds(remaining).c_str());
  for (const StepTerm& term : step_terms())
    if (term.brief) line += formatted("  %s %.4g%s", term.brief, step.*term.value, term.brief_unit);
  line += formatted("  %.0f samples/s", samples_per_second);
  std::string waits;
  const auto add_wait = [&](const char* words, double seconds) {
    const double share = step.step_seconds > 0 ? seconds / step.step_seconds : 0;
    if (share >= 0.01) waits += formatted(" %s %.0f%%", words, 100 * share);
  };
  add_wait("data", step.data_wait_seconds);
  add_wait("all-reduce", step.allreduce_wait_seconds);
  return waits.empty() ? line : line + "  waits:" + waits;
}

Progress::Progress(bool enabled, std::int64_t first_step, std::int64_t global_batch)
    : enabled_(enabled),
      first_step_(first_step),
      last_step_(first_step),
      global_batch_(global_batch) {}

double Progress::recent_speed(std::int64_t step) {
  const base::Seconds lap = since_shown_.restart();
  const double kept = std::exp(-lap / kSpeedMemory);
  recent_samples_ =
      kept * recent_samples_ + static_cast<double>((step - last_step_) * global_batch_);
  recent_time_ = kept * recent_time_ + lap;
  last_step_ = step;
  return recent_samples_ / recent_time_.count();
}

void Progress::show(const ProgressFacts& facts, bool due) {
  if (!enabled_ || facts.step.step <= last_step_) return;
  const bool last = facts.step.step == facts.steps_planned;
  if (base::on_terminal() ? !last && since_shown_.elapsed() < kRedraw : !due) return;
  // The average over the whole run so far, including evaluations and checkpoints, predicts the
  // remaining time best.
  const base::Seconds remaining = since_start_.elapsed() *
                                  static_cast<double>(facts.steps_planned - facts.step.step) /
                                  static_cast<double>(facts.step.step - first_step_);
  const std::string line = progress_text(facts, recent_speed(facts.step.step), remaining);
  if (base::on_terminal())
    log::status(line);
  else
    std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace vae_dist::metrics
