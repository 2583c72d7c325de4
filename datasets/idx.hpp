// Imports MNIST's native files: IDX, plain or gzip-compressed (http://yann.lecun.com/exdb/mnist/,
// "The IDX file format").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vae_dist::datasets {

/// Converts IDX images (uint8 [N, H, W]) and, when given, labels (uint8 [N]) to HDF5: `imgs` uint8
/// [N, H, W] and `labels` uint8 [N], chunked and compressed. `out` is created only when it is
/// complete and replaces an HDF5 file of that name. Throws BadInput, naming the file, if an input
/// is unreadable, not IDX, of another element type or number of axes, empty, or shorter or longer
/// than its header says; if the numbers of labels and images differ; or if `out` cannot be written.
/// Returns the shape of `imgs`.
std::vector<std::int64_t> import_idx(const std::string& images,
                                     const std::optional<std::string>& labels,
                                     const std::string& out);

}  // namespace vae_dist::datasets
