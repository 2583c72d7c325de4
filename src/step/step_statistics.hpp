// The sums of a step besides the gradients: loss terms and batch-norm statistics, over all batches
// of all ranks.
//
// Each training batch (a replica or, with `sync` batch norm, a rank's part of the global batch)
// leaves its mean and unbiased variance in the layers. They are added up with a weight of one over
// the number of batches, summed over the ranks along with the losses in one collective, and blended
// into the running statistics once per step.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/batch_norm.hpp"
#include "objective/objective.hpp"
#include "parallel/flat_arena.hpp"

namespace vae_dist::step {

class StepStatistics {
 public:
  /// Rebinds the batch and running statistics of the batch-norm layers, and the biases that
  /// training leaves out before them, to views of flat arenas. All layers must have the same type
  /// and device. Loss, reconstruction, KL and the objective's extra terms are summed. `likelihood`
  /// and `objective` outlive this object.
  StepStatistics(std::vector<model::BatchNorm> layers, model::Likelihood& likelihood,
                 const objective::Objective& objective, const at::TensorOptions& options);

  /// Clears the latest statistics, so that NaN in a batch does not affect the next step.
  void begin_step();

  /// Adds `weight` times the loss terms and the layers' current statistics. To be called after the
  /// forward pass of a batch. GradientReducer zeroes sums() at the start of a step.
  void add(const objective::LossTerms& loss, double weight);

  /// The sums, for the exchange between ranks.
  const at::Tensor& sums() const { return sums_; }

  /// Returns [3 + extra terms]: loss, reconstruction, KL, extra terms. After the exchange they are
  /// global means.
  at::Tensor terms() const;

  /// Blends the summed statistics into the running ones, unless `skip` ([1]) is 1.
  void blend_into_running(const at::Tensor& skip);

 private:
  void blend_layers(const at::Tensor& skip);
  std::int64_t term_count() const;

  std::vector<model::BatchNorm> layers_;
  model::Likelihood& likelihood_;
  const objective::Objective& objective_;
  // Mean and variance of each layer, one slot each. A mean's slot in left_out_ holds the bias that
  // the layer's input lacked, or zeros.
  parallel::FlatArena latest_, running_, left_out_;
  bool leaves_out_ = false;
  at::Tensor sums_;  // [terms | layout of latest_]
};

}  // namespace vae_dist::step
