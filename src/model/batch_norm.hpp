// Batch normalisation (Ioffe, Szegedy 2015) followed by an activation. The caller maintains the
// running statistics.
//
// A training step may see several batches (the replicas of this and other ranks) and may be skipped
// as a whole. The layer therefore only reports each batch's mean and unbiased variance; the step
// blends them into the running statistics once.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <functional>

#include "model/activation.hpp"
#include "model/initial_weights.hpp"

namespace vae_dist::model {

/// Sums a tensor over all ranks, in place. If it is set, the layer normalises with the statistics
/// of the global batch.
using SumOverRanks = std::function<void(at::Tensor&)>;

class BatchNormImpl : public torch::nn::Module, public BeginsAsConstructed {
 public:
  static constexpr double kEpsilon = 1e-5;
  static constexpr double kMomentum = 0.1;  ///< PyTorch's: running = 0.9 * running + 0.1 * batch

  explicit BatchNormImpl(std::int64_t channels, Activation activation = Activation::identity);

  /// Normalises x: [B, C, space...] and applies the activation. In training mode uses the
  /// statistics of the batch and writes them to batch_mean and batch_var; in evaluation mode uses
  /// the running statistics. On the CPU a fused kernel does both, if there is one for these
  /// tensors.
  at::Tensor forward(const at::Tensor& x);

  void set_sum_over_ranks(SumOverRanks sum) { sum_over_ranks_ = std::move(sum); }
  const SumOverRanks& sum_over_ranks() const { return sum_over_ranks_; }

  /// With false, a forward leaves batch_mean and batch_var as they are: another one of the same
  /// batch writes them.
  void report_statistics(bool wanted) { reports_ = wanted; }
  void report(const at::Tensor& mean, const at::Tensor& variance);

  /// A bias [C] that x lacks in training mode, because the mean that is subtracted contains it
  /// (undefined: none). It belongs to the mean of the batch, but batch_mean does not include it.
  at::Tensor left_out_bias;

  at::Tensor weight, bias;               ///< [C], parameters
  at::Tensor running_mean, running_var;  ///< [C], buffers
  at::Tensor num_batches_tracked;        ///< int64 scalar, buffer
  at::Tensor batch_mean,
      batch_var;  ///< [C], written by the last training forward; may be rebound to views

 private:
  at::Tensor normalise(const at::Tensor& x);

  Activation activation_;
  SumOverRanks sum_over_ranks_;
  bool reports_ = true;
};
TORCH_MODULE(BatchNorm);

}  // namespace vae_dist::model
