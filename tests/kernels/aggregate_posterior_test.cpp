#include "kernels/aggregate_posterior.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "../normalisation/random_images.hpp"

namespace vae_dist::kernels {
namespace {

using normalisation::normal_double;

struct DensityCase {
  std::int64_t samples, latent, first, count;
};

// Fewer samples than lanes, a rest that fills none, and codes at both ends of the batch.
const std::vector<DensityCase> kDensityCases = {
    {2, 1, 0, 2}, {7, 3, 2, 4}, {33, 10, 0, 33}, {100, 5, 91, 9}, {257, 17, 100, 40}};

AggregateRequest request_of(const DensityCase& c, at::ScalarType type) {
  const at::Tensor mu = normal_double({c.samples, c.latent}, 1),
                   log_var = normal_double({c.samples, c.latent}, 2) - 2,
                   noise = normal_double({c.count, c.latent}, 3);
  AggregateRequest out;
  out.mu = mu.to(type);
  out.log_var = log_var.to(type);
  out.z =
      (mu.narrow(0, c.first, c.count) + (0.5 * log_var.narrow(0, c.first, c.count)).exp() * noise)
          .to(type);
  out.first = c.first;
  out.own_log_weight = -std::log(500.0);
  out.other_log_weight = std::log(499.0 / (500.0 * static_cast<double>(c.samples - 1)));
  return out;
}

// The same with operations of LibTorch in fp64, and gradients by autograd of a weighted sum.
struct ExpectedDensities {
  AggregateDensities densities;
  AggregateGradients gradients;
};

ExpectedDensities with_torch(const AggregateRequest& request, const at::Tensor& of_z,
                             const at::Tensor& of_dimensions, const at::Tensor& of_own) {
  const at::Tensor z = request.z.to(at::kDouble).requires_grad_(),
                   mu = request.mu.to(at::kDouble).requires_grad_(),
                   log_var = request.log_var.to(at::kDouble).requires_grad_();
  const at::Tensor log_q = -0.5 * ((z.unsqueeze(1) - mu).square() / log_var.exp() + log_var +
                                   std::log(2 * std::numbers::pi));
  at::Tensor weights = at::full({z.size(0), mu.size(0)}, request.other_log_weight, at::kDouble);
  weights.diagonal(request.first).fill_(request.own_log_weight);
  ExpectedDensities out;
  out.densities.log_q_z = at::logsumexp(log_q.sum(2) + weights, 1);
  out.densities.log_q_dimensions = at::logsumexp(log_q + weights.unsqueeze(2), 1);
  out.densities.log_q_own = log_q.sum(2).diagonal(request.first);
  const auto slopes =
      torch::autograd::grad({(out.densities.log_q_z * of_z).sum() +
                             (out.densities.log_q_dimensions * of_dimensions).sum() +
                             (out.densities.log_q_own * of_own).sum()},
                            {z, mu, log_var});
  out.gradients = {slopes[0], slopes[1], slopes[2]};
  return out;
}

void expect_near(const at::Tensor& actual, const at::Tensor& expected, double tolerance,
                 const char* what) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_LE((actual.to(at::kDouble) - expected).abs().max().item<double>(), tolerance * scale)
      << what;
}

TEST(AggregatePosterior, HasTheDensitiesAndGradientsOfLibTorchsOperations) {
  for (const auto& [type, tolerance] :
       {std::pair{at::kDouble, 1e-13}, std::pair{at::kFloat, 3e-5}}) {
    for (const DensityCase& c : kDensityCases) {
      SCOPED_TRACE(testing::Message()
                   << c.samples << " samples, " << c.latent << " dimensions, " << type);
      const AggregateRequest request = request_of(c, type);
      const at::Tensor of_z = normal_double({c.count}, 4),
                       of_dimensions = normal_double({c.count, c.latent}, 5),
                       of_own = normal_double({c.count}, 6);
      const ExpectedDensities expected = with_torch(request, of_z, of_dimensions, of_own);
      ASSERT_TRUE(has_aggregate_kernel(request));
      const AggregateDensities densities = aggregate_densities(request);
      expect_near(densities.log_q_z, expected.densities.log_q_z, tolerance, "log q(z)");
      expect_near(densities.log_q_dimensions, expected.densities.log_q_dimensions, tolerance,
                  "log q(z_d)");
      expect_near(densities.log_q_own, expected.densities.log_q_own, tolerance, "log q(z|x)");
      const AggregateGradients gradients = aggregate_gradients(
          request, densities, of_z.to(type), of_dimensions.to(type), of_own.to(type));
      expect_near(gradients.z, expected.gradients.z, tolerance, "z");
      expect_near(gradients.mu, expected.gradients.mu, tolerance, "mu");
      expect_near(gradients.log_var, expected.gradients.log_var, tolerance, "log_var");
    }
  }
}

// A narrow posterior beside wide ones: the densities of one code differ by hundreds of nats.
TEST(AggregatePosterior, IsFiniteAtTheBoundsOfAnEncoder) {
  AggregateRequest request = request_of({40, 4, 0, 40}, at::kFloat);
  request.log_var = at::where(normal_double({40, 4}, 7) > 0, -30.0, 20.0).to(at::kFloat);
  request.z = request.mu.clone();
  const AggregateDensities densities = aggregate_densities(request);
  const at::Tensor ones = at::ones({40});
  const AggregateGradients gradients =
      aggregate_gradients(request, densities, ones, at::ones({40, 4}), ones);
  for (const at::Tensor& each : {densities.log_q_z, densities.log_q_dimensions, gradients.z,
                                 gradients.mu, gradients.log_var})
    EXPECT_TRUE(at::isfinite(each).all().item<bool>());
}

TEST(AggregatePosterior, HasTheSameBitsWithAnyNumberOfThreads) {
  const AggregateRequest request = request_of({257, 17, 100, 40}, at::kFloat);
  const at::Tensor ones = at::ones({40}), of_dimensions = at::ones({40, 17});
  const int before = at::get_num_threads();
  std::vector<at::Tensor> alone;
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    const AggregateDensities densities = aggregate_densities(request);
    const AggregateGradients gradients =
        aggregate_gradients(request, densities, ones, of_dimensions, ones);
    const std::vector<at::Tensor> all = {densities.log_q_z, densities.log_q_dimensions, gradients.z,
                                         gradients.mu, gradients.log_var};
    if (alone.empty()) alone = all;
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(all[i].equal(alone[i])) << i;
  }
  at::set_num_threads(before);
}

TEST(AggregatePosterior, RefusesWhatItHasNoKernelFor) {
  AggregateRequest request = request_of({7, 3, 2, 4}, at::kFloat);
  request.first = 4;  // samples 4 to 7 of 7
  EXPECT_FALSE(has_aggregate_kernel(request));
  EXPECT_THROW(aggregate_densities(request), std::invalid_argument);
}

}  // namespace
}  // namespace vae_dist::kernels
