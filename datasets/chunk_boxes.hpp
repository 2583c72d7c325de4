// Iteration over the chunks of a dataset, each described as a box (first element, size).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "datasets/stored_dataset.hpp"

namespace vae_dist::datasets {

/// Calls `visit` with the first element and the size of each chunk, in row order. A dataset that is
/// not chunked is visited in blocks of rows of about 16 MiB. Boxes are clipped at the edges.
void for_each_chunk(const StoredDataset& dataset,
                    const std::function<void(const std::vector<std::int64_t>& first,
                                             const std::vector<std::int64_t>& count)>& visit);

/// Returns the number of boxes that for_each_chunk visits.
std::int64_t count_chunks(const StoredDataset& dataset);

/// Calls `visit` for each contiguous run of a chunk's values inside the box of size `count` at the
/// chunk's origin, with the offset of the run's first value and its length. A box that covers the
/// whole chunk is one run.
void for_each_run(const std::vector<std::int64_t>& chunk, const std::vector<std::int64_t>& count,
                  const std::function<void(std::int64_t position, std::int64_t values)>& visit);

}  // namespace vae_dist::datasets
