// What a dataset is by its names, shapes and attributes: known without reading a single value.
#pragma once

#include <cstdint>

#include "arrays/decoded_rows.hpp"

namespace vae_dist::arrays {

/// Returns a hash of the files' names below the folder that they have in common (so they may be
/// moved together, and a single file may be renamed), the number of rows, and of up to 64 files
/// spread over them the datasets' names, shapes, axes, types and attributes.
std::uint64_t names_fingerprint(const DecodedRows& rows);

}  // namespace vae_dist::arrays
