// Predicts the time of a step with more ranks than are available.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/all_reduce_model.hpp"
#include "comm/mpi_world.hpp"

namespace vae_dist::bench {

struct ScalingRequest {
  std::string config_file;
  std::vector<std::string> overrides;
  std::int64_t steps = 20, warm_up = 5;
  Interconnect links;
};

/// A prediction for each rank's part of the batch being as large as here (weak scaling).
struct ScalingPoint {
  int ranks = 1;
  double all_reduce_seconds = 0;  ///< of all gradients at once
  double exposed_seconds = 0;     ///< of the buckets: what backward does not hide
  double step_seconds = 0, samples_per_second = 0, efficiency = 1;
};

struct Scaling {
  int ranks = 1;  ///< ranks that measured
  std::int64_t samples_per_rank = 0;
  double compute_seconds = 0;  ///< of a step here, without waiting for the exchange
  double backward_seconds = 0;
  std::vector<ReadyBucket> buckets;  ///< as they became ready here; with one rank, as if gradients
                                     ///< came evenly over backward
  double gradient_bytes = 0;

  std::vector<AllReduceTime> measured;  ///< all-reduces among 2, 4, 8, ... of these ranks
  AllReduceModel model;                 ///< fitted to all measurements but those of `left_out`
  std::optional<int> left_out;  ///< a number of ranks excluded from the fit; empty if fewer than
                                ///< three numbers were measured
  double left_out_error = 0;    ///< median over sizes of |predicted / measured - 1| there
  bool ranks_wander = false;  ///< ranks share cores and may move between them: which ranks share a
                              ///< core changes, and the times with it

  Interconnect links;
  std::vector<ScalingPoint> points;  ///< 1, 2, 4, ... 1024 ranks over these links
};

/// Measures with these ranks and predicts larger worlds. Throws AgreedError for bad input. A
/// collective.
Scaling predict_scaling(const ScalingRequest& request, const comm::MpiWorld& world);

}  // namespace vae_dist::bench
