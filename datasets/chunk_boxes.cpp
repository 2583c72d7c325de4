#include "datasets/chunk_boxes.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace vae_dist::datasets {
namespace {

// Returns the chunk size or, without chunks, the size of a block of whole rows.
std::vector<std::int64_t> steps_of(const StoredDataset& dataset) {
  if (!dataset.chunk().empty()) return dataset.chunk();
  std::vector<std::int64_t> out = dataset.shape();
  constexpr std::size_t kBlock = 16 << 20;
  if (!out.empty())
    out[0] = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(kBlock / std::max<std::size_t>(dataset.row_bytes(), 1)));
  return out;
}

}  // namespace

void for_each_chunk(const StoredDataset& dataset,
                    const std::function<void(const std::vector<std::int64_t>&,
                                             const std::vector<std::int64_t>&)>& visit) {
  if (count_chunks(dataset) == 0) return;
  const std::vector<std::int64_t>& shape = dataset.shape();
  const std::vector<std::int64_t> steps = steps_of(dataset);
  std::vector<std::int64_t> first(shape.size(), 0), count(shape.size());
  for (;;) {
    for (std::size_t i = 0; i < shape.size(); ++i)
      count[i] = std::min(steps[i], shape[i] - first[i]);
    visit(first, count);
    // Advance to the next box, with the last axis varying fastest.
    std::size_t axis = shape.size();
    for (; axis > 0; --axis) {
      first[axis - 1] += steps[axis - 1];
      if (first[axis - 1] < shape[axis - 1]) break;
      first[axis - 1] = 0;
    }
    if (axis == 0) return;
  }
}

std::int64_t count_chunks(const StoredDataset& dataset) {
  if (dataset.is_empty()) return 0;
  const std::vector<std::int64_t> steps = steps_of(dataset);
  std::int64_t out = 1;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    out *= (dataset.shape()[i] + steps[i] - 1) / steps[i];
  }
  return out;
}

void for_each_run(const std::vector<std::int64_t>& chunk, const std::vector<std::int64_t>& count,
                  const std::function<void(std::int64_t, std::int64_t)>& visit) {
  // The box covers all axes after `last` completely.
  std::size_t last = chunk.size() - 1;
  std::int64_t row = 1;
  while (last > 0 && count[last] == chunk[last]) row *= chunk[last--];
  std::vector<std::int64_t> at(last, 0);
  const std::int64_t runs =
      std::accumulate(count.begin(), count.begin() + static_cast<std::ptrdiff_t>(last),
                      std::int64_t{1}, std::multiplies<>());
  for (std::int64_t run = 0; run < runs; ++run) {
    std::int64_t position = 0;
    for (std::size_t axis = 0; axis < last; ++axis) position = position * chunk[axis] + at[axis];
    visit(position * chunk[last] * row, count[last] * row);
    for (std::size_t axis = last; axis-- > 0;) {
      if (++at[axis] < count[axis]) break;
      at[axis] = 0;
    }
  }
}

}  // namespace vae_dist::datasets
