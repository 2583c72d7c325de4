// The table at the start of a run: what was resolved, so that a wrong batch or weight is seen
// before hours are spent on it.
#pragma once

#include <string>
#include <vector>

#include "base/text_table.hpp"
#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "device/device_choice.hpp"
#include "step/out_of_memory.hpp"
#include "step/replica_plan.hpp"
#include "step/resolved_objective.hpp"
#include "step/schedules.hpp"

namespace vae_dist::train {

struct StartFacts {
  const config::Config& config;
  const data::SampleDataset& train;
  const data::SampleDataset* validation;  ///< may be null
  const step::ReplicaPlan& plan;
  const device::DeviceChoice& device;
  const step::ResolvedObjective& objective;
  const step::LearningRatePlan& learning_rate;
  step::ParameterCount parameters = {};
  double top_variance = 0;      ///< of the training images, as the model sees them
  std::int64_t first_step = 0;  ///< above 0: resumed
  std::string hosts = {};       ///< of several, with their ranks; empty: there is one
  std::string metrics = {};     ///< where and to whom ranks serve their numbers; empty: not said
  std::vector<std::string> places = {};  ///< where the ranks run, each different place once
  std::string on_ctrl_c = {};            ///< what it does; empty: nobody can press it
};

base::TableRows start_table(const StartFacts& facts);

/// Empty, or the paragraph that warns of a run that must collapse (promise: a user learns it before
/// the first step).
std::string collapse_warning(const StartFacts& facts);

}  // namespace vae_dist::train
