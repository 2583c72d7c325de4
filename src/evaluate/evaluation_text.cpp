#include "evaluate/evaluation_text.hpp"

#include "base/digits.hpp"
#include "base/text.hpp"

namespace vae_dist {
std::string evaluation_text(const Evaluation& result, double mean_image_mse) {
  std::string out = "loss " + digits(result.loss);
  if (result.reconstructs) out += text(", MSE ", digits(result.mse), " (mean image ", digits(mean_image_mse), ")");
  if (result.active_units)
    out += text(", KL ", digits(result.kld_nats), " nats, ", *result.active_units, " of ", result.kld_per_dimension.size(), " units active");
  if (result.elbo_nats) out += text(", ELBO ", digits(*result.elbo_nats), " nats (", digits(*result.bits_per_dim), " bits/dim", result.fixed_sigma ? text(", at the fixed sigma ", digits(*result.fixed_sigma), ": no tuned likelihood") : "", ")");
  if (!result.log_p.empty())
    out += text(", log p ", digits(result.log_p.back().nats), " nats (", result.log_p.back().draws, " draws, effectively ", digits(*result.effective_samples), ")");
  return out;
}

}  // namespace vae_dist
