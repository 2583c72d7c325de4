#include "base/free_memory.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace vae_dist::base {
namespace {

using GroupPath = std::filesystem::path;

// Returns the number that follows `word`, or the first one in the file if `word` is empty. Returns
// nothing if there is no number ("max").
std::optional<std::uint64_t> number_in(const GroupPath& path, const std::string& word = "") {
  std::ifstream file(path);
  std::string name;
  std::uint64_t value = 0;
  if (word.empty()) return file >> value ? std::optional(value) : std::nullopt;
  while (file >> name)
    if (name == word) return file >> value ? std::optional(value) : std::nullopt;
  return std::nullopt;
}

// Returns how many bytes the control group still allows. The page cache counts as used there, but
// the kernel reclaims it when memory is needed, so it is subtracted.
std::uint64_t left_by(const GroupPath& group, const char* limit_name, const char* used_name,
                      const char* files_name) {
  const auto limit = number_in(group / limit_name), used = number_in(group / used_name);
  if (!limit || !used) return std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t firmly_used =
      *used - std::min(*used, number_in(group / "memory.stat", files_name).value_or(0));
  return *limit - std::min(*limit, firmly_used);
}

// Visits the control group of this process below `root` and all its ancestors.
template <typename Visit>
void visit_groups(const GroupPath& root, const std::string& mark, Visit visit) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t at = line.find(mark);
    if (at == std::string::npos) continue;
    for (GroupPath group = root / GroupPath(line.substr(at + mark.size())).relative_path();;
         group = group.parent_path()) {
      visit(group);
      if (group == root || group == group.parent_path()) break;
    }
  }
  visit(root);
}

}  // namespace

std::uint64_t free_memory() {
  std::uint64_t least = number_in("/proc/meminfo", "MemAvailable:").value_or(0) * 1024;
  visit_groups("/sys/fs/cgroup", "0::", [&](const GroupPath& group) {
    least = std::min(least, left_by(group, "memory.max", "memory.current", "inactive_file"));
  });
  visit_groups("/sys/fs/cgroup/memory", ":memory:", [&](const GroupPath& group) {
    least = std::min(least, left_by(group, "memory.limit_in_bytes", "memory.usage_in_bytes",
                                    "total_inactive_file"));
  });
  return least;
}

}  // namespace vae_dist::base
