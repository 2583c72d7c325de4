#include "disentanglement/factor_vae_score.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <vector>

#include "disentanglement/row_draws.hpp"

namespace vae_dist::disentanglement {
namespace {

constexpr std::uint64_t kFactorKey = 0x666163746f72;  // "factor"
enum FactorDraw : std::uint32_t { kFactor, kClass, kRows };

// The dimensions that are not pruned: their indices in mu and their variances over all rows.
struct Active {
  std::vector<std::int64_t> dimensions;
  std::vector<double> variances;
};

Active active_dimensions(const FactoredLatents& latents) {
  const at::Tensor variances = latents.mu().var(0, /*unbiased=*/true);
  Active active;
  for (std::int64_t d = 0; d < latents.dimensions(); ++d) {
    const double variance = variances[d].item<double>();
    if (variance < kPrunedVariance) continue;
    active.dimensions.push_back(d);
    active.variances.push_back(variance);
  }
  return active;
}

// votes[dimension][factor]
std::vector<std::vector<std::int64_t>> count_votes(const FactoredLatents& latents,
                                                   const Active& active, Votes votes,
                                                   const RowDraws& draws) {
  std::vector<std::vector<std::int64_t>> counts(
      active.dimensions.size(),
      std::vector<std::int64_t>(static_cast<std::size_t>(latents.factors())));
  const double* mu = latents.mu().data_ptr<double>();
  std::vector<std::int64_t> rows(static_cast<std::size_t>(kVoteBatch));
  for (std::int64_t vote = votes.first; vote < votes.first + votes.count; ++vote) {
    const std::int64_t factor = draws.below(latents.factors(), vote, kFactor, 0);
    const auto starts = latents.rows_with_class_peers(factor);
    const std::int64_t start = starts[static_cast<std::size_t>(
        draws.below(static_cast<std::int64_t>(starts.size()), vote, kClass, 0))];
    const auto company =
        latents.rows_of_class(factor, latents.classes(factor).data_ptr<std::int64_t>()[start]);
    for (std::int64_t i = 0; i < kVoteBatch; ++i)
      rows[static_cast<std::size_t>(i)] = company[static_cast<std::size_t>(
          draws.below(static_cast<std::int64_t>(company.size()), vote, kRows, i))];

    std::size_t least = 0;
    double least_ratio = 0;
    for (std::size_t a = 0; a < active.dimensions.size(); ++a) {
      const auto value = [&](std::int64_t row) {
        return mu[row * latents.dimensions() + active.dimensions[a]];
      };
      double mean = 0, squares = 0;
      for (const std::int64_t row : rows) mean += value(row) / static_cast<double>(kVoteBatch);
      for (const std::int64_t row : rows) squares += (value(row) - mean) * (value(row) - mean);
      const double ratio = squares / static_cast<double>(kVoteBatch - 1) / active.variances[a];
      if (a == 0 || ratio < least_ratio) {
        least = a;
        least_ratio = ratio;
      }
    }
    ++counts[least][static_cast<std::size_t>(factor)];
  }
  return counts;
}

}  // namespace

double factor_vae_score(const FactoredLatents& latents, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const Active active = active_dimensions(latents);
  if (active.dimensions.empty()) return 0;
  const RowDraws draws(seed, kFactorKey);
  const auto training = count_votes(latents, active, kTrainingVotes, draws);
  const auto scored = count_votes(latents, active, kScoredVotes, draws);
  std::int64_t right = 0;
  for (std::size_t a = 0; a < active.dimensions.size(); ++a) {
    const auto factor =
        std::max_element(training[a].begin(), training[a].end()) - training[a].begin();
    right += scored[a][static_cast<std::size_t>(factor)];
  }
  return static_cast<double>(right) / static_cast<double>(kScoredVotes.count);
}

}  // namespace vae_dist::disentanglement
