// Decides how the convolutions of a run's training are computed (train.convolutions), once for all
// ranks and all starts of the run.
#pragma once

#include <functional>
#include <string>

#include "kernels/trial_convolution.hpp"
#include "step/learner.hpp"

namespace vae_dist::step {

struct ConvolutionPlanRequest {
  const config::Config& config;
  std::string kept = {};  ///< what an earlier start of the run wrote down; empty: nothing
  /// Returns seconds from any beginning; the default is the steady clock.
  std::function<double()> clock = {};
  /// Nothing is measured if the convolutions of a batch have fewer operations in one forward pass:
  /// so small a step gains less than measurements are in error.
  double least_operations = 1e9;
  kernels::Convolve convolve = kernels::convolution;  ///< what is compared
};

/// Gives the learner's model the ways in which its convolutions compute in training, and returns
/// them as text for the run's directory; empty if there is nothing to choose (a GPU, fp64, a
/// network without convolutions). What was written down is kept. Otherwise train.convolutions says
/// it, and `auto` takes the pure table if the run is reproducible or small, else what is fastest
/// here on the run's own shapes. Every rank measures, as all of them compute in training, and the
/// choice of rank 0 holds for all. Before it is used, each way of our own is compared with
/// LibTorch's on the shapes of the run; where it differs by more than rounding on any rank,
/// LibTorch's is taken, and rank 0 says so. Throws AgreedError if `kept` cannot be read, or if
/// train.convolutions forces a way that differs. A collective.
std::string plan_convolutions(Learner& learner, const ConvolutionPlanRequest& request,
                              comm::CpuCommunicator& all_ranks);

}  // namespace vae_dist::step
