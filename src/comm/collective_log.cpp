#include "comm/collective_log.hpp"

#include <algorithm>
#include <cmath>
#include <ranges>

#include "base/text.hpp"

namespace vae_dist::comm {

CollectiveLog::Running CollectiveLog::begin(std::string what, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (records_.size() == kKept) records_.pop_front();
  const std::int64_t number = ++started_ + on_device().started;
  records_.push_back({{number, std::move(what), bytes, {}, {}}, {}});
  return {*this, number};
}

void CollectiveLog::end(std::int64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::ranges::find(records_, number, [](const Record& record) { return record.entry.number; });
  if (found != records_.end()) found->entry.took = found->since.elapsed();
}

void CollectiveLog::follow(std::shared_ptr<const base::ProgressWords> device) {
  const std::lock_guard lock(mutex_);
  started_ += on_device().started;
  device_ = std::move(device);
}

std::int64_t CollectiveLog::started() const {
  const std::lock_guard lock(mutex_);
  return started_ + on_device().started;
}

std::string CollectiveLog::last_started() const {
  const std::lock_guard lock(mutex_);
  if (const base::ProgressWords::State device = on_device(); device.is_under_way())
    return device.latest.what;
  return records_.empty() ? "" : records_.back().entry.what;
}

std::vector<CollectiveLog::Entry> CollectiveLog::entries() const {
  const std::lock_guard lock(mutex_);
  std::vector<Entry> out;
  for (const Record& record : records_) {
    out.push_back(record.entry);
    out.back().since_start = record.since.elapsed();
  }
  if (const base::ProgressWords::State device = on_device(); device.is_under_way())
    out.push_back({started_ + device.started,
                   device.latest.what,
                   device.latest.bytes,
                   device.since_launch,
                   {}});
  return out;
}

std::string describe(const std::vector<CollectiveLog::Entry>& entries) {
  const auto rounded = [](base::Seconds time) { return std::round(time.count() * 1e4) / 1e4; };
  std::string out;
  for (const CollectiveLog::Entry& entry : std::views::reverse(entries)) {
    out += base::text("  #", entry.number, " ", entry.what, ", ", entry.bytes, " bytes: ");
    out += entry.took ? base::text("took ", rounded(*entry.took), " s\n")
                      : base::text("under way for ", rounded(entry.since_start), " s\n");
  }
  return out;
}

}  // namespace vae_dist::comm
