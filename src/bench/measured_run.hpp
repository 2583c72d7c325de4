// Everything that the steps of a run need, without the work between steps. Used by the benches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "run/prepared_run.hpp"
#include "step/step_runner.hpp"

namespace vae_dist::bench {

/// The measurements of one rank: one value per step, in seconds on the host.
struct Laps {
  std::vector<double> step, data_wait, allreduce_wait;
};

/// The configuration to measure.
struct MeasuredConfig {
  std::string file;
  std::vector<std::string> overrides = {};
  bool exchange = true;  ///< false: each rank trains alone on its part of the batch
};

class MeasuredRun {
 public:
  /// Throws AgreedError for bad input. A collective; `all_ranks` must outlive the run.
  MeasuredRun(const MeasuredConfig& wanted, const comm::MpiWorld& world,
              comm::CpuCommunicator& all_ranks);

  const config::Config& config() const { return config_; }
  const input::ReplicaPlan& plan() const { return run_.plan; }
  const device::DeviceChoice& device() const { return run_.device; }
  const step::Learner& learner() const { return learner_; }
  /// Returns how convolutions are computed, as step::plan_convolutions() does.
  const std::string& convolutions() const { return convolutions_; }
  const comm::CollectiveLog& collectives() const { return collectives_; }
  const data::SampleDataset& data() const { return run_.data.train; }

  /// Runs `count` training steps back to back, as the training loop does. The device has completed
  /// them on return. A collective.
  Laps steps(std::int64_t count);

  bool is_captured() const { return learner_.is_captured(); }

  /// On a GPU, stops using captured steps, so that the parts of a step become visible. Call it
  /// between calls of steps().
  void end_capture() { learner_.end_capture(); }

 private:
  void one_step(Laps& laps);

  config::Config config_;
  const std::unique_ptr<comm::CpuCommunicator> flags_comm_, alone_;
  comm::CollectiveLog collectives_;
  const run::PreparedRun run_;
  step::Learner learner_;
  std::string convolutions_;
  std::optional<step::StepRunner> runner_;
};

}  // namespace vae_dist::bench
