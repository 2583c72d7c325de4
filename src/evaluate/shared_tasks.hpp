// Tasks that don't need each other, shared over ranks.
#pragma once

#include <functional>
#include <vector>

#include "comm/communicator.hpp"

namespace vae_dist::evaluate {

/// Task t runs on rank t mod np; every rank gets the numbers of all, in the tasks' order and with
/// the same bits. Each task gives `numbers` of them. A collective on a host communicator.
inline std::vector<double> share_tasks(
    const std::vector<std::function<std::vector<double>()>>& tasks, std::size_t numbers,
    comm::HostCommunicator& host) {
  std::vector<double> all(tasks.size() * numbers);
  for (std::size_t t = static_cast<std::size_t>(host.rank()); t < tasks.size();
       t += static_cast<std::size_t>(host.size())) {
    const std::vector<double> made = tasks[t]();
    for (std::size_t i = 0; i < numbers; ++i) all[t * numbers + i] = made.at(i);
  }
  // Every entry is one rank's number plus zeros: exact.
  host.all_reduce_sum({all.data(), static_cast<std::int64_t>(all.size()), comm::DataType::float64});
  return all;
}

}  // namespace vae_dist::evaluate
