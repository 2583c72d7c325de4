// Lists in messages, which may name thousands of things.
#pragma once

#include <string>
#include <vector>

namespace vae_dist::base {

/// The first ten with `separator` between them, and how many more there are: "a, b, c", or "a, ...,
/// j, and 7 more". With the separator "\n  " each stands on a line of its own: "a\n  ...\n  j\n and
/// 7 more".
std::string list_of_ten(const std::vector<std::string>& items, const std::string& separator = ", ");

}  // namespace vae_dist::base
