// MNIST's own files: IDX, plain or gzip-compressed (http://yann.lecun.com/exdb/mnist/, "The IDX
// file format").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vae_dist::datasets {

/// Converts IDX images (uint8 [N, H, W]) and, when given, labels (uint8 [N]) to HDF5: `imgs` uint8
/// [N, H, W] and `labels` uint8 [N], chunked and compressed. `out` appears only when complete; an
/// HDF5 file of that name is replaced. Throws BadInput naming the file: unreadable, not IDX,
/// another element type or rank, empty, fewer bytes than the header promises or more, labels and
/// images of different counts, an `out` that cannot be written. Returns the shape of `imgs`.
std::vector<std::int64_t> import_idx(const std::string& images,
                                     const std::optional<std::string>& labels,
                                     const std::string& out);

}  // namespace vae_dist::datasets
