// The samples as chunks: runs of consecutive samples that are decoded together. Almost all chunks
// have the same number of samples. Only the others (the last of a file, those cut by a range of
// rows, those with held-out rows) are kept in a list.
#pragma once

#include <cstdint>
#include <vector>

#include "data/sample_rows.hpp"

namespace vae_dist::data {

class SampleChunks {
 public:
  /// A chunk whose size is not the regular one.
  struct Irregular {
    std::int64_t chunk = 0;
    std::int64_t excess = 0;  ///< its size minus the regular size; the size itself is above 0
  };
  /// `irregular` may be in any order.
  SampleChunks(std::int64_t count, std::int64_t regular_size, std::vector<Irregular> irregular);

  /// Returns the chunks of a dataset, in the order of its samples.
  static SampleChunks of(const arrays::DecodedRows& rows, const SampleRows& samples);

  std::int64_t count() const { return count_; }
  std::int64_t samples() const { return first_sample(count_); }
  std::int64_t regular_size() const { return regular_; }
  const std::vector<Irregular>& irregular() const { return irregular_; }  ///< in ascending order

  std::int64_t first_sample(std::int64_t chunk) const;  ///< for count(): the number of samples
  std::int64_t size(std::int64_t chunk) const {
    return first_sample(chunk + 1) - first_sample(chunk);
  }
  std::int64_t chunk_of(std::int64_t sample) const;

 private:
  std::int64_t count_, regular_;
  std::vector<Irregular> irregular_;
  std::vector<std::int64_t> excess_before_;  // entry i: sum of the excesses before irregular chunk
                                             // i; one more entry at the end
};

}  // namespace vae_dist::data
