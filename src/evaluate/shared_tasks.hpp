// Independent tasks and blocks of rows, shared among ranks.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "comm/communicator.hpp"

namespace vae_dist::evaluate {

/// Consecutive blocks: [first, last).
struct BlockRange {
  std::int64_t first = 0, last = 0;
};

/// Returns the blocks of a rank. They follow each other, so that each rank reads its own part of
/// the files: were block b on rank b mod np, every node would decode nearly all chunks.
inline BlockRange blocks_of(int rank, std::int64_t blocks, int ranks) {
  return {blocks * rank / ranks, blocks * (rank + 1) / ranks};
}

/// Measures all blocks, each on the rank of blocks_of(), and returns their rows one behind the
/// other, on every rank with the same bits: measure(b) gives block b's `numbers` values. Added in
/// the order of blocks they make the same sums at any number of ranks. A collective over
/// `all_ranks`.
template <typename Measure>
std::vector<double> measure_blocks(std::int64_t blocks, std::size_t numbers,
                                   comm::CpuCommunicator& all_ranks, Measure measure) {
  std::vector<double> rows(static_cast<std::size_t>(blocks) * numbers);
  const BlockRange own = blocks_of(all_ranks.rank(), blocks, all_ranks.size());
  for (std::int64_t b = own.first; b < own.last; ++b) {
    const std::vector<double> row = measure(b);
    std::copy(row.begin(), row.end(),
              rows.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(b) * numbers));
  }
  // Every entry is one rank's value plus zeros, so the sum is exact.
  all_ranks.all_reduce_sum(
      {rows.data(), static_cast<std::int64_t>(rows.size()), comm::DataType::float64});
  return rows;
}

/// Runs task t on rank t mod np. Every rank gets the results of all tasks, in their order and with
/// the same bits. Each task returns `numbers` values. A collective over `all_ranks`.
inline std::vector<double> share_tasks(
    const std::vector<std::function<std::vector<double>()>>& tasks, std::size_t numbers,
    comm::CpuCommunicator& all_ranks) {
  std::vector<double> all(tasks.size() * numbers);
  for (std::size_t t = static_cast<std::size_t>(all_ranks.rank()); t < tasks.size();
       t += static_cast<std::size_t>(all_ranks.size())) {
    const std::vector<double> made = tasks[t]();
    for (std::size_t i = 0; i < numbers; ++i) all[t * numbers + i] = made.at(i);
  }
  // Every entry is one rank's number plus zeros, so the sum is exact.
  all_ranks.all_reduce_sum(
      {all.data(), static_cast<std::int64_t>(all.size()), comm::DataType::float64});
  return all;
}

}  // namespace vae_dist::evaluate
