#include "parallel/parameter_arena.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace vae_dist::parallel {
namespace {

class ParameterArenaOrder : public testing::TestWithParam<bool> {
 protected:
  // A convolution and a linear layer, as parameters.
  at::Tensor kernel_ =
      (at::arange(54, at::kDouble) / 54).view({3, 2, 3, 3}).clone().requires_grad_();
  at::Tensor matrix_ = (at::arange(10, at::kDouble) / 10).view({2, 5}).clone().requires_grad_();
  at::Tensor image_ = (at::arange(2 * 2 * 25, at::kDouble) / 100).view({2, 2, 5, 5});

  NamedTensors named() const { return {{"kernel", kernel_}, {"matrix", matrix_}}; }
  at::Tensor loss() const {
    return at::conv2d(image_, kernel_).square().sum() +
           matrix_.mm(at::ones({5, 1}, at::kDouble)).pow(3).sum();
  }

  static bool lies_in(const at::Tensor& view, const at::Tensor& flat) {
    return view.storage().data() == flat.storage().data();
  }
};

TEST_P(ParameterArenaOrder, KeepsEveryValue) {
  const at::Tensor kernel = kernel_.detach().clone(), matrix = matrix_.detach().clone();
  const ParameterArena arena(named(), GetParam());
  EXPECT_TRUE(kernel_.equal(kernel));
  EXPECT_TRUE(matrix_.equal(matrix));
  EXPECT_TRUE(kernel_.requires_grad() && kernel_.is_leaf());
  EXPECT_EQ(arena.slots()[0].name, "kernel");
  EXPECT_EQ(arena.slots()[1].name, "matrix");
  EXPECT_EQ(kernel_.is_contiguous(at::MemoryFormat::ChannelsLast), GetParam());
}

TEST_P(ParameterArenaOrder, MakesParametersAndGradientsViewsOfTheArenas) {
  const ParameterArena arena(named(), GetParam());
  arena.values().fill_(3.0);
  arena.gradients().fill_(4.0);
  for (const auto& [name, parameter] : named()) {
    EXPECT_TRUE(lies_in(parameter, arena.values())) << name;
    EXPECT_TRUE(lies_in(parameter.grad(), arena.gradients())) << name;
    EXPECT_TRUE(parameter.equal(at::full_like(parameter, 3.0))) << name;
    EXPECT_TRUE(parameter.grad().equal(at::full_like(parameter, 4.0))) << name;
    EXPECT_EQ(parameter.grad().strides(), parameter.strides()) << name;
  }
}

TEST_P(ParameterArenaOrder, LetsBackwardAddIntoTheArenaInPlace) {
  // Computes the expected gradients without an arena.
  loss().backward();
  const at::Tensor kernel_gradient = kernel_.grad().clone(),
                   matrix_gradient = matrix_.grad().clone();

  const ParameterArena arena(named(), GetParam());
  const void* kernel_at = kernel_.grad().data_ptr();
  const void* matrix_at = matrix_.grad().data_ptr();
  for (int pass = 1; pass <= 2; ++pass) {
    loss().backward();
    EXPECT_EQ(kernel_.grad().data_ptr(), kernel_at);
    EXPECT_EQ(matrix_.grad().data_ptr(), matrix_at);
    EXPECT_TRUE(lies_in(kernel_.grad(), arena.gradients()) &&
                lies_in(matrix_.grad(), arena.gradients()));
    EXPECT_TRUE(at::allclose(kernel_.grad(), pass * kernel_gradient, 1e-12));
    EXPECT_TRUE(at::allclose(matrix_.grad(), pass * matrix_gradient, 1e-12));
    EXPECT_EQ(kernel_.grad().strides(), kernel_.strides());
  }
  const double norm =
      2 * std::hypot(kernel_gradient.norm().item<double>(), matrix_gradient.norm().item<double>());
  EXPECT_NEAR(arena.gradients().norm().item<double>(), norm, 1e-9 * norm) << "the gaps hold zeros";
}

TEST_P(ParameterArenaOrder, GivesTheOptimizerArenasOfItsLayout) {
  const ParameterArena arena(named(), GetParam());
  const FlatArena moments = arena.make_matching_arena();
  EXPECT_EQ(moments.flat().sizes(), arena.values().sizes());
  EXPECT_EQ(moments.flat().scalar_type(), at::kDouble);
  EXPECT_EQ(moments.flat().count_nonzero().item<std::int64_t>(), 0);
  EXPECT_FALSE(lies_in(moments.flat(), arena.values()));
  EXPECT_FALSE(moments.flat().requires_grad());
  EXPECT_EQ(moments.view(0).strides(), kernel_.strides());
}

INSTANTIATE_TEST_SUITE_P(Orders, ParameterArenaOrder, testing::Bool(), [](const auto& info) {
  return info.param ? "ChannelsLast" : "Contiguous";
});

TEST(ParameterArena, NeedsParameters) {
  EXPECT_THROW(ParameterArena({}, false), std::invalid_argument);
}

}  // namespace
}  // namespace vae_dist::parallel
