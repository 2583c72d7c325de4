// Resolves everything that the steps of a run need from its configuration, for training and for
// benchmarks alike.
#pragma once

#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "input/open_data.hpp"
#include "input/replica_plan.hpp"
#include "run/choose_device.hpp"
#include "step/resolved_objective.hpp"
#include "step/schedules.hpp"

namespace vae_dist::run {

struct PreparedRun {
  device::DeviceChoice device;  ///< already applied
  input::RunData data;
  input::ReplicaPlan plan{};
  step::ResolvedObjective objective{};
  step::LearningRatePlan rates{};  ///< includes the number of planned steps

  /// Null without validation data.
  const data::SampleDataset* validation() const {
    return data.validation ? &*data.validation : nullptr;
  }
};

/// Chooses and applies this rank's device, opens the data, splits the global batch, and resolves
/// the objective and the learning rate. `config`, in which G and R are set, is completed with
/// values that depend on the data (open_run_data()). Throws AgreedError if the configuration cannot
/// be trained. `kept`: what the checkpoint from which the run goes on has kept. A
/// collective.
PreparedRun prepare_run(config::Config& config, const comm::MpiWorld& world,
                        comm::CpuCommunicator& all_ranks, const input::FoundInTraining& kept = {});

}  // namespace vae_dist::run
