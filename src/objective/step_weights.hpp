// The weights of the loss that change with the step.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vae_dist::objective {

struct StepWeights {
  double kld_factor = 0;     ///< M_N * beta(step)
  double capacity_nats = 0;  ///< C(step)
  /// The ramp of each regulariser (Regulariser::ramp()); those that are missing are 1.
  std::vector<double> ramps = {};
  double code_draw = 0;            ///< where candidates for unused codes are taken from, in [0, 1)
                                   ///< (VectorQuantizer::add_statistics())
  std::uint64_t network_seed = 0;  ///< of the numbers that a network draws itself in this step

  /// The same numbers as scalars on the model's device, or undefined. If defined, the loss uses
  /// them, because each launch of a captured step must read the current numbers from the device.
  /// Both ways give the same bits.
  at::Tensor kld_factor_on_device = {}, capacity_nats_on_device = {}, ramps_on_device = {},
             code_draw_on_device = {};
};

}  // namespace vae_dist::objective
