// Statistics of the measurements of all ranks, turn by turn. They are summarised by medians, which
// drop drift and outliers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"

namespace vae_dist::bench {

inline double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

/// For each turn, the mean and the extremes over ranks.
struct OverRanks {
  std::vector<double> mean, least, most;
};

/// `turns`: the measurements of this rank, equally many on every rank. A collective.
inline OverRanks over_ranks(comm::CpuCommunicator& comm, std::vector<double> turns) {
  const auto ranks = static_cast<std::size_t>(comm.size());
  std::vector<double> all(turns.size() * ranks);
  comm.all_gather({turns.data(), static_cast<std::int64_t>(turns.size()), comm::DataType::float64},
                  {all.data(), static_cast<std::int64_t>(all.size()), comm::DataType::float64});
  OverRanks out{std::vector<double>(turns.size()), all, all};
  out.least.resize(turns.size());
  out.most.resize(turns.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t turn = i % turns.size();
    out.mean[turn] += all[i] / static_cast<double>(ranks);
    out.least[turn] = std::min(out.least[turn], all[i]);
    out.most[turn] = std::max(out.most[turn], all[i]);
  }
  return out;
}

/// Returns the value of each rank. A collective.
inline std::vector<double> each_rank(comm::CpuCommunicator& comm, double value) {
  std::vector<double> all(static_cast<std::size_t>(comm.size()));
  comm.all_gather({&value, 1, comm::DataType::float64},
                  {all.data(), comm.size(), comm::DataType::float64});
  return all;
}

/// Combine one value per rank. Collectives.
inline double sum_over_ranks(comm::CpuCommunicator& comm, double value) {
  comm.all_reduce_sum({&value, 1, comm::DataType::float64});
  return value;
}
inline double most_over_ranks(comm::CpuCommunicator& comm, double value) {
  return over_ranks(comm, {value}).most[0];
}

/// Returns the median over turns of how much larger `values` are than `reference` in the same turn,
/// in percent. Drift from turn to turn cancels out.
inline double percent_over(const std::vector<double>& values,
                           const std::vector<double>& reference) {
  std::vector<double> ratios(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) ratios[i] = values[i] / reference[i];
  return 100 * (median(ratios) - 1);
}

}  // namespace vae_dist::bench
