// Which rows of the files are samples: ranges of rows, less those held out for validation. Pure
// numbers, no array a row.
#pragma once

#include <cstdint>
#include <vector>

#include "data/decoded_rows.hpp"

namespace vae_dist::data {

class SampleRows {
 public:
  /// All rows of the ranges, in their order.
  explicit SampleRows(std::vector<RowRange> ranges = {});

  /// The two parts of these rows: `fraction` of them is held out, chosen by the seed. One row is
  /// drawn from each of equal stretches of rows, so that any sample of either part is found in
  /// constant time and both parts are spread over the whole dataset. Each has one row at least.
  SampleRows training_part(double fraction, std::uint64_t seed) const {
    return part(Part::training, fraction, seed);
  }
  SampleRows held_out_part(double fraction, std::uint64_t seed) const {
    return part(Part::held_out, fraction, seed);
  }

  std::int64_t size() const;

  /// All rows of the ranges, held out or not, count their places from 0: the place of a sample, and
  /// the row at a place.
  std::int64_t places() const { return places_; }
  std::int64_t place(std::int64_t sample) const;
  std::int64_t row_at(std::int64_t place) const;
  const RowRange& range_at(std::int64_t place) const { return ranges_[range_index(place)]; }
  std::int64_t row(std::int64_t sample) const { return row_at(place(sample)); }
  /// How many samples have a place below this one.
  std::int64_t samples_below(std::int64_t place) const;

  const std::vector<RowRange>& ranges() const { return ranges_; }

 private:
  enum class Part { all, training, held_out };
  SampleRows part(Part part, double fraction, std::uint64_t seed) const;
  std::size_t range_index(std::int64_t place) const;
  std::int64_t stretch_begin(std::int64_t stretch) const;
  std::int64_t held_out_place(std::int64_t stretch) const;

  std::vector<RowRange> ranges_;
  std::vector<std::int64_t> first_places_;  // of each range
  std::int64_t places_ = 0;
  Part part_ = Part::all;
  std::int64_t held_out_ = 0;
  std::uint64_t seed_ = 0;
};

}  // namespace vae_dist::data
