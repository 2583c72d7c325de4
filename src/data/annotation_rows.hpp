// Reads annotations that are stored with the images: labels [N] or factors [N, F], a row per image.
//
// Row i of a result belongs to samples[i], an index in [0, images.size()) as for
// SampleDataset::read. The samples may be in any order; ranges of rows, splits, several files and
// held-out parts are respected. `path` names a dataset [N] or [N, F] of plain numbers in every file
// of `images`: "labels", "latents/classes"; see SampleDataset::annotations(). Blocks of rows
// without any sample are not read. All functions throw BadInput, naming the file and the dataset,
// if a file has no such dataset, if it does not have one row per image, or if the columns, types or
// names of the files differ.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/sample_dataset.hpp"

namespace vae_dist::data {

template <typename Value>
struct AnnotationRows {
  std::int64_t columns = 1;        ///< F; 1 for labels [N]
  std::vector<Value> values;       ///< [samples, columns]
  std::vector<std::string> names;  ///< attribute `names`: names of the columns (factors) or of the
                                   ///< classes (labels); may be empty

  const Value& at(std::int64_t sample, std::int64_t column) const {
    return values[static_cast<std::size_t>(sample * columns + column)];
  }
};

/// Returns the values as doubles, rounding integers above 2^53. NaN is a valid value (unknown).
AnnotationRows<double> read_annotation(const SampleDataset& images, const std::string& path,
                                       std::span<const std::int64_t> samples);
/// Does the same for all samples in order.
AnnotationRows<double> read_annotation(const SampleDataset& images, const std::string& path);

/// Returns exact values, see to_integers(). Throws BadInput, naming the row, if one is not whole.
AnnotationRows<std::int64_t> read_annotation_integers(const SampleDataset& images,
                                                      const std::string& path,
                                                      std::span<const std::int64_t> samples);

/// Returns the values as stored (byte order included): [samples, columns * bytes per value].
AnnotationRows<std::byte> read_annotation_bytes(const SampleDataset& images,
                                                const std::string& path,
                                                std::span<const std::int64_t> samples);

}  // namespace vae_dist::data
