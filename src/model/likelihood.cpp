#include "model/likelihood.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <stdexcept>

namespace vae_dist::model {
namespace {

// at::mse_loss, with a gradient of the same bits in the memory format of its argument. LibTorch's
// has contiguous memory whatever the format, so that the layers before would compute with mixed
// strides, and the last convolution would copy its gradient back.
struct MeanSquaredError : torch::autograd::Function<MeanSquaredError> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& output,
                            const at::Tensor& x) {
    ctx->save_for_backward({output, x});
    return at::mse_loss(output, x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const double of_each = 2.0 / static_cast<double>(saved[0].numel());
    return {at::sub(saved[0], saved[1]).mul_(of_each).mul_(gradients[0]), at::Tensor()};
  }
};

}  // namespace

Decoded Decoded::narrow(std::int64_t first, std::int64_t count) const {
  // The gradient of a part is copied into zeros.
  if (count == output.size(0)) return *this;
  const auto part = [&](const at::Tensor& rows) {
    return rows.defined() ? rows.narrow(0, first, count) : at::Tensor();
  };
  return {part(output), part(second), part(quantized)};
}

at::Tensor Likelihood::negative_log_of_pairs(const Decoded& decoded, const Sample& sample) const {
  const at::Tensor& x = sample.x;
  std::vector<at::Tensor> columns;
  for (std::int64_t k = 0; k < decoded.output.size(0); ++k) {
    const Decoded one = decoded.narrow(k, 1);
    columns.push_back(negative_log(
        {one.output.expand_as(x), one.second.defined() ? one.second.expand_as(x) : at::Tensor()},
        sample));
  }
  return at::stack(columns, 1);
}

at::Tensor Likelihood::mean_image(const Decoded& decoded, const Sample&) const {
  return decoded.output;
}

at::Tensor Likelihood::draw(const Decoded&, const Sample&, at::Generator&) const {
  throw std::logic_error("this likelihood does not say how to draw from it");
}

void Likelihood::blend_into_running(const at::Tensor&, const at::Tensor&) {}

at::Tensor Likelihood::squared_error(const Decoded& decoded, const Sample& sample) {
  if (!sample.observed.defined()) return MeanSquaredError::apply(decoded.output, sample.x);
  return (sum_of_observed((decoded.output - sample.x).square(), sample) / observed_values(sample))
      .mean();
}

at::Tensor Likelihood::error_means(const Decoded& decoded, const Sample& sample) {
  const at::Tensor error = sum_of_observed((decoded.output - sample.x).square(), sample),
                   values = observed_values(sample).expand_as(error);
  return at::stack({error.mean(), values.mean(), (error / values).mean()});
}

at::Tensor Likelihood::negative_log_of_means(const at::Tensor&, bool) const {
  throw std::logic_error(
      "the likelihood says that it follows the error of a batch, but has no "
      "negative_log_of_means(): "
      "give it one, or set objective.scope to replica");
}

at::Tensor sum_of_observed(const at::Tensor& of_values, const Sample& sample) {
  // What a decoder says of a missing value may be anything, so it is selected, not multiplied.
  return (sample.observed.defined()
              ? at::where(sample.observed.to(at::kBool).view(of_values.sizes()), of_values, 0)
              : of_values)
      .flatten(1)
      .sum(1);
}

at::Tensor observed_values(const Sample& sample) {
  if (!sample.observed.defined())
    return at::full({}, static_cast<double>(sample.x[0].numel()), sample.x.options());
  return sample.observed.flatten(1).sum(1).clamp_min(1).to(sample.x.scalar_type());
}

std::shared_ptr<Likelihood> make_likelihood(const std::string& name, LikelihoodRequest request) {
  const base::Likelihood& described = base::Registry<base::Likelihood>::all().at(name);
  if (!request.own.has_value()) request.own = described.own.defaults;
  return base::makers<MakeLikelihood>().at(name)(request);
}

}  // namespace vae_dist::model
