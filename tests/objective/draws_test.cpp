// Draws of p(x|z) have the likelihood's mean and variance, and missing values have no part in any
// likelihood.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "model/likelihood.hpp"
#include "objective/gaussian.hpp"
#include "objective/laplace.hpp"

namespace vae_dist::objective {
namespace {

using model::Decoded;
using model::Likelihood;

constexpr std::int64_t kDraws = 40000;

at::Tensor values_row(std::initializer_list<double> values) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).view({1, -1});
}

std::shared_ptr<Likelihood> of_values(const std::string& name, std::int64_t values,
                                      std::any own = {}) {
  auto out =
      model::make_likelihood(name, {.own = std::move(own), .channels = values, .values = values});
  out->to(at::kDouble);
  out->eval();
  return out;
}

// Compares the moments of many draws with these, within five standard errors.
void expect_moments(const Likelihood& likelihood, const Decoded& one, const model::Sample& given,
                    const at::Tensor& mean, const at::Tensor& variance) {
  at::Generator generator = at::detail::createCPUGenerator(9);
  const auto repeated = [](const at::Tensor& rows) {
    return rows.defined() ? rows.expand({kDraws, -1}).contiguous() : rows;
  };
  model::Sample all = given;
  if (given.x.defined()) all.x = repeated(given.x);
  const at::Tensor drawn =
      likelihood.draw({repeated(one.output), repeated(one.second)}, all, generator);
  ASSERT_EQ(drawn.sizes(), (std::vector<std::int64_t>{kDraws, one.output.size(1)}));
  const at::Tensor of_mean = (drawn.mean(0) - mean.view(-1)).abs(),
                   error = (variance.view(-1) / kDraws).sqrt();
  EXPECT_TRUE(of_mean.le(5 * error + 1e-12).all().item<bool>()) << of_mean << error;
  // The relative error of a variance is sqrt((kurtosis - 1) / n); none here has a kurtosis of 60.
  const at::Tensor ratio = drawn.var(0, false) / variance.view(-1);
  EXPECT_TRUE((ratio - 1).abs().le(5 * std::sqrt(60.0 / kDraws)).all().item<bool>()) << ratio;
}

TEST(Draws, OfGaussiansAndLaplacians) {
  const at::Tensor mean = values_row({-3, 0.5, 20});
  expect_moments(
      *of_values("gaussian", 3, GaussianSettings{.variance = Variance::fixed, .sigma = 0.7}),
      {mean, {}}, {}, mean, at::full_like(mean, 0.49));
  const at::Tensor log_variance = values_row({-2, 0, 3});
  expect_moments(*of_values("gaussian", 3, GaussianSettings{.variance = Variance::predicted}),
                 {mean, log_variance}, {}, mean, log_variance.exp());
  expect_moments(*of_values("laplace", 3, LaplaceSettings{.spread = Spread::fixed, .scale = 0.4}),
                 {mean, {}}, {}, mean, at::full_like(mean, 2 * 0.16));
  expect_moments(*of_values("laplace", 3, LaplaceSettings{.spread = Spread::predicted}),
                 {mean, log_variance}, {}, mean, 2 * (2 * log_variance).exp());
}

TEST(Draws, OfBitsAndCounts) {
  const at::Tensor p = values_row({0.1, 0.5, 0.97});
  expect_moments(*of_values("bernoulli", 3), {p.logit(), {}}, {}, p, p * (1 - p));
  const at::Tensor shares = values_row({0.5, 0.3, 0.2}), total = values_row({50, 30, 20});
  const Decoded of_shares{shares.log(), {}};
  expect_moments(*of_values("poisson", 3), of_shares, {total}, total, total);
  // The inverse dispersion begins at 1.
  expect_moments(*of_values("negative_binomial", 3), of_shares, {total}, total,
                 total + total.square());
  const at::Tensor unseen = values_row({0.2, 0.5, 0.9}), seen = 1 - unseen;
  expect_moments(*of_values("zero_inflated_negative_binomial", 3), {shares.log(), unseen.logit()},
                 {total}, seen * total,
                 seen * (total + 2 * total.square()) - (seen * total).square());
}

TEST(Draws, OfBytesLieOnTheirLevels) {
  const auto likelihood = of_values("discretized_logistic", 3);
  at::Generator generator = at::detail::createCPUGenerator(1);
  const at::Tensor drawn = likelihood->draw(
      {values_row({0.2, 0.5, 0.99}).expand({5000, 3}).contiguous(), {}}, {}, generator);
  EXPECT_TRUE(((drawn * 255) - (drawn * 255).round()).abs().lt(1e-9).all().item<bool>());
  EXPECT_TRUE(drawn.ge(0).logical_and(drawn.le(1)).all().item<bool>());
  EXPECT_NEAR(drawn.select(1, 1).mean().item<double>(), 0.5, 5 * 0.18 / std::sqrt(5000.0));
}

