// Prints the resolved settings at the start of a run, so that a wrong batch or weight is noticed
// before hours are spent on it.
#pragma once

#include <string>
#include <vector>

#include "base/text_table.hpp"
#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "device/device_choice.hpp"
#include "input/replica_plan.hpp"
#include "step/out_of_memory.hpp"
#include "step/resolved_objective.hpp"
#include "step/schedules.hpp"

namespace vae_dist::train {

struct StartFacts {
  const config::Config& config;
  const data::SampleDataset& train;
  const data::SampleDataset* validation;  ///< may be null
  const input::ReplicaPlan& plan;
  const device::DeviceChoice& device;
  const step::ResolvedObjective& objective;
  const step::LearningRatePlan& learning_rate;
  step::ParameterCount parameters = {};
  double top_variance = 0;          ///< of the training images, scaled as for the model
  std::int64_t first_step = 0;      ///< above 0: the run was resumed
  std::int64_t ranks_rounding = 0;  ///< for how many ranks run::rounds_bfloat16()
  std::string hosts = {};           ///< with their ranks, if there are several; empty: only one
  std::string metrics = {};  ///< the address of the metrics and who can reach it; empty: no row
  std::vector<std::string> placements = {};  ///< the distinct placements of the ranks
  int ranks_of_node = 1;
  std::string conditions = {};    ///< what the model is told beside the values; empty: nothing
  std::string order_reason = {};  ///< why data.order is what it is; empty: it was given
  std::string on_ctrl_c = {};     ///< what Ctrl-C does; empty: no row
  std::string on_lost_rank = {};  ///< what becomes of the last step; empty: no row
};

base::TableRows start_table(const StartFacts& facts);

/// Returns the word for the precision, and for fp32 on a GPU what is different in PyTorch, which
/// computes convolutions in TF32 unless told otherwise (torch.backends.cudnn.allow_tf32).
std::string precision_text(config::Precision precision, c10::Device device);

/// Returns ": rounded, multiplied in fp32 on this CPU", or on the CPUs of so many of `ranks`; empty
/// if no rank does that (run::rounds_bfloat16()).
std::string rounding_text(std::int64_t ranks_rounding, std::int64_t ranks);

/// Returns a warning if the run must collapse, so that the user learns it before the first step;
/// empty otherwise.
std::string collapse_warning(const StartFacts& facts);

}  // namespace vae_dist::train
