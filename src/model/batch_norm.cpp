#include "model/batch_norm.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/space.hpp"
#include "normalisation/batch_norm_leaky_relu.hpp"

namespace vae_dist::model {
namespace {

// Sums over all axes of x but the channels: [C].
at::Tensor sums_of_channels(const at::Tensor& x) {
  std::vector<std::int64_t> others = {0};
  for (std::int64_t axis = 2; axis < x.dim(); ++axis) others.push_back(axis);
  return x.sum(others);
}

// Normalises over the batches of all ranks. The mean is summed first, then the squares about it:
// this loses no digits, whereas E[x^2] - E[x]^2 would.
struct GlobalBatchNorm : torch::autograd::Function<GlobalBatchNorm> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias,
                            BatchNormImpl* layer) {
    const std::int64_t values_per_channel = x.numel() / x.size(1);
    const auto local_count = static_cast<double>(values_per_channel);
    at::Tensor totals = at::cat({sums_of_channels(x), at::full({1}, local_count, x.options())});
    layer->sum_over_ranks()(totals);
    const at::Tensor count = totals[-1];
    const at::Tensor mean = totals.slice(0, 0, -1) / count;

    const at::Tensor centred = x - of_each_channel(mean, x);
    at::Tensor squares = sums_of_channels(centred.square());
    layer->sum_over_ranks()(squares);
    const at::Tensor inverse_deviation = at::rsqrt(squares / count + BatchNormImpl::kEpsilon);

    layer->report(mean, squares / (count - 1));
    const at::Tensor normalised = centred.mul_(of_each_channel(inverse_deviation, x));
    ctx->save_for_backward({normalised, weight, inverse_deviation, count});
    ctx->saved_data["layer"] = reinterpret_cast<std::int64_t>(layer);
    return normalised * of_each_channel(weight, x) + of_each_channel(bias, x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list outputs) {
    const at::Tensor& dy = outputs[0];
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &normalised = saved[0], &weight = saved[1], &inverse_deviation = saved[2],
                     &count = saved[3];
    const at::Tensor d_bias = sums_of_channels(dy);
    const at::Tensor d_weight = sums_of_channels(dy * normalised);

    // The input's gradient needs both sums over the global batch. The parameters' gradients are
    // summed later, together with all other gradients.
    at::Tensor sums = at::stack({d_bias, d_weight});
    // The pointer is valid because the model outlives the graph.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the saved data of autograd holds integers only
    reinterpret_cast<BatchNormImpl*>(ctx->saved_data["layer"].toInt())->sum_over_ranks()(sums);
    const at::Tensor means = sums / count;
    const at::Tensor dx =
        of_each_channel(weight * inverse_deviation, dy) *
        (dy - of_each_channel(means[0], dy) - normalised * of_each_channel(means[1], dy));
    return {dx, d_weight, d_bias, at::Tensor()};
  }
};

// Normalises over this batch and applies a rectifier in one CPU operation.
struct BatchNormLeakyReLU : torch::autograd::Function<BatchNormLeakyReLU> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, BatchNormImpl* layer,
                            double negative_slope) {
    const normalisation::BatchNormOutput out = normalisation::batch_norm_leaky_relu(
        x, weight, bias, BatchNormImpl::kEpsilon, negative_slope);
    layer->report(out.mean, out.variance);
    ctx->save_for_backward({x, weight, bias, out.mean, out.inverse_deviation});
    ctx->saved_data["negative_slope"] = negative_slope;
    return out.y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list outputs) {
    const auto saved = ctx->get_saved_variables();
    const normalisation::BatchNormGradients d = normalisation::batch_norm_leaky_relu_backward(
        outputs[0], saved[0], saved[1], saved[2], saved[3], saved[4],
        ctx->saved_data["negative_slope"].toDouble());
    return {d.x, d.weight, d.bias, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

BatchNormImpl::BatchNormImpl(std::int64_t channels, Activation activation)
    : weight(register_parameter("weight", at::ones({channels}))),
      bias(register_parameter("bias", at::zeros({channels}))),
      running_mean(register_buffer("running_mean", at::zeros({channels}))),
      running_var(register_buffer("running_var", at::ones({channels}))),
      num_batches_tracked(register_buffer("num_batches_tracked", at::zeros({}, at::kLong))),
      batch_mean(at::zeros({channels})),
      batch_var(at::ones({channels})),
      activation_(activation) {}

at::Tensor BatchNormImpl::forward(const at::Tensor& x) {
  const std::optional<double> slope = negative_slope(activation_);
  if (!is_training() || sum_over_ranks_ || !slope) return activate(normalise(x), activation_);
  const at::Tensor image = volume_as_image(x);
  if (!normalisation::has_batch_norm_kernel(image, weight))
    return activate(normalise(x), activation_);
  const at::Tensor y = BatchNormLeakyReLU::apply(image, weight, bias, this, *slope);
  return image.is_same(x) ? y : y.view_as(x);
}

at::Tensor BatchNormImpl::normalise(const at::Tensor& x) {
  if (!is_training())
    return at::batch_norm(x, weight, bias, running_mean, running_var, false, kMomentum, kEpsilon,
                          true);
  // Sums over many values need more bits than bfloat16 has.
  if (sum_over_ranks_)
    return GlobalBatchNorm::apply(x.to(weight.scalar_type()), weight, bias, this)
        .to(x.scalar_type());
  // With a momentum of 1, the "running" statistics are those of this batch.
  if (reports_ && !x.is_cpu())
    return at::batch_norm(x, weight, bias, batch_mean, batch_var, true, 1.0, kEpsilon, true);
  // Backward keeps them, so they may not be views of memory to which other layers report before
  // backward, as those with the kernel above do on a CPU.
  const at::Tensor mean = at::zeros_like(running_mean), variance = at::zeros_like(running_var);
  const at::Tensor y = at::batch_norm(x, weight, bias, mean, variance, true, 1.0, kEpsilon, true);
  report(mean, variance);
  return y;
}

// NOLINTNEXTLINE(readability-make-member-function-const): it writes into the layer's tensors
void BatchNormImpl::report(const at::Tensor& mean, const at::Tensor& variance) {
  if (!reports_) return;
  batch_mean.copy_(mean);
  batch_var.copy_(variance);
}

}  // namespace vae_dist::model
