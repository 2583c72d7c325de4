// What a step sums besides gradients: loss terms and batch-norm statistics, of all batches of all ranks.
//
// Each training batch (a replica; with `sync` batch norm a rank's part of the global batch) leaves its mean and unbiased variance in
// the layers. They are added up, weighted by one over the number of batches, summed over ranks with the losses in one collective,
// and blended into the running statistics once a step.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/batch_norm.hpp"
#include "model/vae_loss.hpp"
#include "parallel/flat_arena.hpp"

namespace vae_dist {

class StepStatistics {
 public:
  /// Rebinds the layers' batch and running statistics to views of flat arenas. All layers have one type and device.
  StepStatistics(std::vector<BatchNorm2d> layers, const at::TensorOptions& options);

  /// So that a batch with NaN leaves no trace in the next step.
  void begin_step();

  /// After a batch's forward: adds `weight` times its loss terms and the statistics that the layers hold now. Whoever sums over batches
  /// and ranks sets sums() to zero at the start of a step.
  void add(const VaeLoss& loss, double weight);

  /// The sums, for the exchange between ranks.
  const at::Tensor& sums() const { return sums_; }

  /// [3]: loss, reconstruction, KL. After the exchange: global means.
  at::Tensor losses() const;

  /// Blends the summed statistics into the running ones, unless `skip` ([1], 1 = nothing may change).
  void blend_into_running(const at::Tensor& skip);

 private:
  std::vector<BatchNorm2d> layers_;
  FlatArena latest_, running_;  // mean and variance of each layer, one slot each
  at::Tensor sums_;             // [3 losses | as latest_]
};

}  // namespace vae_dist
