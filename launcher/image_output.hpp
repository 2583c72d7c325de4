// Writes the images of a verb as a labelled grid (.png) or as values (.h5), depending on the file
// extension.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace vae_dist::launcher {

enum class OutputKind { png, hdf5 };

/// Returns the kind of output for a path. Throws BadInput for any other extension.
OutputKind output_kind(const std::string& path);

/// Writes each tensor as a dataset under its name: integers as int64, everything else as float32.
/// The file appears only once it is complete.
void write_tensors_hdf5(const std::string& path,
                        const std::vector<std::pair<std::string, at::Tensor>>& tensors);

}  // namespace vae_dist::launcher
