#include "evaluate/collapse.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "evaluate/read_samples.hpp"

namespace vae_dist::evaluate {

std::string collapse_sign(const Evaluation& result, double mean_image_mse) {
  if (!result.reconstructs) return "";
  const bool has_posterior = result.active_units.has_value();
  const bool no_information = has_posterior && result.kld_nats < kCollapsedKldNats;
  const bool mean_images = result.mse > kCollapsedMseShare * mean_image_mse;
  if (!no_information && !mean_images) return "";
  std::string out;
  if (no_information)
    out += base::text("the posterior has collapsed: its KL is ", base::digits(result.kld_nats),
                      " nats, so z carries next to no information about x");
  if (mean_images)
    out += base::text(no_information ? ", and " : "", "reconstructions are ",
                      result.mse > mean_image_mse ? "worse" : "hardly better",
                      " than the mean image (MSE ", base::digits(result.mse),
                      ", the mean image's is ", base::digits(mean_image_mse), ")");
  return out + (has_posterior
                    ? ". Try a smaller M_N (objective.kld_weight) or beta, "
                      "objective.beta.schedule linear, objective.free_bits, or a smaller "
                      "objective.sigma with reduction sum; or train for more steps"
                    : ". Train for more steps, or try another learning rate or a larger latent");
}

double top_variance(const data::SampleDataset& dataset, std::int64_t count,
                    const data::InputFormat& format) {
  constexpr int kIterations = 30;
  const at::NoGradGuard no_grad;
  count = std::min(count, dataset.size());
  data::InputFormat on_host = format.on(c10::kCPU, at::kFloat);
  on_host.channels_last = false;
  on_host.encoder = nullptr;
  at::Tensor images =
      data::given_input(data::model_input(read_samples(dataset, 0, count), on_host), on_host)
          .x.flatten(1);
  images = images - images.mean(0);

  // The start direction prefers no pixel, and is not orthogonal to smooth directions either.
  at::Tensor direction = at::linspace(1.0, 2.0, images.size(1), at::kFloat);
  double variance = 0;
  for (int i = 0; i < kIterations; ++i) {
    const double length = direction.norm().item<double>();
    if (length == 0) return 0;  // all images are the same
    direction = direction / length;
    direction = images.t().mv(images.mv(direction)) / static_cast<double>(count);
    variance = direction.norm().item<double>();
  }
  return variance;
}

}  // namespace vae_dist::evaluate
