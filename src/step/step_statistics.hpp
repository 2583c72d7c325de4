// What a step sums besides gradients: loss terms and batch-norm statistics, of all batches of all
// ranks.
//
// Each training batch (a replica; with `sync` batch norm a rank's part of the global batch) leaves
// its mean and unbiased variance in the layers. They are added up, weighted by one over the number
// of batches, summed over ranks with the losses in one collective, and blended into the running
// statistics once a step.
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
  /// Rebinds the batch-norm layers' batch and running statistics to views of flat arenas. All
  /// layers have one type and device. Besides the loss's three, the objective's other terms are
  /// summed. `likelihood` and `objective` outlive this.
  StepStatistics(std::vector<model::BatchNorm2d> layers, model::Likelihood& likelihood,
                 const objective::Objective& objective, const at::TensorOptions& options);

  /// So that a batch with NaN leaves no trace in the next step.
  void begin_step();

  /// After a batch's forward: adds `weight` times its loss terms and the statistics that the layers
  /// hold now. Whoever sums over batches and ranks sets sums() to zero at the start of a step.
  void add(const objective::LossTerms& loss, double weight);

  /// The sums, for the exchange between ranks.
  const at::Tensor& sums() const { return sums_; }

  /// [3 + other terms]: loss, reconstruction, KL, the others. After the exchange: global means.
  at::Tensor terms() const;

  /// Blends the summed statistics into the running ones, unless `skip` ([1], 1 = nothing may
  /// change).
  void blend_into_running(const at::Tensor& skip);

 private:
  std::int64_t term_count() const;

  std::vector<model::BatchNorm2d> layers_;
  model::Likelihood& likelihood_;
  const objective::Objective& objective_;
  parallel::FlatArena latest_, running_;  // mean and variance of each layer, one slot each
  at::Tensor sums_;                       // [terms | as latest_]
};

}  // namespace vae_dist::step
