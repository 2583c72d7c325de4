// Adam (Kingma, Ba 2015, algorithm 1) and AdamW (Loshchilov, Hutter 2019) as one fused call over the whole arena.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/config.hpp"
#include "parallel/parameter_arena.hpp"

namespace vae_dist {

class FusedAdam {
 public:
  /// `options.name`: adam (decay added to the gradient) or adamw (decay decoupled). `parameters` outlives the optimizer.
  FusedAdam(const ParameterArena& parameters, const OptimizerConfig& options);

  /// One update with the arena's gradients. `skip`: a float tensor [1] on the device, 1 where nothing may change: neither weights
  /// nor moments nor the step count.
  void step(double learning_rate, const at::Tensor& skip);

  const FlatArena& first_moment() const { return first_moment_; }
  const FlatArena& second_moment() const { return second_moment_; }
  const at::Tensor& step_count() const { return step_count_; }  ///< [1] float: steps that were not skipped

 private:
  const ParameterArena& parameters_;
  OptimizerConfig options_;
  FlatArena first_moment_, second_moment_;
  at::Tensor step_count_;
};

}  // namespace vae_dist
