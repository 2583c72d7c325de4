// What the steps of a run work on, resolved from its configuration and the same however it is run:
// trained or measured.
#pragma once

#include "comm/mpi_world.hpp"
#include "config/config.hpp"
#include "run/choose_device.hpp"
#include "step/open_data.hpp"
#include "step/replica_plan.hpp"
#include "step/resolved_objective.hpp"
#include "step/schedules.hpp"

namespace vae_dist::run {

struct PreparedRun {
  device::DeviceChoice device;  ///< in effect
  step::RunData data;
  step::ReplicaPlan plan{};
  step::ResolvedObjective objective{};
  step::LearningRatePlan rates{};  ///< with the steps that are planned

  /// Null without validation data.
  const data::SampleDataset* validation() const {
    return data.validation ? &*data.validation : nullptr;
  }
};

/// Chooses this rank's device and makes it the process's, opens the data, cuts the global batch,
/// resolves objective and learning rate. `config`, whose G and R are set, is completed by what
/// follows from the data (open_run_data()). Throws AgreedError for whatever cannot be trained like
/// that. A collective.
PreparedRun prepare_run(config::Config& config, const comm::MpiWorld& world,
                        comm::HostCommunicator& host);

}  // namespace vae_dist::run
