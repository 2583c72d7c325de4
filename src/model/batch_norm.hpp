// Batch normalisation (Ioffe, Szegedy 2015) and the activation behind it, whose running statistics
// somebody else keeps.
//
// A training step may see several batches (replicas of a rank, and those of other ranks), and may
// be skipped as a whole. So the layer only reports each batch's mean and unbiased variance;
// blending them into the running ones, once a step, is the step's work.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <functional>

#include "model/activation.hpp"
#include "model/initial_weights.hpp"

namespace vae_dist::model {

/// Sums a tensor over all ranks, in place. Where it is given, the layer normalises with the
/// statistics of the global batch.
using SumOverRanks = std::function<void(at::Tensor&)>;

class BatchNorm2dImpl : public torch::nn::Module, public BeginsAsConstructed {
 public:
  static constexpr double kEpsilon = 1e-5;
  static constexpr double kMomentum = 0.1;  ///< of PyTorch: running = 0.9 * running + 0.1 * batch

  explicit BatchNorm2dImpl(std::int64_t channels, Activation activation = Activation::identity);

  /// x: [B, C, H, W]. In training mode normalises with the batch's statistics and writes them to
  /// batch_mean and batch_var; in evaluation mode with the running ones. The activation comes with
  /// it: on the CPU both are one operation where there is a kernel for it.
  at::Tensor forward(const at::Tensor& x);

  void set_sum_over_ranks(SumOverRanks sum) { sum_over_ranks_ = std::move(sum); }
  const SumOverRanks& sum_over_ranks() const { return sum_over_ranks_; }

  /// False: the same batch is run once more, and batch_mean and batch_var stay what its first
  /// forward wrote.
  void report_statistics(bool wanted) { reports_ = wanted; }
  void report(const at::Tensor& mean, const at::Tensor& variance);

  at::Tensor weight, bias;               ///< [C], parameters
  at::Tensor running_mean, running_var;  ///< [C], buffers
  at::Tensor num_batches_tracked;        ///< int64 scalar, buffer
  at::Tensor batch_mean,
      batch_var;  ///< [C], outputs of the last training forward; may be rebound to views

 private:
  at::Tensor normalise(const at::Tensor& x);

  Activation activation_;
  SumOverRanks sum_over_ranks_;
  bool reports_ = true;
};
TORCH_MODULE(BatchNorm2d);

}  // namespace vae_dist::model
