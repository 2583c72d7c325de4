// A look at every rank's machine before a long job.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "comm/mpi_world.hpp"

namespace vae_dist::bench {

struct RankMachine {
  int rank = 0;
  std::string host, device;  ///< device: what computes, and where it is
  double operations_per_second =
      0;  ///< of a matrix product in the run's precision, all ranks at once
  double read_bytes_per_second = 0;       ///< of decoded images, read from data.train's files and
                                          ///< decoded by one thread, all ranks at once
  double neighbour_bytes_per_second = 0;  ///< each way, of the better of the links to the ranks
                                          ///< before and after this one; 0 with one rank
  double host_bytes_per_second =
      0;  ///< the same to the ranks of this one's local number on other hosts; 0 with one host, and
          ///< where hosts have unlike numbers of ranks

  /// What is below kSlow of the median over ranks: "matrix product", "file reading", "link to
  /// neighbours", "link to other hosts"; empty: nothing.
  std::vector<std::string> slow;
};

struct Preflight {
  static constexpr double kSlow = 0.8;

  std::vector<RankMachine> ranks;
  double all_reduce_bytes = 0,
         all_reduce_seconds =
             0;  ///< of a vector as long as the gradients, among all ranks; 0 with one
  std::vector<std::string>
      transport;  ///< that NCCL chose, each different one once; empty without NCCL

  /// What a rank's link carries meanwhile: 2 (p-1)/p of the vector.
  double all_reduce_bytes_per_second() const;
};

/// Throws AgreedError for bad input. A collective; rank 0's result has all ranks.
Preflight run_preflight(const std::string& config_file, const std::vector<std::string>& overrides,
                        const comm::MpiWorld& world);

/// Sets each rank's `slow`. Pure.
void name_the_slow(std::vector<RankMachine>& ranks);

std::string preflight_text(const Preflight& preflight);
nlohmann::json preflight_json(const Preflight& preflight);

}  // namespace vae_dist::bench
