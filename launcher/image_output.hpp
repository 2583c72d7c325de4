// Where a verb's images go: a labelled grid (.png) or their values (.h5), by the file's ending.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace vae_dist::launcher {

enum class OutputKind { png, hdf5 };

/// Throws BadInput for any other ending.
OutputKind output_kind(const std::string& path);

/// Each tensor as dataset under its name: integers as int64, everything else as float32. The file
/// appears only when it is complete.
void write_tensors_hdf5(const std::string& path,
                        const std::vector<std::pair<std::string, at::Tensor>>& tensors);

}  // namespace vae_dist::launcher
