// Sets of small numbers (cores, NUMA nodes, ranks) as people and the kernel write them.
#pragma once

#include <string>
#include <vector>

namespace vae_dist::base {

/// The kernel's "0-3,8" as {0, 1, 2, 3, 8}. What is no number is left out.
std::vector<int> parse_ranges(const std::string& listed);

/// {0, 1, 2, 3, 8} as "0-3, 8". The numbers rise.
std::string ranges_text(const std::vector<int>& numbers);

/// {2} as "rank 2", {0, 1, 2} as "ranks 0-2".
std::string ranks_text(const std::vector<int>& ranks);

}  // namespace vae_dist::base
