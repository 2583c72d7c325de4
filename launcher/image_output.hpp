// Writes the images of a verb as a labelled grid (.png) or as values (.h5), depending on the file
// extension.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "data/normalisation.hpp"

namespace vae_dist::launcher {

enum class OutputKind { png, hdf5 };

/// Returns the kind of output for a path. Throws BadInput for any other extension.
OutputKind output_kind(const std::string& path);

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Returns samples, [..., C, space...], under this name: as the model gives them, or, if they are
/// normalised, as the file stores them (data::Normaliser::as_stored()).
NamedTensors samples_for_file(const std::string& name, const at::Tensor& samples,
                              const data::Normaliser* normaliser);

/// Writes each tensor as a dataset under its name: integers as int64, everything else as float32.
/// The file appears only once it is complete.
void write_tensors_hdf5(const std::string& path, const NamedTensors& tensors);

}  // namespace vae_dist::launcher
