#include "disentanglement/sap_score.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/keyed_random.hpp"
#include "disentanglement/latent_gap.hpp"
#include "disentanglement/linear_classifier.hpp"

namespace vae_dist::disentanglement {
namespace {

constexpr std::uint64_t kSapKey = 0x736170;  // "sap"
constexpr std::int64_t kTrainingRows = 10000, kScoredRows = 5000;
constexpr double kSmallestVariance = 1e-12;

// Returns [L]: the squared correlation of each dimension with `values` [N]. Sums row by row, so the
// bits are the same for any number of threads.
at::Tensor squared_correlations(const at::Tensor& mu, const at::Tensor& values) {
  const std::int64_t rows = mu.size(0), dimensions = mu.size(1);
  const double* x = mu.data_ptr<double>();
  const double* y = values.data_ptr<double>();
  const double y_mean = std::accumulate(y, y + rows, 0.0) / static_cast<double>(rows);
  at::Tensor result = at::zeros({dimensions}, at::kDouble);
  for (std::int64_t d = 0; d < dimensions; ++d) {
    double x_mean = 0, xx = 0, xy = 0, yy = 0;
    for (std::int64_t row = 0; row < rows; ++row)
      x_mean += x[row * dimensions + d] / static_cast<double>(rows);
    for (std::int64_t row = 0; row < rows; ++row) {
      const double dx = x[row * dimensions + d] - x_mean, dy = y[row] - y_mean;
      xx += dx * dx;
      xy += dx * dy;
      yy += dy * dy;
    }
    if (xx > kSmallestVariance * static_cast<double>(rows))
      result.data_ptr<double>()[d] = xy * xy / (xx * yy);
  }
  return result;
}

struct Split {
  at::Tensor training, scored;  // row numbers
};

// Orders the rows by random numbers: training rows come first, then scored rows.
Split split_rows(std::int64_t rows, std::uint64_t seed) {
  const base::PhiloxKey key = base::random_key(seed, base::Purpose::evaluation, kSapKey);
  std::vector<std::pair<std::uint64_t, std::int64_t>> order;
  for (std::int64_t row = 0; row < rows; ++row) {
    const base::PhiloxCounter words =
        base::random_block(key, static_cast<std::uint64_t>(row), 0, 0);
    order.emplace_back(std::uint64_t{words[0]} << 32 | words[1], row);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::int64_t> numbers;
  for (const auto& [random, row] : order) numbers.push_back(row);
  const at::Tensor all = at::tensor(numbers, at::kLong);
  const std::int64_t scored = std::min(kScoredRows, std::max<std::int64_t>(rows / 3, 1)),
                     training = std::min(kTrainingRows, rows - scored);
  return {.training = all.slice(0, 0, training),
          .scored = all.slice(0, training, training + scored)};
}

// Returns [L]: the accuracy of a classifier that sees a single dimension.
at::Tensor accuracies(const FactoredLatents& latents, std::int64_t factor, const Split& split) {
  const at::Tensor& classes = latents.classes(factor);
  at::Tensor result = at::empty({latents.dimensions()}, at::kDouble);
  for (std::int64_t d = 0; d < latents.dimensions(); ++d) {
    const at::Tensor values = latents.mu().slice(1, d, d + 1);
    const auto classifier =
        LinearClassifier::fit(values.index_select(0, split.training),
                              classes.index_select(0, split.training), latents.class_count(factor));
    result[d] = classifier.accuracy(values.index_select(0, split.scored),
                                    classes.index_select(0, split.scored));
  }
  return result;
}

}  // namespace

at::Tensor attribute_predictability(const FactoredLatents& latents, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const Split split = split_rows(latents.rows(), seed);
  std::vector<at::Tensor> columns;
  for (std::int64_t f = 0; f < latents.factors(); ++f)
    columns.push_back(latents.ordered(f) ? squared_correlations(latents.mu(), latents.values(f))
                                         : accuracies(latents, f, split));
  return at::stack(columns, 1);
}

double sap_score(const FactoredLatents& latents, std::uint64_t seed) {
  return latent_gaps(attribute_predictability(latents, seed)).mean().item<double>();
}

}  // namespace vae_dist::disentanglement
