#include "evaluate/evaluation_text.hpp"

#include "base/digits.hpp"
#include "base/text.hpp"

namespace vae_dist::evaluate {
std::string evaluation_text(const Evaluation& result, double mean_image_mse) {
  std::string out = "loss " + base::digits(result.loss);
  if (result.reconstructs) out += base::text(", MSE ", base::digits(result.mse), " (mean image ", base::digits(mean_image_mse), ")");
  if (result.active_units)
    out += base::text(", KL ", base::digits(result.kld_nats), " nats, ", *result.active_units, " of ", result.kld_per_dimension.size(), " units active");
  if (result.elbo_nats) out += base::text(", ELBO ", base::digits(*result.elbo_nats), " nats (", base::digits(*result.bits_per_dim), " bits/dim", result.fixed_sigma ? base::text(", at the fixed sigma ", base::digits(*result.fixed_sigma), ": no tuned likelihood") : "", ")");
  if (!result.log_p.empty())
    out += base::text(", log p ", base::digits(result.log_p.back().nats), " nats (", result.log_p.back().draws, " draws, effectively ", base::digits(*result.effective_samples), ")");
  return out;
}

}  // namespace vae_dist::evaluate
