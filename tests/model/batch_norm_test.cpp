#include "model/batch_norm.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "comm/thread_communicator.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist::model {
namespace {

constexpr std::int64_t kChannels = 3;

at::Tensor random_normal(at::IntArrayRef sizes, std::uint64_t seed) {
  return at::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed), at::kDouble);
}

// A layer in double precision whose weights and biases are not those of the identity.
BatchNorm make_layer() {
  BatchNorm layer(kChannels);
  layer->to(at::kDouble);
  layer->batch_mean = at::zeros({kChannels}, at::kDouble);
  layer->batch_var = at::zeros({kChannels}, at::kDouble);
  const at::NoGradGuard no_grad;
  layer->weight.copy_(random_normal({kChannels}, 1) + 1);
  layer->bias.copy_(random_normal({kChannels}, 2));
  return layer;
}

// Activations far from zero, where E[x^2] - E[x]^2 would lose digits.
at::Tensor activations(std::int64_t samples) {
  return random_normal({samples, kChannels, 4, 5}, 3) * 0.1 + 50;
}

// The results of a forward and of a backward with the loss sum(y * v). The gradients are those of
// one rank.
struct Outcome {
  at::Tensor y, dx, d_weight, d_bias, batch_mean, batch_var;
};

Outcome run(BatchNorm layer, const at::Tensor& x, const at::Tensor& v) {
  const at::Tensor input = x.detach().clone().requires_grad_();
  const at::Tensor y = layer->forward(input);
  (y * v).sum().backward();
  return {y.detach(),
          input.grad(),
          layer->weight.grad(),
          layer->bias.grad(),
          layer->batch_mean.clone(),
          layer->batch_var.clone()};
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

void expect_equal(const Outcome& ours, const Outcome& expected) {
  EXPECT_LT(difference(ours.y, expected.y), 1e-9);
  EXPECT_LT(difference(ours.dx, expected.dx), 1e-9);
  EXPECT_LT(difference(ours.d_weight, expected.d_weight), 1e-9);
  EXPECT_LT(difference(ours.d_bias, expected.d_bias), 1e-9);
  EXPECT_LT(difference(ours.batch_mean, expected.batch_mean), 1e-9);
  EXPECT_LT(difference(ours.batch_var, expected.batch_var), 1e-9);
}

TEST(BatchNorm, OfABatchIsTorchsOwn) {
  const at::Tensor x = activations(8), v = random_normal(x.sizes(), 4);
  BatchNorm layer = make_layer();
  const Outcome ours = run(layer, x, v);

  torch::nn::BatchNorm2d torchs(kChannels);
  torchs->to(at::kDouble);
  {
    const at::NoGradGuard no_grad;
    torchs->weight.copy_(layer->weight);
    torchs->bias.copy_(layer->bias);
  }
  const at::Tensor input = x.clone().requires_grad_();
  const at::Tensor y = torchs->forward(input);
  (y * v).sum().backward();
  const at::Tensor variance = x.transpose(0, 1).flatten(1).var(1, /*unbiased=*/true);
  expect_equal(ours, {y.detach(), input.grad(), torchs->weight.grad(), torchs->bias.grad(),
                      x.mean({0, 2, 3}), variance});

  // Blending the statistics of one step gives the same running statistics as torch's own update.
  EXPECT_LT(difference(0.9 * layer->running_mean + 0.1 * layer->batch_mean, torchs->running_mean),
            1e-9);
  EXPECT_LT(difference(0.9 * layer->running_var + 0.1 * layer->batch_var, torchs->running_var),
            1e-9);
}

TEST(BatchNorm, InEvaluationUsesTheRunningStatistics) {
  BatchNorm layer = make_layer();
  layer->eval();
  layer->running_mean.fill_(50.0);
  layer->running_var.fill_(4.0);
  const at::Tensor x = activations(2);
  const at::Tensor expected =
      (x - 50.0) / std::sqrt(4.0 + 1e-5) * layer->weight.view({1, -1, 1, 1}) +
      layer->bias.view({1, -1, 1, 1});
  EXPECT_LT(difference(layer->forward(x), expected), 1e-9);
  EXPECT_TRUE(layer->batch_mean.equal(at::zeros({kChannels}, at::kDouble)))
      << "evaluation does not count as a training batch";
}

TEST(GlobalBatchNorm, OfOneRankIsTheLocalOne) {
  const at::Tensor x = activations(8), v = random_normal(x.sizes(), 4);
  BatchNorm global = make_layer();
  int sums = 0;
  global->set_sum_over_ranks([&](at::Tensor&) { ++sums; });
  expect_equal(run(global, x, v), run(make_layer(), x, v));
  EXPECT_EQ(sums, 3) << "sum, sum of squares, and both sums of the backward together";
}

class GlobalBatchNormRanks : public testing::TestWithParam<int> {};

TEST_P(GlobalBatchNormRanks, AreOneProcessWithTheWholeBatch) {
  const int ranks = GetParam();
  const at::Tensor x = activations(12), v = random_normal(x.sizes(), 4);
  const Outcome whole = run(make_layer(), x, v);

  std::vector<Outcome> parts(static_cast<std::size_t>(ranks));
  comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
    at::set_num_threads(1);
    BatchNorm layer = make_layer();
    layer->set_sum_over_ranks(
        [&comm](at::Tensor& tensor) { comm.all_reduce_sum(parallel::buffer_of(tensor)); });
    const auto rank = static_cast<std::size_t>(comm.rank());
    parts[rank] = run(layer, x.chunk(ranks)[rank], v.chunk(ranks)[rank]);
  });

  std::vector<at::Tensor> ys, dxs;
  Outcome together = parts[0];
  for (std::size_t rank = 0; rank < parts.size(); ++rank) {
    ys.push_back(parts[rank].y);
    dxs.push_back(parts[rank].dx);
    EXPECT_TRUE(parts[rank].batch_mean.equal(parts[0].batch_mean)) << "rank " << rank;
    EXPECT_TRUE(parts[rank].batch_var.equal(parts[0].batch_var)) << "rank " << rank;
    if (rank == 0) continue;
    // Each rank keeps its own gradients of the parameters: the gradient reducer sums them.
    together.d_weight = together.d_weight + parts[rank].d_weight;
    together.d_bias = together.d_bias + parts[rank].d_bias;
  }
  together.y = at::cat(ys);
  together.dx = at::cat(dxs);
  expect_equal(together, whole);
}

