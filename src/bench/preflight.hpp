// Checks every rank's machine before a long job.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "comm/mpi_world.hpp"

namespace vae_dist::bench {

struct RankMachine {
  int rank = 0;
  std::string host, device;  ///< device: the compute device and its placement
  double operations_per_second =
      0;  ///< of a matrix product in the run's precision, all ranks at once
  double read_bytes_per_second = 0;       ///< of decoded images, read from data.train's files and
                                          ///< decoded by one thread, all ranks at once
  double neighbour_bytes_per_second = 0;  ///< in each direction, over the better of the links to
                                          ///< the previous and the next rank; 0 with one rank
  double host_bytes_per_second =
      0;  ///< the same, to ranks with this local number on other hosts; 0 with one host, and if
          ///< hosts have different numbers of ranks

  /// The figures below kSlow of the median over ranks: "matrix product", "file reading", "link to
  /// neighbours", "link to other hosts". Empty if there are none.
  std::vector<std::string> slow;
};

struct Preflight {
  static constexpr double kSlow = 0.8;

  std::vector<RankMachine> ranks;
  double all_reduce_bytes = 0,
         all_reduce_seconds =
             0;  ///< of a vector as long as the gradients, among all ranks; 0 with one rank
  std::vector<std::string>
      transport;  ///< chosen by NCCL, each distinct one once; empty without NCCL

  /// Returns what a rank's link carries during the all-reduce: 2 (p-1)/p of the vector.
  double all_reduce_bytes_per_second() const;
};

/// Measures every rank's machine. Throws AgreedError for bad input. A collective; rank 0's result
/// covers all ranks.
Preflight run_preflight(const std::string& config_file, const std::vector<std::string>& overrides,
                        const comm::MpiWorld& world);

/// Sets each rank's `slow`. Pure.
void mark_slow_ranks(std::vector<RankMachine>& ranks);

std::string preflight_text(const Preflight& preflight);
nlohmann::json preflight_json(const Preflight& preflight);

}  // namespace vae_dist::bench