TEST(Draws, AreAFunctionOfTheGenerator) {
  for (const std::string& name : base::Registry<base::Likelihood>::all().names()) {
    const auto likelihood = of_values(name, 3);
    const at::Tensor second = likelihood->traits().second_head.of == base::SecondHead::Of::nothing
                                  ? at::Tensor()
                                  : values_row({0, 0, 0});
    const auto drawn = [&](std::uint64_t seed) {
      at::Generator generator = at::detail::createCPUGenerator(seed);
      return likelihood->draw({values_row({0.4, 0.5, 0.6}), second}, {}, generator);
    };
    EXPECT_TRUE(drawn(5).equal(drawn(5))) << name;
    bool any = false;
    for (std::uint64_t seed = 6; seed < 20; ++seed) any = any || !drawn(5).equal(drawn(seed));
    EXPECT_TRUE(any) << name;
  }
}

// Every likelihood of the observed values alone is that of the masked sample, for every way to give
// the scale, and what stands in the missing places has no effect, nor a gradient.
TEST(MissingValues, HaveNoPartInALikelihood) {
  const auto all_columns = [](const at::Tensor& three, double hidden) {
    at::Tensor out = at::full({3, 5}, hidden, at::kDouble);
    const at::Tensor places = at::tensor({0L, 2L, 3L});
    return out.index_copy(1, places, three);
  };
  const at::Tensor x =
      at::tensor({1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0}, at::kDouble).view({3, 3});
  const at::Tensor output =
      at::tensor({0.3, -0.2, 0.9, 0.1, 0.4, -1.0, 0.2, 0.8, 0.5}, at::kDouble).view({3, 3});
  const at::Tensor second =
      at::tensor({0.1, 0.2, -0.4, 0.3, 0.6, -0.1, 0.2, 0.0, 0.7}, at::kDouble).view({3, 3});
  std::vector<std::pair<std::string, std::any>> cases = {{"bernoulli", {}},
                                                         {"poisson", {}},
                                                         {"negative_binomial", {}},
                                                         {"zero_inflated_negative_binomial", {}}};
  for (const Variance variance : {Variance::fixed, Variance::learned, Variance::optimal,
                                  Variance::predicted, Variance::predicted_shared})
    cases.emplace_back("gaussian", GaussianSettings{.variance = variance});
  for (const Spread spread : {Spread::fixed, Spread::predicted})
    cases.emplace_back("laplace", LaplaceSettings{.spread = spread});
  const at::Tensor mask = all_columns(at::ones({3, 3}, at::kDouble), 0);
  for (const auto& [name, own] : cases) {
    const auto few = of_values(name, 3, own), many = of_values(name, 5, own);
    const auto of = few->traits().second_head.of;
    const auto decoded_few = [&] {
      return Decoded{output, of == base::SecondHead::Of::nothing ? at::Tensor()
                             : of == base::SecondHead::Of::values
                                 ? second
                                 : second.select(1, 0).unsqueeze(1)};
    }();
    const at::Tensor wanted = few->negative_log(decoded_few, {x});
    for (const double hidden : {0.0, 1.0}) {
      Decoded decoded{all_columns(output, 40 * hidden).requires_grad_(),
                      of == base::SecondHead::Of::nothing  ? at::Tensor()
                      : of == base::SecondHead::Of::values ? all_columns(second, hidden)
                                                           : second.select(1, 0).unsqueeze(1)};
      model::Sample sample(all_columns(x, 0));
      sample.observed = mask;
      const at::Tensor nats = many->negative_log(decoded, sample);
      EXPECT_TRUE(at::allclose(nats, wanted, 1e-12, 1e-12)) << name << nats << wanted;
      const at::Tensor gradient = torch::autograd::grad({nats.sum()}, {decoded.output})[0];
      EXPECT_TRUE(gradient.select(1, 1).eq(0).all().item<bool>()) << name << gradient;
      EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << name;
      EXPECT_TRUE(at::allclose(Likelihood::squared_error(decoded, sample),
                               Likelihood::squared_error(decoded_few, {x}), 1e-12))
          << name;
    }
  }
}

}  // namespace
}  // namespace vae_dist::objective
