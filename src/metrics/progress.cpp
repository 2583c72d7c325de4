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

std::string progress_text(const ProgressFacts& facts, double samples_per_second, base::Seconds remaining) {
  std::string line = formatted("epoch %lld/%lld  step %lld/%lld  ETA %s  loss %.4g  recon %.4g  KL %.4g nats  %.0f samples/s",
                               static_cast<long long>(facts.epoch + 1), static_cast<long long>(facts.epochs_planned),
                               static_cast<long long>(facts.step), static_cast<long long>(facts.steps_planned),
                               hours_minutes_seconds(remaining).c_str(), facts.loss, facts.reconstruction_loss, facts.kld_nats,
                               samples_per_second);
  std::string waits;
  if (facts.data_wait_share >= 0.01) waits += formatted(" data %.0f%%", 100 * facts.data_wait_share);
  if (facts.allreduce_wait_share >= 0.01) waits += formatted(" all-reduce %.0f%%", 100 * facts.allreduce_wait_share);
  return waits.empty() ? line : line + "  waits:" + waits;
}

Progress::Progress(bool enabled, std::int64_t first_step, std::int64_t global_batch)
    : enabled_(enabled), first_step_(first_step), last_step_(first_step), global_batch_(global_batch) {}

double Progress::recent_speed(std::int64_t step) {
  const base::Seconds lap = since_shown_.restart();
  const double kept = std::exp(-lap / kSpeedMemory);
  recent_samples_ = kept * recent_samples_ + static_cast<double>((step - last_step_) * global_batch_);
  recent_time_ = kept * recent_time_ + lap;
  last_step_ = step;
  return recent_samples_ / recent_time_.count();
}

void Progress::show(const ProgressFacts& facts, bool due) {
  if (!enabled_ || facts.step <= last_step_) return;
  const bool last = facts.step == facts.steps_planned;
  if (base::on_terminal() ? !last && since_shown_.elapsed() < kRedraw : !due) return;
  // The average over all that has happened, evaluations and checkpoints included, tells best what is to come.
  const base::Seconds remaining =
      since_start_.elapsed() * static_cast<double>(facts.steps_planned - facts.step) / static_cast<double>(facts.step - first_step_);
  const std::string line = progress_text(facts, recent_speed(facts.step), remaining);
  if (base::on_terminal()) log::status(line);
  else std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace vae_dist::metrics
