// Determines which rows of the files are samples: ranges of rows, minus those held out for
// validation. Everything is computed; there is no array with an entry per row.
#pragma once

#include <cstdint>
#include <vector>

#include "arrays/decoded_rows.hpp"

namespace vae_dist::data {

class SampleRows {
 public:
  /// Takes all rows of the ranges, in their order.
  explicit SampleRows(std::vector<arrays::RowRange> ranges = {});

  /// Return the two parts of these rows: `fraction` of them, chosen by the seed, is held out. One
  /// row is drawn from each of several equal stretches of rows. Any sample of either part is
  /// therefore found in constant time, and both parts are spread over the whole dataset. Each part
  /// has at least one row.
  SampleRows training_part(double fraction, std::uint64_t seed) const {
    return part(Part::training, fraction, seed);
  }
  SampleRows held_out_part(double fraction, std::uint64_t seed) const {
    return part(Part::held_out, fraction, seed);
  }

  std::int64_t size() const;

  /// Stored indices number all rows of the ranges, held out or not, from 0. stored_index() returns
  /// that of a sample, row_at() the row at a stored index.
  std::int64_t stored_count() const { return stored_count_; }
  std::int64_t stored_index(std::int64_t sample) const;
  std::int64_t row_at(std::int64_t stored_index) const;
  const arrays::RowRange& range_at(std::int64_t stored_index) const {
    return ranges_[range_index(stored_index)];
  }
  std::int64_t row(std::int64_t sample) const { return row_at(stored_index(sample)); }
  /// Returns how many samples have a stored index below this one.
  std::int64_t samples_below(std::int64_t stored_index) const;

  const std::vector<arrays::RowRange>& ranges() const { return ranges_; }

 private:
  enum class Part { all, training, held_out };
  SampleRows part(Part part, double fraction, std::uint64_t seed) const;
  std::size_t range_index(std::int64_t stored_index) const;
  std::int64_t stretch_begin(std::int64_t stretch) const;
  std::int64_t held_out_index(std::int64_t stretch) const;

  std::vector<arrays::RowRange> ranges_;
  std::vector<std::int64_t> first_indices_;  // first stored index of each range
  std::int64_t stored_count_ = 0;
  Part part_ = Part::all;
  std::int64_t held_out_ = 0;
  std::uint64_t seed_ = 0;
};

}  // namespace vae_dist::data
