#include "disentanglement/beta_vae_score.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "disentanglement/linear_classifier.hpp"

namespace vae_dist::disentanglement {
namespace {

constexpr std::uint64_t kBetaKey = 0x62657461;  // "beta"
enum BetaDraw : std::uint32_t { kBetaFactor, kFirst, kSecond };

}  // namespace

LabelledPoints beta_vae_points(const FactoredLatents& latents, Votes votes, std::uint64_t seed) {
  const RowDraws draws(seed, kBetaKey);
  const std::int64_t dimensions = latents.dimensions();
  LabelledPoints result{.points = at::zeros({votes.count, dimensions}, at::kDouble),
                        .labels = at::empty({votes.count}, at::kLong)};
  const double* mu = latents.mu().data_ptr<double>();
  for (std::int64_t v = 0; v < votes.count; ++v) {
    const std::int64_t vote = votes.first + v;
    const std::int64_t factor = draws.below(latents.factors(), vote, kBetaFactor, 0);
    const auto starts = latents.rows_with_class_peers(factor);
    const std::int64_t* classes = latents.classes(factor).data_ptr<std::int64_t>();
    double* point = result.points.data_ptr<double>() + v * dimensions;
    for (std::int64_t pair = 0; pair < kVoteBatch; ++pair) {
      const std::int64_t one = starts[static_cast<std::size_t>(
          draws.below(static_cast<std::int64_t>(starts.size()), vote, kFirst, pair))];
      const auto class_rows = latents.rows_of_class(factor, classes[one]);
      const std::int64_t position =
          std::lower_bound(class_rows.begin(), class_rows.end(), one) - class_rows.begin();
      const std::int64_t drawn =
          draws.below(static_cast<std::int64_t>(class_rows.size()) - 1, vote, kSecond, pair);
      const std::int64_t other = class_rows[static_cast<std::size_t>(
          drawn + (drawn >= position))];  // skips the first row itself
      for (std::int64_t d = 0; d < dimensions; ++d)
        point[d] += std::abs(mu[one * dimensions + d] - mu[other * dimensions + d]) /
                    static_cast<double>(kVoteBatch);
    }
    result.labels.data_ptr<std::int64_t>()[v] = factor;
  }
  return result;
}

double beta_vae_score(const FactoredLatents& latents, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const LabelledPoints training = beta_vae_points(latents, kTrainingVotes, seed);
  const LabelledPoints scored = beta_vae_points(latents, kScoredVotes, seed);
  return LinearClassifier::fit(training.points, training.labels, latents.factors())
      .accuracy(scored.points, scored.labels);
}

}  // namespace vae_dist::disentanglement
