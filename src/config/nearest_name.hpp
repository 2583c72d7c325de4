// Finds the known name nearest to a misspelt one, for "did you mean ...?".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vae_dist::config {

/// Returns the least number of characters to insert, delete or replace to turn one text into the
/// other (Levenshtein, 1966).
std::size_t edit_distance(std::string_view one, std::string_view other);

/// Returns the dotted name among `known` that `unknown` most likely stands for: misspelt anywhere,
/// or in the wrong section. Empty if none is near.
std::string nearest_name(const std::string& unknown, const std::vector<std::string>& known);

}  // namespace vae_dist::config