INSTANTIATE_TEST_SUITE_P(Sizes, GlobalBatchNormRanks, testing::Values(1, 2, 3, 4));

TEST(GlobalBatchNorm, CountsRanksWithUnequalParts) {
  const at::Tensor x = activations(7), v = random_normal(x.sizes(), 4);
  const Outcome whole = run(make_layer(), x, v);
  std::vector<Outcome> parts(2);
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
    at::set_num_threads(1);
    BatchNorm layer = make_layer();
    layer->set_sum_over_ranks(
        [&comm](at::Tensor& tensor) { comm.all_reduce_sum(parallel::buffer_of(tensor)); });
    const auto rank = static_cast<std::size_t>(comm.rank());
    parts[rank] = run(layer, rank == 0 ? x.slice(0, 0, 2) : x.slice(0, 2),
                      rank == 0 ? v.slice(0, 0, 2) : v.slice(0, 2));
  });
  Outcome together = parts[0];
  together.y = at::cat({parts[0].y, parts[1].y});
  together.dx = at::cat({parts[0].dx, parts[1].dx});
  together.d_weight = parts[0].d_weight + parts[1].d_weight;
  together.d_bias = parts[0].d_bias + parts[1].d_bias;
  expect_equal(together, whole);
}

}  // namespace
}  // namespace vae_dist::model
