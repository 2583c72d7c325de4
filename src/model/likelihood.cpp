#include "model/likelihood.hpp"

#include <ATen/ATen.h>

namespace vae_dist::model {

Decoded Decoded::narrow(std::int64_t first, std::int64_t count) const {
  return {output.narrow(0, first, count),
          log_variance.defined() ? log_variance.narrow(0, first, count) : at::Tensor()};
}

at::Tensor Likelihood::negative_log_of_pairs(const Decoded& decoded, const Sample& sample) const {
  const at::Tensor& x = sample.x;
  std::vector<at::Tensor> columns;
  for (std::int64_t k = 0; k < decoded.output.size(0); ++k) {
    const Decoded one = decoded.narrow(k, 1);
    columns.push_back(
        negative_log({one.output.expand_as(x),
                      one.log_variance.defined() ? one.log_variance.expand_as(x) : at::Tensor()},
                     sample));
  }
  return at::stack(columns, 1);
}

void Likelihood::blend_into_running(const at::Tensor&, const at::Tensor&) {}

at::Tensor Likelihood::squared_error(const Decoded& decoded, const at::Tensor& x) {
  return at::mse_loss(decoded.output, x);
}

std::shared_ptr<Likelihood> make_likelihood(const std::string& name, LikelihoodRequest request) {
  const base::Likelihood& described = base::Registry<base::Likelihood>::all().at(name);
  if (!request.own.has_value()) request.own = described.own.defaults;
  return base::makers<MakeLikelihood>().at(name)(request);
}

}  // namespace vae_dist::model
