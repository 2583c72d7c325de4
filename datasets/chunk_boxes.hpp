// The chunks of a dataset one after the other, as boxes of its values.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "datasets/stored_dataset.hpp"

namespace vae_dist::datasets {

/// Calls `visit` with first element and size of each chunk, in the order of rows; of a dataset
/// without chunks with blocks of rows of about 16 MiB. Boxes at the edges are cut off.
void for_each_chunk(const StoredDataset& dataset,
                    const std::function<void(const std::vector<std::int64_t>& first,
                                             const std::vector<std::int64_t>& count)>& visit);

/// How many calls that makes.
std::int64_t count_chunks(const StoredDataset& dataset);

/// Calls `visit` with the place of the first value and the number of values of each run of a
/// chunk's values that lie beside each other and within a box of `count` at its beginning: one run,
/// where the box is the whole chunk.
void for_each_run(const std::vector<std::int64_t>& chunk, const std::vector<std::int64_t>& count,
                  const std::function<void(std::int64_t place, std::int64_t values)>& visit);

}  // namespace vae_dist::datasets
