#include "step/update_gate.hpp"

namespace vae_dist::step {
namespace {

// The host is never more steps ahead of the device than it reads late.
constexpr std::size_t kChangesKept = 16;

}  // namespace

UpdateGate::UpdateGate(c10::Device device) : latest_(1) {
  if (!device.is_cpu()) marks_.emplace(device);
}

void UpdateGate::starts_after(std::int64_t steps) {
  const std::lock_guard lock(mutex_);
  now_.step = steps;
  latest_.back() = now_;
}

void UpdateGate::begin_change() {
  std::unique_lock lock(mutex_);
  if (changing_) return;
  changed_.wait(lock, [this] { return !closed_; });
  changing_ = true;
}

void UpdateGate::end_update(std::int64_t steps) {
  const std::lock_guard lock(mutex_);
  now_.step = steps;
  end();
}

void UpdateGate::end_swap() {
  const std::lock_guard lock(mutex_);
  now_.averages_swapped = !now_.averages_swapped;
  end();
}

void UpdateGate::end() {
  changing_ = false;
  ++changes_;
  latest_.push_back(now_);
  if (latest_.size() > kChangesKept) latest_.pop_front();
  changed_.notify_all();
}

void UpdateGate::cut_short() {
  const std::lock_guard lock(mutex_);
  cut_short_ = cut_short_ || changing_;
  changed_.notify_all();
}

std::optional<UpdateGate::Closed> UpdateGate::close(base::Seconds limit) {
  std::unique_lock lock(mutex_);
  closed_ = true;
  const bool ended = changed_.wait_for(lock, limit, [this] { return !changing_ || cut_short_; });
  if (!ended || cut_short_) return std::nullopt;
  return now_;
}

std::optional<device::UpdateMarks::Counts> UpdateGate::counts() const {
  return marks_ ? std::optional(marks_->counts()) : std::nullopt;
}

std::optional<UpdateGate::Closed> UpdateGate::after(std::int64_t changes) {
  const std::lock_guard lock(mutex_);
  const std::int64_t ago = changes_ - changes;
  if (ago < 0 || ago >= static_cast<std::int64_t>(latest_.size())) return std::nullopt;
  return latest_[latest_.size() - 1 - static_cast<std::size_t>(ago)];
}

}  // namespace vae_dist::step
