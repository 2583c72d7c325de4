#include "comm/collective_log.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace vae_dist {

CollectiveLog::Running CollectiveLog::begin(std::string what, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (records_.size() == kKept) records_.pop_front();
  records_.push_back({{++started_, std::move(what), bytes, {}, {}}, {}});
  return {*this, started_};
}

void CollectiveLog::end(std::int64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(records_, number, [](const Record& record) { return record.entry.number; });
  if (found != records_.end()) found->entry.took = found->since.elapsed();
}

std::int64_t CollectiveLog::started() const {
  const std::lock_guard lock(mutex_);
  return started_;
}

std::string CollectiveLog::last_started() const {
  const std::lock_guard lock(mutex_);
  return records_.empty() ? "" : records_.back().entry.what;
}

std::vector<CollectiveLog::Entry> CollectiveLog::entries() const {
  const std::lock_guard lock(mutex_);
  std::vector<Entry> out;
  for (const Record& record : records_) {
    out.push_back(record.entry);
    out.back().since_start = record.since.elapsed();
  }
  return out;
}

std::string describe(const std::vector<CollectiveLog::Entry>& entries) {
  const auto rounded = [](Seconds time) { return std::round(time.count() * 1e4) / 1e4; };
  std::string out;
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    out += text("  #", entry->number, " ", entry->what, ", ", entry->bytes, " bytes: ");
    out += entry->took ? text("took ", rounded(*entry->took), " s\n") : text("under way for ", rounded(entry->since_start), " s\n");
  }
  return out;
}

}  // namespace vae_dist
