#include "evaluate/evaluation_text.hpp"

#include <sstream>

#include "base/text.hpp"

namespace vae_dist {
namespace {

std::string four_digits(double value) {
  std::ostringstream out;
  out.precision(4);
  out << value;
  return out.str();
}

}  // namespace

std::string evaluation_text(const Evaluation& result, double mean_image_mse) {
  std::string out = "loss " + four_digits(result.loss);
  if (result.reconstructs) out += text(", MSE ", four_digits(result.mse), " (mean image ", four_digits(mean_image_mse), ")");
  if (result.active_units)
    out += text(", KL ", four_digits(result.kld_nats), " nats, ", *result.active_units, " of ", result.kld_per_dimension.size(), " units active");
  if (result.elbo_nats) out += text(", ELBO ", four_digits(*result.elbo_nats), " nats (", four_digits(*result.bits_per_dim), " bits/dim)");
  if (!result.log_p.empty())
    out += text(", log p ", four_digits(result.log_p.back().nats), " nats (", result.log_p.back().draws, " draws, effectively ", four_digits(*result.effective_samples), ")");
  return out;
}

}  // namespace vae_dist
