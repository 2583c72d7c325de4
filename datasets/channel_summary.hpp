// What the stored values of each channel are: range, mean, deviation, zeros, values that are not
// finite, and a histogram.
#pragma once

#include <cstdint>
#include <vector>

#include "arrays/decoded_rows.hpp"

namespace vae_dist::datasets {

struct ChannelSummary {
  std::int64_t values = 0;      ///< that were read
  std::int64_t zeros = 0;       ///< of them
  std::int64_t not_finite = 0;  ///< of them: NaN and infinities, which the figures below leave out
  std::int64_t missing = 0;     ///< of them: what marks a missing value by the dataset's attribute
                                ///< _FillValue or missing_value, left out likewise
  double least = 0, largest = 0, mean = 0, deviation = 0;  ///< NaN if no value is left
  double bars_from = 0, bars_to = 0;
  std::vector<std::int64_t> histogram = {};  ///< counts in equal parts of [bars_from, bars_to];
                                             ///< empty if no value is left
};

struct FileSummary {
  std::int64_t samples = 0;              ///< that were read
  std::vector<ChannelSummary> channels;  ///< of vectors one, with all their values
};

/// Reads the samples of a file twice: all of them, or, if they take more than `most_bytes` in the
/// file's number format, evenly spaced blocks of them that take about as much. Values are as they
/// are stored, in any number format. Throws Failure if a chunk cannot be decoded. `rows` has one
/// file.
FileSummary summarise(const arrays::DecodedRows& rows, std::uint64_t most_bytes);

}  // namespace vae_dist::datasets
