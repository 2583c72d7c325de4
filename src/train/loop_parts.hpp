// The objects that a training loop works with.
#pragma once

#include "comm/watchdog.hpp"
#include "config/config.hpp"
#include "run/recorder.hpp"
#include "step/step_runner.hpp"
#include "train/compared_by.hpp"

namespace vae_dist::train {

/// All referenced objects must outlive the loop.
struct LoopParts {
  const config::Config& config;
  const data::SampleDataset& train;
  const data::SampleDataset* validation;  ///< may be null
  const input::ReplicaPlan& plan;
  const step::ResolvedObjective& objective;
  const step::LearningRatePlan& learning_rate;
  const ComparedBy& compared_by;
  c10::Device device;
  step::Learner& learner;
  run::Recorder& recorder;
  comm::Watchdog& watchdog;
  step::RankGroups ranks;
};

}  // namespace vae_dist::train
