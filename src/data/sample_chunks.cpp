#include "data/sample_chunks.hpp"

#include <algorithm>
#include <map>

namespace vae_dist::data {
namespace {

// Consecutive chunks of equal size.
struct Run {
  std::int64_t size, count;
};

void add(std::vector<Run>& runs, std::int64_t size, std::int64_t count) {
  if (size == 0 || count == 0) return;
  if (!runs.empty() && runs.back().size == size) {
    runs.back().count += count;
  } else {
    runs.push_back({size, count});
  }
}

SampleChunks from_runs(const std::vector<Run>& runs) {
  std::map<std::int64_t, std::int64_t> chunks_of_size;
  std::int64_t count = 0;
  for (const Run& run : runs) {
    chunks_of_size[run.size] += run.count;
    count += run.count;
  }
  const std::int64_t regular =
      std::max_element(chunks_of_size.begin(), chunks_of_size.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; })
          ->first;
  std::vector<SampleChunks::Irregular> irregular;
  std::int64_t chunk = 0;
  for (const Run& run : runs) {
    for (std::int64_t i = 0; run.size != regular && i < run.count; ++i)
      irregular.push_back({chunk + i, run.size - regular});
    chunk += run.count;
  }
  return SampleChunks(count, regular, std::move(irregular));
}

}  // namespace

SampleChunks::SampleChunks(std::int64_t count, std::int64_t regular_size,
                           std::vector<Irregular> irregular)
    : count_(count), regular_(regular_size), irregular_(std::move(irregular)) {
  std::sort(irregular_.begin(), irregular_.end(),
            [](const Irregular& a, const Irregular& b) { return a.chunk < b.chunk; });
  excess_before_.push_back(0);
  for (const Irregular& i : irregular_) excess_before_.push_back(excess_before_.back() + i.excess);
}

SampleChunks SampleChunks::of(const arrays::DecodedRows& rows, const SampleRows& samples) {
  std::vector<Run> runs;
  const bool all = samples.size() == samples.stored_count();
  std::int64_t stored_index = 0;
  for (const arrays::RowRange& range : samples.ranges()) {
    for (std::int64_t row = range.first; row < range.last;) {
      const arrays::RowRange block = rows.block_of(row);
      const std::int64_t length = std::min(block.last, range.last) - row;
      // Whole chunks of one file follow each other and need not be visited one by one.
      const std::int64_t equal = all && row == block.first && length == block.size()
                                     ? rows.equal_blocks_from(row, range.last)
                                     : 1;
      add(runs, samples.samples_below(stored_index + length) - samples.samples_below(stored_index),
          equal);
      stored_index += length * equal;
      row += length * equal;
    }
  }
  return from_runs(runs);
}

std::int64_t SampleChunks::first_sample(std::int64_t chunk) const {
  const auto before =
      std::lower_bound(irregular_.begin(), irregular_.end(), chunk,
                       [](const Irregular& i, std::int64_t c) { return i.chunk < c; });
  return chunk * regular_ + excess_before_[static_cast<std::size_t>(before - irregular_.begin())];
}

std::int64_t SampleChunks::chunk_of(std::int64_t sample) const {
  // Counts the irregular chunks that begin at or before the sample.
  std::size_t low = 0, high = irregular_.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (irregular_[middle].chunk * regular_ + excess_before_[middle] <= sample) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return sample / regular_;
  const std::int64_t last = irregular_[low - 1].chunk,
                     after = (last + 1) * regular_ + excess_before_[low];
  return sample < after ? last : last + 1 + (sample - after) / regular_;
}

}  // namespace vae_dist::data
