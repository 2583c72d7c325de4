// Tests what computing a block again in backward promises of any block.
#include "model/recompute.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/nn/modules/linear.h>

#include "model/autocast.hpp"
#include "model/batch_norm.hpp"
#include "model/residual_network.hpp"

namespace vae_dist::model {
namespace {

using testing::HasSubstr;

/// A block that counts how often it runs.
class CountedImpl : public torch::nn::Module {
 public:
  CountedImpl() : layer_(register_module("layer", torch::nn::Linear(5, 5))) {}
  at::Tensor forward(const at::Tensor& x) {
    ++runs;
    return at::silu(layer_->forward(x)) + x;
  }
  int runs = 0;

 private:
  torch::nn::Linear layer_;
};
TORCH_MODULE(Counted);

std::vector<at::Tensor> gradients(const torch::nn::Module& module) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& parameter : module.parameters()) out.push_back(parameter.grad().clone());
  return out;
}

TEST(Recomputed, RunsTheBlockAgainInBackwardAndGivesTheSameBits) {
  Counted block;
  const at::Tensor x = at::rand({3, 5}).requires_grad_();
  block->forward(x).square().sum().backward();
  const auto expected = gradients(*block);
  const at::Tensor expected_x = x.grad().clone();
  block->zero_grad();
  x.mutable_grad().reset();

  const at::Tensor out = recomputed(torch::nn::AnyModule(block), x);
  EXPECT_EQ(block->runs, 2);
  out.square().sum().backward();
  EXPECT_EQ(block->runs, 3);
  EXPECT_TRUE(x.grad().equal(expected_x));
  const auto ours = gradients(*block);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(ours[i].equal(expected[i])) << i;
}

TEST(Recomputed, IsThePlainBlockWhereNothingNeedsAGradient) {
  Counted block;
  const at::Tensor x = at::rand({3, 5});
  {
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(recomputed(torch::nn::AnyModule(block), x).equal(block->forward(x)));
  }
  for (at::Tensor& parameter : block->parameters()) parameter.requires_grad_(false);
  EXPECT_FALSE(recomputed(torch::nn::AnyModule(block), x).requires_grad());
  EXPECT_EQ(block->runs, 3);
}

TEST(Recomputed, LetsEachParametersHookRunOnce) {
  Counted block;
  std::vector<int> runs(block->parameters().size(), 0);
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    accumulators.push_back(torch::autograd::impl::grad_accumulator(block->parameters()[i]));
    accumulators.back()->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
        [&runs, i](const auto& outputs, const auto&) {
          ++runs[i];
          return outputs;
        }));
  }
  recomputed(torch::nn::AnyModule(block), at::rand({3, 5})).sum().backward();
  EXPECT_THAT(runs, testing::Each(1));
}

// In bfloat16 each weight is cast once and the cast is kept for its other uses. A cast that was
// made where gradients are off would take the weight's gradient away from the other uses.
TEST(Recomputed, SharesNoCastWithOtherUsesOfAWeight) {
  Counted block;
  const at::Tensor x = at::rand({3, 5});
  const auto gradients_of = [&](bool again) {
    block->zero_grad();
    at::Tensor out;
    {
      const Autocast autocast(c10::kCPU, true);
      const at::Tensor first =
          again ? recomputed(torch::nn::AnyModule(block), x) : block->forward(x);
      out = block->forward(first);
    }
    out.to(at::kFloat).sum().backward();
    return gradients(*block);
  };
  const auto kept = gradients_of(false), ours = gradients_of(true);
  for (std::size_t i = 0; i < kept.size(); ++i)
    EXPECT_TRUE(at::allclose(ours[i], kept[i], 0.02, 0.02)) << ours[i] << kept[i];
}

TEST(Recomputed, KeepsTheAutocastStateOfForward) {
  Counted block;
  at::Tensor out;
  const at::Tensor x = at::rand({3, 5}).requires_grad_();
  const auto gradient = [&](bool again) {
    {
      const Autocast autocast(c10::kCPU, true);
      out = again ? recomputed(torch::nn::AnyModule(block), x) : block->forward(x);
    }
    x.mutable_grad().reset();
    out.sum().backward();
    return x.grad().clone();
  };
  const at::Tensor kept = gradient(false);
  EXPECT_TRUE(gradient(true).equal(kept));
  EXPECT_FALSE(autocast_state(c10::kCPU).enabled);
  EXPECT_TRUE(autocast_state(c10::kCPU).keeps_casts);
}

TEST(Recomputed, HasNoSecondDerivativeAndSaysSo) {
  Counted block;
  const at::Tensor x = at::rand({3, 5}).requires_grad_();
  try {
    torch::autograd::grad({recomputed(torch::nn::AnyModule(block), x).sum()}, {x}, {},
                          /*retain_graph=*/true, /*create_graph=*/true);
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr("no second derivative"));
  }
}

TEST(Recomputed, RefusesABlockThatKeepsStatistics) {
  try {
    recomputed(torch::nn::AnyModule(BatchNorm(4)), at::rand({2, 4, 3, 3}));
    FAIL();
  } catch (const std::logic_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("has buffers"));
  }
}

}  // namespace
}  // namespace vae_dist::model
