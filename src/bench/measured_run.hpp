// Everything that the steps of a run need, without what happens between them: what the benches
// measure.
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

/// What a rank measured, a value a step, in seconds on the host.
struct Laps {
  std::vector<double> step, data_wait, allreduce_wait;
};

/// Which configuration is measured.
struct MeasuredConfig {
  std::string file;
  std::vector<std::string> overrides = {};
  bool exchange = true;  ///< false: each rank trains by itself on its part of the batch
};

class MeasuredRun {
 public:
  /// Throws AgreedError for bad input. A collective; `host` outlives the run.
  MeasuredRun(const MeasuredConfig& wanted, const comm::MpiWorld& world,
              comm::HostCommunicator& host);

  const config::Config& config() const { return config_; }
  const step::ReplicaPlan& plan() const { return run_.plan; }
  const device::DeviceChoice& device() const { return run_.device; }
  const step::Learner& learner() const { return learner_; }
  const comm::CollectiveLog& collectives() const { return collectives_; }
  const data::SampleDataset& data() const { return run_.data.train; }

  /// So many steps of the training, one after the other as the training loop does them; the device
  /// is done with them on return. A collective.
  Laps steps(std::int64_t count);

  bool is_captured() const { return learner_.is_captured(); }

  /// On a GPU: no captured steps from now on, so that what a step is made of can be seen. Between
  /// calls of steps().
  void end_capture() { learner_.end_capture(); }

 private:
  void one_step(Laps& laps);

  config::Config config_;
  const std::unique_ptr<comm::HostCommunicator> flags_comm_, alone_;
  comm::CollectiveLog collectives_;
  const run::PreparedRun run_;
  step::Learner learner_;
  std::optional<step::StepRunner> runner_;
};

}  // namespace vae_dist::bench
