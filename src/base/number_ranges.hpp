// Reads and writes sets of small numbers (cores, NUMA nodes, ranks) as ranges.
#pragma once

#include <string>
#include <vector>

namespace vae_dist::base {

/// Parses the kernel's notation: "0-3,8" gives {0, 1, 2, 3, 8}. Skips parts that are not numbers.
std::vector<int> parse_ranges(const std::string& listed);

/// Formats {0, 1, 2, 3, 8} as "0-3, 8". The numbers must be in ascending order.
std::string ranges_text(const std::vector<int>& numbers);

/// Formats {2} as "rank 2" and {0, 1, 2} as "ranks 0-2".
std::string ranks_text(const std::vector<int>& ranks);

}  // namespace vae_dist::base
