// What a step would take with more ranks than there are.
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

/// With each rank's part of the batch as large as here (weak scaling).
struct ScalingPoint {
  int ranks = 1;
  double all_reduce_seconds = 0;  ///< of all gradients at once
  double exposed_seconds = 0;     ///< what backward does not hide of the buckets
  double step_seconds = 0, samples_per_second = 0, efficiency = 1;
};

struct Scaling {
  int ranks = 1;  ///< that measured
  std::int64_t samples_per_rank = 0;
  double compute_seconds = 0;  ///< a step here, but for waiting for the exchange
  double backward_seconds = 0;
  std::vector<ReadyBucket> buckets;  ///< as they became ready here; with one rank: as if gradients
                                     ///< came evenly over backward
  double gradient_bytes = 0;

  std::vector<AllReduceTime> measured;  ///< all-reduces among 2, 4, 8, ... of these ranks
  AllReduceModel model;                 ///< fitted to all but those of `left_out`
  std::optional<int> left_out;  ///< a number of ranks that the model did not see; empty: fewer than
                                ///< three were there
  double left_out_error = 0;    ///< median over sizes of |predicted / measured - 1| there
  bool ranks_wander = false;  ///< ranks share cores and may run on several: what shares a core with
                              ///< what changes, and the times with it

  Interconnect links;
  std::vector<ScalingPoint> points;  ///< 1, 2, 4, ... 1024 ranks over these links
};

/// Throws AgreedError for bad input. A collective.
Scaling predict_scaling(const ScalingRequest& request, const comm::MpiWorld& world);

}  // namespace vae_dist::bench
