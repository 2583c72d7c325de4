#include "lesson/gradient_noise.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "evaluate/keyed_noise.hpp"
#include "model/evaluation_mode.hpp"

namespace vae_dist::lesson {
namespace {

constexpr std::int64_t kDrawsAtOnce = 128;

struct Encoder {
  at::Tensor outputs;   // [B, 2 * latent]: mu and log_var
  at::Tensor jacobian;  // [B * 2 * latent, parameters]: the derivatives of each of them
};

Encoder encoder_of(model::LatentModel& model, const at::Tensor& images) {
  const at::AutoGradMode with_gradient(true);
  const model::Posterior posterior = model.encode(images);
  Encoder out;
  const at::Tensor outputs = at::cat({posterior.mu, posterior.log_var}, 1);
  std::vector<at::Tensor> parameters;
  for (const at::Tensor& parameter : model.parameters())
    if (parameter.requires_grad()) parameters.push_back(parameter);
  // The decoder's parameters have no gradient. mu alone does not depend on the layer of log_var.
  std::vector<bool> encodes;
  for (const at::Tensor& each : torch::autograd::grad({outputs.sum()}, parameters, {},
                                                      /*retain_graph=*/true,
                                                      /*create_graph=*/false,
                                                      /*allow_unused=*/true))
    encodes.push_back(each.defined());
  std::vector<at::Tensor> rows;
  for (const at::Tensor& output : outputs.flatten().unbind()) {
    const auto gradients = torch::autograd::grad({output}, parameters, {}, /*retain_graph=*/true,
                                                 /*create_graph=*/false, /*allow_unused=*/true);
    std::vector<at::Tensor> row;
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (encodes[i])
        row.push_back(gradients[i].defined() ? gradients[i].flatten()
                                             : at::zeros_like(parameters[i]).flatten());
    rows.push_back(at::cat(row));
  }
  out.outputs = outputs.detach();
  out.jacobian = at::stack(rows);
  return out;
}

// The derivatives with respect to mu and log_var for each draw, [draws, B * 2 * latent], of the
// mean over images.
struct Derivatives {
  at::Tensor reparameterised, score, score_with_baseline;
};

Derivatives derivatives(model::LatentModel& model, const at::Tensor& images,
                        const at::Tensor& outputs, std::int64_t draws, std::uint64_t seed) {
  const at::AutoGradMode with_gradient(true);
  const std::int64_t batch = images.size(0), latent = model.latent_values();
  const at::Tensor noise =
      evaluate::keyed_noise(model, base::Purpose::evaluation, seed, 0, draws * batch)
          .view({draws, batch, latent});
  std::vector<at::Tensor> along_path, of_log_q, log_likelihoods;
  for (std::int64_t first = 0; first < draws; first += kDrawsAtOnce) {
    const std::int64_t count = std::min(kDrawsAtOnce, draws - first);
    const at::Tensor leaf =
        outputs.unsqueeze(0).expand({count, batch, 2 * latent}).clone().requires_grad_();
    const model::Posterior posterior{leaf.narrow(2, 0, latent), leaf.narrow(2, latent, latent)};
    const at::Tensor z = model::reparameterize(posterior, noise.narrow(0, first, count));
    const at::Tensor log_p = -model.likelihood()
                                  .negative_log(model.decode(z.view({count * batch, latent})),
                                                images.repeat({count, 1, 1, 1}))
                                  .view({count, batch});
    along_path.push_back(torch::autograd::grad({log_p.sum()}, {leaf})[0]);
    const at::Tensor drawn = z.detach();
    const at::Tensor log_q =
        -0.5 * ((drawn - posterior.mu).square() * (-posterior.log_var).exp() + posterior.log_var);
    of_log_q.push_back(torch::autograd::grad({log_q.sum()}, {leaf})[0]);
    log_likelihoods.push_back(log_p.detach());
  }
  const at::Tensor path = at::cat(along_path), score = at::cat(of_log_q),
                   log_p = at::cat(log_likelihoods);
  const auto n = static_cast<double>(draws);
  const at::Tensor of_others = (log_p.sum(0, /*keepdim=*/true) - log_p) / (n - 1);
  const auto rows = [&](const at::Tensor& each) {
    return each.flatten(1) / static_cast<double>(batch);
  };
  return {rows(path), rows(log_p.unsqueeze(2) * score),
          rows((log_p - of_others).unsqueeze(2) * score)};
}

at::Tensor covariance(const at::Tensor& rows) {
  const at::Tensor centred = rows - rows.mean(0, /*keepdim=*/true);
  return centred.t().matmul(centred) / static_cast<double>(rows.size(0) - 1);
}

std::vector<double> counts_up_to(std::int64_t draws) {
  std::vector<double> out;
  for (std::int64_t count = 8; count < draws; count *= 2) out.push_back(static_cast<double>(count));
  out.push_back(static_cast<double>(draws));
  return out;
}

}  // namespace

GradientNoise gradient_noise(model::LatentModel& model, const at::Tensor& images,
                             std::int64_t draws, std::uint64_t seed) {
  const model::EvaluationMode evaluation(model);
  const Encoder encoder = encoder_of(model, images);
  const at::NoGradGuard no_grad;
  const Derivatives all = derivatives(model, images, encoder.outputs, draws, seed);
  // The encoder is the same for every draw, so a draw's gradient is its row times the jacobian, and
  // sums over the parameters need only the products of the jacobian's rows.
  const at::Tensor products = encoder.jacobian.matmul(encoder.jacobian.t());
  GradientNoise out;
  out.draws = draws;
  out.images = images.size(0);
  out.parameters = encoder.jacobian.size(1);
  out.counts = counts_up_to(draws);
  const auto n = static_cast<double>(draws);
  const std::int64_t largest =
      all.reparameterised.mean(0).matmul(encoder.jacobian).abs().argmax().item<std::int64_t>();
  const auto add = [&](const std::string& name, const at::Tensor& rows) {
    const auto squared_length = [&](const at::Tensor& row) {
      return row.matmul(products).dot(row).item<double>();
    };
    GradientEstimator each;
    each.name = name;
    each.length = std::sqrt(squared_length(rows.mean(0)));
    each.variance = (covariance(rows) * products).sum().item<double>();
    if (!out.estimators.empty()) {
      const at::Tensor apart = rows - all.reparameterised, mean = apart.mean(0),
                       spread = covariance(apart) / n;
      each.difference = std::sqrt(squared_length(mean) / (spread * products).sum().item<double>());
      const at::Tensor errors =
          (spread.matmul(encoder.jacobian) * encoder.jacobian).sum(0).clamp_min(0).sqrt();
      // Parameters behind pixels that are black in the whole batch have no gradient at all.
      const at::Tensor counted = errors > 0;
      each.share_within_two_errors =
          ((mean.matmul(encoder.jacobian).abs() <= 2 * errors) & counted).sum().item<double>() /
          counted.sum().item<double>();
    }
    const at::Tensor shown = rows.matmul(encoder.jacobian.select(1, largest));
    for (const double count : out.counts) {
      const at::Tensor first = shown.narrow(0, 0, static_cast<std::int64_t>(count));
      each.component.push_back(first.mean().item<double>());
      each.component_error.push_back(std::sqrt(first.var().item<double>() / count));
    }
    out.estimators.push_back(each);
  };
  add("reparameterised", all.reparameterised);
  add("score function", all.score);
  add("score function with a baseline", all.score_with_baseline);
  return out;
}

}  // namespace vae_dist::lesson
