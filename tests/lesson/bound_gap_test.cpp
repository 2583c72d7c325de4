// Checks the integrals over the latent space against closed forms.
#include "lesson/bound_gap.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "linear_gaussian.hpp"
#include "model/mlp_vae.hpp"

namespace vae_dist::lesson {
namespace {

double furthest(const at::Tensor& a, const at::Tensor& b) {
  return (a.detach() - b.detach()).abs().max().item<double>();
}

TEST(NormalQuadrature, IsExactForPolynomialsAndConvergesForSmoothFunctions) {
  const NormalQuadrature rule = normal_quadrature(12);
  double moment = 1;
  for (int power = 0; power < 24; power += 2) {
    EXPECT_NEAR((rule.weights * rule.nodes.pow(power)).sum().item<double>(), moment, 1e-10 * moment)
        << power;
    moment *= power + 1;  // E[x^(2k + 2)] = (2k + 1) E[x^2k]
  }
  EXPECT_NEAR((rule.weights * rule.nodes.cos()).sum().item<double>(), std::exp(-0.5), 1e-9);
}

TEST(BoundGap, IsThatOfALinearDecoderInClosedForm) {
  const at::Tensor
      mu = at::tensor({0.3, -0.2, 1.5, 0.5, -2.0, 1.0, 0.0, 0.0}, at::kDouble).view({4, 2}),
      log_var =
          at::tensor({-1.0, -2.0, 0.0, 0.5, -3.0, -1.0, -2.5, -2.0}, at::kDouble).view({4, 2});
  const at::Tensor images = linear_images(4);
  for (const double sigma : {0.4, 1.0, 3.0}) {
    SCOPED_TRACE(sigma);
    LinearGaussian model(sigma, mu, log_var);
    const BoundGap gap = bound_gap(model, images);
    EXPECT_LT(furthest(gap.log_p, model.log_p(images)), 1e-9);
    EXPECT_LT(furthest(gap.kl, model.kl_to_posterior(images)), 1e-8);
    EXPECT_LT(furthest(gap.gap(), model.kl_to_posterior(images)), 1e-8);
    EXPECT_LT(furthest(gap.mean, model.posterior_mean(images)), 1e-8);
    EXPECT_LT(
        furthest(gap.deviation, model.posterior_covariance().diagonal().sqrt().expand({4, 2})),
        1e-7);
    EXPECT_LT(gap.grid_error, 1e-5);
  }
}

TEST(BoundGap, VanishesWhereQIsTheTruePosterior) {
  const at::Tensor images = linear_images(3);
  // In the coordinates of the decoder's own axes the true posterior is not tilted; here it is, so
  // only its marginals are met, and the gap is what the tilt costs.
  LinearGaussian unfitted(0.7, at::zeros({3, 2}, at::kDouble), at::zeros({3, 2}, at::kDouble));
  const at::Tensor precision = at::inverse(unfitted.posterior_covariance());
  LinearGaussian fitted(0.7, unfitted.posterior_mean(images),
                        (-precision.diagonal().log()).expand({3, 2}).clone());
  const double tilt =
      0.5 * (precision.diagonal().log().sum() - at::logdet(precision)).item<double>();
  const BoundGap gap = bound_gap(fitted, images);
  EXPECT_GT(tilt, 1e-3);
  EXPECT_LT(furthest(gap.gap(), at::full({3}, tilt, at::kDouble)), 1e-8);
  EXPECT_GT(bound_gap(unfitted, images).gap().min().item<double>(), tilt + 0.1);
}

TEST(BoundGap, EqualsTheKlForACurvedDecoder) {
  model::NetworkOptions options;
  options.channels = 1;
  options.space = {5, 4};
  options.latent_dim = 2;
  options.hidden_dims = {16, 8};
  options.activation = model::Activation::silu;
  model::MlpVae model(
      options, model::make_likelihood(
                   "gaussian", {.own = objective::GaussianSettings{objective::Variance::fixed, 0.2},
                                .channels = 1}));
  model.to(at::kDouble);
  {
    const at::NoGradGuard no_grad;
    for (at::Tensor& weight : model.parameters()) weight.mul_(2);  // far from linear
  }
  const at::Tensor images = 0.5 + 0.5 * at::sin(3 * at::arange(60, at::kDouble)).view({3, 1, 5, 4});
  const BoundGap gap = bound_gap(model, images);
  EXPECT_GT(gap.kl.min().item<double>(), 0.05);
  // Of 32 nodes in each dimension, for a q(z|x) as wide as the prior.
  EXPECT_LT(furthest(gap.gap(), gap.kl), 1e-4);
}

TEST(PosteriorMaps, ShowBothDensitiesInPlace) {
  const at::Tensor images = linear_images(1);
  const at::Tensor mu = at::tensor({1.5, 0.5}, at::kDouble).view({1, 2}),
                   log_var = at::full({1, 2}, -2.0, at::kDouble);
  LinearGaussian model(1.0, mu, log_var);
  const BoundGap gap = bound_gap(model, images);
  const PosteriorMaps maps = posterior_maps(model, images, gap, 0, 60, 80);
  ASSERT_EQ(maps.exact.sizes(), (std::vector<std::int64_t>{60, 80}));
  ASSERT_EQ(maps.approximate.sizes(), (std::vector<std::int64_t>{60, 80}));
  const double pixel = maps.width / 80;
  // Where a map's centre of mass is, relative to that of the other.
  const auto centre = [&](const at::Tensor& map) {
    const at::Tensor mass = map / map.sum();
    return std::pair(
        pixel * (mass.sum(0) * at::arange(80, at::kDouble)).sum().item<double>(),
        pixel * (mass.sum(1) * at::arange(59, -1, -1, at::kDouble)).sum().item<double>());
  };
  const auto [exact_x, exact_y] = centre(maps.exact);
  const auto [q_x, q_y] = centre(maps.approximate);
  const at::Tensor apart = gap.mean[0] - mu[0];
  EXPECT_NEAR(exact_x - q_x, apart[0].item<double>(), 0.1 * pixel);
  EXPECT_NEAR(exact_y - q_y, apart[1].item<double>(), 0.1 * pixel);
  EXPECT_EQ(maps.exact.max().item<double>(), 1);
  EXPECT_LT(maps.exact[0].max().item<double>(), 0.01) << "four deviations away";
  EXPECT_TRUE(((-0.5 * maps.distance.square()).exp() / (-0.5 * maps.distance.square()).exp().max())
                  .allclose(maps.approximate));
}

TEST(BoundGap, RefusesOtherLatents) {
  model::NetworkOptions options;
  options.channels = 1;
  options.space = {4, 4};
  options.latent_dim = 3;
  options.hidden_dims = {4};
  model::MlpVae model(options, model::make_likelihood("gaussian", {.channels = 1}));
  EXPECT_THROW(bound_gap(model, at::zeros({1, 1, 4, 4}, at::kDouble)), std::logic_error);
}

}  // namespace
}  // namespace vae_dist::lesson
