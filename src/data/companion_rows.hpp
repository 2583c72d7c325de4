// What a file says about its images beside them: labels [N], factors [N, F], a row for each image.
//
// Row i belongs to samples[i], an index of [0, images.size()) as for SampleDataset::read, in any
// order: rows, splits, several files and held-out parts are respected. `path`: a dataset [N] or [N,
// F] of plain numbers in every file of `images`: "labels", "latents/classes", see
// SampleDataset::companions(). Blocks of rows that no sample lies in are not read. All throw
// BadInput naming file and dataset: there is none, it has not a row for each image, the files'
// columns, types or names differ.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/sample_dataset.hpp"

namespace vae_dist::data {

template <typename Value>
struct CompanionRows {
  std::int64_t columns = 1;        ///< F; 1 for labels [N]
  std::vector<Value> values;       ///< [samples, columns]
  std::vector<std::string> names;  ///< attribute `names`: of the columns (factors), or of the
                                   ///< classes that labels count; may be empty

  const Value& at(std::int64_t sample, std::int64_t column) const {
    return values[static_cast<std::size_t>(sample * columns + column)];
  }
};

/// Rounded to double where they are integers above 2^53; NaN is a value (not known).
CompanionRows<double> read_companion(const SampleDataset& images, const std::string& path,
                                     std::span<const std::int64_t> samples);
/// The same for all samples in order.
CompanionRows<double> read_companion(const SampleDataset& images, const std::string& path);

/// Exactly, see to_integers(). Throws BadInput naming the row of a value that is no whole number.
CompanionRows<std::int64_t> read_companion_integers(const SampleDataset& images,
                                                    const std::string& path,
                                                    std::span<const std::int64_t> samples);

/// As they are stored, byte order and all: [samples, columns * bytes of a value].
CompanionRows<std::byte> read_companion_bytes(const SampleDataset& images, const std::string& path,
                                              std::span<const std::int64_t> samples);

}  // namespace vae_dist::data
