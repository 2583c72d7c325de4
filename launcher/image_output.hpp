// Writes the images of a verb as a labelled grid (.png) or as values (.h5), depending on the file
// extension.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "data/normalisation.hpp"
#include "hdf5/file.hpp"
#include "hdf5/partial_file.hpp"

namespace vae_dist::launcher {

enum class OutputKind { png, hdf5 };

/// Returns the kind of output for a path. Throws BadInput for any other extension.
OutputKind output_kind(const std::string& path);

struct NamedTensor {
  std::string name;
  at::Tensor values;
  std::string units = {};  ///< written as the dataset's attribute `units`; empty: none
};
using NamedTensors = std::vector<NamedTensor>;

/// Returns samples, [..., C, space...], under this name: as the model gives them, or, if they are
/// normalised, as the file stores them (data::Normaliser::as_stored()), with its units.
NamedTensors samples_for_file(const std::string& name, const at::Tensor& samples,
                              const data::Normaliser* normaliser);

/// Writes tensors as datasets under their names, some rows after the other: integers as int64,
/// everything else as float32. The file appears only once it is complete.
class TensorFile {
 public:
  /// `rows`: of each dataset, in the end.
  TensorFile(const std::string& path, std::int64_t rows);

  /// Writes the next rows of each dataset. The first call makes the datasets; later ones bring the
  /// same names in the same order.
  void append(const NamedTensors& tensors);

  /// Makes the file appear. All rows must have been written.
  void commit();

 private:
  hdf5::PartialFile partial_;
  hdf5::Hdf5File file_;
  std::vector<hdf5::Hdf5Dataset> datasets_;
  std::int64_t rows_, written_ = 0;
};

/// Writes each tensor at once. They may have different numbers of rows.
void write_tensors_hdf5(const std::string& path, const NamedTensors& tensors);

}  // namespace vae_dist::launcher
