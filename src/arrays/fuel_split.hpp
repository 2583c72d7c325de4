// Reads the `split` attribute of Fuel's files: which rows are "train", which are "test".
#pragma once

#include <string>
#include <vector>

#include "arrays/decoded_rows.hpp"

namespace vae_dist::arrays {

/// Returns the rows of a split, over all files in turn. Throws BadInput, listing the existing
/// splits, if a file has no such attribute or its images have no such split.
std::vector<RowRange> fuel_split(const DecodedRows& rows, const std::string& split);

}  // namespace vae_dist::arrays
