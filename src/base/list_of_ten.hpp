// Shortens lists in messages that could name thousands of items.
#pragma once

#include <string>
#include <vector>

namespace vae_dist::base {

/// Joins the first ten items with `separator` and adds the number of the others: "a, b, c", or "a,
/// ..., j, and 7 more". With the separator "\n  " each item has its own line: "a\n  ...\n  j\n  and
/// 7 more".
std::string list_of_ten(const std::vector<std::string>& items, const std::string& separator = ", ");

}  // namespace vae_dist::base
