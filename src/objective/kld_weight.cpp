#include "objective/kld_weight.hpp"

#include <cmath>

namespace vae_dist::objective {

double kld_weight(const KldWeightTerms& t) {
  switch (t.rule) {
    case KldWeightRule::reference:
      return t.weight * static_cast<double>(t.global_batch) /
             static_cast<double>(t.reference_batch);
    case KldWeightRule::batch_over_dataset:
      return static_cast<double>(t.global_batch) / static_cast<double>(t.training_samples);
    case KldWeightRule::fixed:
      return t.weight;
    case KldWeightRule::elbo:
      return t.reduction == Reduction::sum ? 1.0 : 1.0 / static_cast<double>(t.image_values);
  }
  return t.weight;
}

double effective_sigma(double kld_weight, double beta, std::int64_t image_values) {
  return std::sqrt(kld_weight * beta * static_cast<double>(image_values) / 2.0);
}

double effective_sigma_of_sum(double kld_weight, double beta, double sigma) {
  return sigma * std::sqrt(kld_weight * beta);
}

}  // namespace vae_dist::objective
