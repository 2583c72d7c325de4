// The `split` attribute of Fuel's files: which rows are "train", which are "test".
#pragma once

#include <string>
#include <vector>

#include "data/decoded_rows.hpp"

namespace vae_dist::data {

/// The rows of a split, over all files in turn. Throws BadInput where a file has no such attribute,
/// or no such split of its images; names those there are.
std::vector<RowRange> fuel_split(const DecodedRows& rows, const std::string& split);

}  // namespace vae_dist::data
