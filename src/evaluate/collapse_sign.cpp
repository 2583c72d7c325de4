#include "evaluate/collapse_sign.hpp"

#include "base/digits.hpp"
#include "base/text.hpp"

namespace vae_dist::evaluate {

std::string collapse_sign(const Evaluation& result, double mean_image_mse) {
  if (!result.reconstructs) return "";
  const bool has_posterior = result.active_units.has_value();
  const bool no_information = has_posterior && result.kld_nats < kCollapsedKldNats;
  const bool mean_images = result.mse > kCollapsedMseShare * mean_image_mse;
  if (!no_information && !mean_images) return "";
  std::string out;
  if (no_information) out += base::text("the posterior has collapsed: its KL is ", base::digits(result.kld_nats), " nats, so z says next to nothing about x");
  if (mean_images) out += base::text(no_information ? ", and " : "", "reconstructions are hardly better than the mean image (MSE ", base::digits(result.mse), ", the mean image's is ", base::digits(mean_image_mse), ")");
  return out + (has_posterior ? ". Try a smaller M_N (objective.kld_weight) or beta, objective.beta.schedule linear, objective.free_bits, or a smaller objective.sigma with reduction sum; or more steps"
                              : ". Try more steps, another learning rate or a larger latent");
}

}  // namespace vae_dist::evaluate
