#include "data/sample_rows.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/keyed_random.hpp"

namespace vae_dist::data {
namespace {

// Returns a * b / c without overflow.
std::int64_t scaled(std::int64_t a, std::int64_t b, std::int64_t c) {
  return static_cast<std::int64_t>(static_cast<__int128>(a) * b / c);
}

}  // namespace

SampleRows::SampleRows(std::vector<arrays::RowRange> ranges) : ranges_(std::move(ranges)) {
  for (const arrays::RowRange& range : ranges_) {
    first_indices_.push_back(stored_count_);
    stored_count_ += range.size();
  }
}

SampleRows SampleRows::part(Part part, double fraction, std::uint64_t seed) const {
  if (stored_count_ < 2)
    throw base::BadInput("data.validation.fraction: there are too few rows to hold one out");
  SampleRows out = *this;
  out.part_ = part;
  out.seed_ = seed;
  out.held_out_ = std::clamp<std::int64_t>(
      std::llround(fraction * static_cast<double>(stored_count_)), 1, stored_count_ - 1);
  return out;
}

std::int64_t SampleRows::size() const {
  return part_ == Part::all        ? stored_count_
         : part_ == Part::held_out ? held_out_
                                   : stored_count_ - held_out_;
}

std::int64_t SampleRows::stretch_begin(std::int64_t stretch) const {
  return scaled(stretch, stored_count_, held_out_);
}

std::int64_t SampleRows::held_out_index(std::int64_t stretch) const {
  const std::int64_t begin = stretch_begin(stretch), length = stretch_begin(stretch + 1) - begin;
  const base::PhiloxCounter words =
      base::random_block(base::random_key(seed_, base::Purpose::held_out, 0),
                         static_cast<std::uint64_t>(stretch), 0, 0);
  const std::uint64_t draw = static_cast<std::uint64_t>(words[0]) << 32 | words[1];
  return begin +
         static_cast<std::int64_t>(
             static_cast<unsigned __int128>(draw) * static_cast<std::uint64_t>(length) >> 64);
}

std::int64_t SampleRows::stored_index(std::int64_t sample) const {
  if (part_ == Part::all) return sample;
  if (part_ == Part::held_out) return held_out_index(sample);
  // Stretch j keeps all of its rows but one, so its first sample is number begin(j) - j.
  std::int64_t stretch =
      std::min(scaled(sample, held_out_, stored_count_ - held_out_), held_out_ - 1);
  while (stretch > 0 && stretch_begin(stretch) - stretch > sample) --stretch;
  while (stretch + 1 < held_out_ && stretch_begin(stretch + 1) - (stretch + 1) <= sample) ++stretch;
  const std::int64_t stored_index = sample + stretch;
  return stored_index < held_out_index(stretch) ? stored_index : stored_index + 1;
}

std::int64_t SampleRows::samples_below(std::int64_t stored_index) const {
  if (part_ == Part::all) return stored_index;
  std::int64_t held_out = held_out_;
  if (stored_index < stored_count_) {
    std::int64_t stretch = std::min(scaled(stored_index, held_out_, stored_count_), held_out_ - 1);
    while (stretch + 1 < held_out_ && stretch_begin(stretch + 1) <= stored_index) ++stretch;
    held_out = stretch + (held_out_index(stretch) < stored_index ? 1 : 0);
  }
  return part_ == Part::held_out ? held_out : stored_index - held_out;
}

std::size_t SampleRows::range_index(std::int64_t stored_index) const {
  return static_cast<std::size_t>(
             std::upper_bound(first_indices_.begin(), first_indices_.end(), stored_index) -
             first_indices_.begin()) -
         1;
}

std::int64_t SampleRows::row_at(std::int64_t stored_index) const {
  const std::size_t range = range_index(stored_index);
  return ranges_[range].first + stored_index - first_indices_[range];
}

}  // namespace vae_dist::data
