// Checks estimates of log p(x) on a model for which it is known: x = W z + b + sigma * noise has
// the marginal N(b, W W^T + sigma^2 I).
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "objective/gaussian.hpp"
#include "objective/importance_weights.hpp"
#include "objective/kl_divergence.hpp"
#include "objective/objective.hpp"

namespace vae_dist::objective {
namespace {

constexpr std::int64_t kBatch = 4, kLatent = 2, kValues = 6;
constexpr double kSigma = 0.4;

double value(const at::Tensor& scalar) { return scalar.item<double>(); }

at::Tensor random(at::IntArrayRef sizes, std::uint64_t seed) {
  return at::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed), at::kDouble);
}

std::shared_ptr<model::Likelihood> of_sigma() {
  return model::make_likelihood("gaussian",
                                {.own = GaussianSettings{Variance::fixed, kSigma}, .channels = 1});
}

// The columns of W are orthogonal, so that the exact posterior has independent dimensions: N(m_j,
// v_j), v_j = 1 / (1 + |w_j|^2 / sigma^2), m_j = v_j * w_j . (x - b) / sigma^2. The encoder's
// posterior is shifted by `shift`, and its deviation is `widening` times as large.
class LinearGaussian : public model::LatentModel {
 public:
  LinearGaussian(double shift, double widening) : shift_(shift), widening_(widening) {
    finish(kLatent, of_sigma());
  }

  model::Posterior encode_sample(const model::Sample& sample) override {
    const at::Tensor& x = sample.x;
    const at::Tensor variance = 1 / (1 + w_.square().sum(0) / (kSigma * kSigma));
    const at::Tensor mean = (x.flatten(1) - b_).matmul(w_) * variance / (kSigma * kSigma);
    return {mean + shift_, (variance * widening_ * widening_).log().expand_as(mean)};
  }
  model::Decoded decode_latents(const at::Tensor& z, const model::Sample&) override {
    return {(z.matmul(w_.t()) + b_).view({-1, 1, 2, 3}), {}};
  }

  /// Returns log p(x): [B].
  at::Tensor exact(const at::Tensor& x) const {
    const at::Tensor covariance =
                         w_.matmul(w_.t()) + kSigma * kSigma * at::eye(kValues, at::kDouble),
                     centred = x.flatten(1) - b_;
    const at::Tensor inverse = at::linalg_inv(covariance);
    return -0.5 * (centred.matmul(inverse) * centred).sum(1) -
           0.5 * at::linalg_det(covariance).log() - 0.5 * kValues * std::log(2 * std::numbers::pi);
  }

  /// Draws images from the model.
  at::Tensor images() {
    return decode(random({kBatch, kLatent}, 1)).output + kSigma * random({kBatch, 1, 2, 3}, 2);
  }

 private:
  double shift_, widening_;
  const at::Tensor w_ =
      at::tensor({1.0, 0.5, -0.5, 0.5, 0.5, 0.0, 0.0, 0.4, 0.0, -0.3, 0.5, -0.5}, at::kDouble)
          .view({kValues, kLatent});
  const at::Tensor b_ = at::tensor({0.1, 0.2, 0.3, 0.4, 0.5, 0.6}, at::kDouble);
};

LossTerms bound(model::LatentModel& model, const at::Tensor& x, std::int64_t draws,
                std::uint64_t seed) {
  ObjectiveOptions options;
  options.reduction = Reduction::sum;
  options.importance_samples = draws;
  return Objective(options, model)
      .terms(model, {x, random({x.size(0), draws * kLatent}, seed)}, {1, 0});
}

class MarginalLikelihood : public testing::Test {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }
};

TEST_F(MarginalLikelihood, IsExactForAnyNumberOfDrawsFromTheExactPosterior) {
  LinearGaussian model(0, 1);
  const at::Tensor x = model.images();
  for (const std::int64_t draws : {2, 3, 50}) {
    const LossTerms terms = bound(model, x, draws, 10);
    EXPECT_NEAR(value(terms.loss), -value(model.exact(x).mean()), 1e-10) << draws << " draws";
    EXPECT_NEAR(value(terms.extra_terms.at(0)), static_cast<double>(draws), 1e-8)
        << "all draws have the same weight";
  }
}

TEST_F(MarginalLikelihood, IsReachedFromBelowByDrawsFromAnotherPosterior) {
  LinearGaussian model(0.2, 1.3), posterior_itself(0, 1);
  const at::Tensor x = model.images();
  const double exact = value(model.exact(x).mean());

  // The expected bound of one draw is log p(x) - KL(q || p(z|x)), in closed form between Gaussians.
  const model::Posterior q = model.encode(x), p = posterior_itself.encode(x);
  const at::Tensor ratio = (q.log_var - p.log_var).exp(),
                   distance = (q.mu - p.mu).square() / p.log_var.exp();
  const double gap = value(0.5 * (ratio + distance - 1 - (q.log_var - p.log_var)).sum(1).mean());
  EXPECT_GT(gap, 0.1);

  double last = exact - gap - 1e9;
  for (const std::int64_t draws : {1, 2, 8, 64, 20000}) {
    const std::int64_t trials = std::max<std::int64_t>(5, 4000 / draws);
    std::vector<double> bounds;
    for (std::int64_t trial = 0; trial < trials; ++trial) {
      const auto seed = static_cast<std::uint64_t>(1000 * draws + trial);
      bounds.push_back(-value(bound(model, x, draws, seed).loss));
    }
    const at::Tensor all = at::tensor(at::ArrayRef<double>(bounds), at::kDouble);
    const double mean = value(all.mean()),
                 error = value(all.std()) / std::sqrt(static_cast<double>(trials));
    EXPECT_GT(mean, last) << draws << " draws";
    EXPECT_LT(mean, exact + 5 * error) << draws << " draws";
    if (draws == 1) {
      EXPECT_NEAR(mean, exact - gap, 5 * error);
    }
    if (draws == 20000) {
      EXPECT_NEAR(mean, exact, 5 * error);
      EXPECT_LT(error, 0.005);
    }
    last = mean;
  }
}

// The same decoder as a decoder-only model.
class LinearDecoder : public LinearGaussian {
 public:
  LinearDecoder() : LinearGaussian(0, 1) {}
  base::LatentKind latent_kind() const override { return base::LatentKind::none; }
};

TEST_F(MarginalLikelihood, IsReachedByDrawsFromThePriorToo) {
  LinearDecoder model;
  const at::Tensor x = model.images();
  ObjectiveOptions options;
  options.reduction = Reduction::sum;
  options.prior_samples = 50000;
  const Objective objective(options, model);
  std::vector<double> estimates;
  for (std::uint64_t trial = 0; trial < 10; ++trial)
    estimates.push_back(-value(
        objective
            .terms(model, {x, random({kBatch, objective.noise_per_sample(kBatch)}, 50 + trial)},
                   {0, 0})
            .loss));
  const at::Tensor all = at::tensor(at::ArrayRef<double>(estimates), at::kDouble);
  const double error = value(all.std()) / std::sqrt(10.0);
  EXPECT_NEAR(value(all.mean()), value(model.exact(x).mean()), 5 * error);
  EXPECT_LT(error, 0.01);
}

}  // namespace
}  // namespace vae_dist::objective
