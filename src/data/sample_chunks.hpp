// Samples in chunks: consecutive ones that are decoded together. Almost all chunks have the same
// number of samples; only the others (the last of a file, those cut by a range of rows, those with
// rows held out) are kept in a list.
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
    std::int64_t excess = 0;  ///< its size less the regular size; the size itself is above 0
  };
  /// irregular: in any order.
  SampleChunks(std::int64_t count, std::int64_t regular_size, std::vector<Irregular> irregular);

  /// Those of a dataset, in the order of its samples.
  static SampleChunks of(const DecodedRows& rows, const SampleRows& samples);

  std::int64_t count() const { return count_; }
  std::int64_t samples() const { return first_sample(count_); }
  std::int64_t regular_size() const { return regular_; }
  const std::vector<Irregular>& irregular() const { return irregular_; }  ///< rising

  std::int64_t first_sample(std::int64_t chunk) const;  ///< of chunk count(): the number of samples
  std::int64_t size(std::int64_t chunk) const {
    return first_sample(chunk + 1) - first_sample(chunk);
  }
  std::int64_t chunk_of(std::int64_t sample) const;

 private:
  std::int64_t count_, regular_;
  std::vector<Irregular> irregular_;
  std::vector<std::int64_t> excess_before_;  // of irregular chunk i: the sum over those before it;
                                             // one entry more at the end
};

}  // namespace vae_dist::data
