#include "kernels/bernoulli.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <vector>

#include "../normalisation/random_images.hpp"

namespace vae_dist::kernels {
namespace {

using normalisation::error;
using normalisation::normal_double;

// Samples shorter and longer than what one logarithm serves, with a rest that fills no lanes.
const std::vector<std::vector<std::int64_t>> kSizes = {
    {3, 1, 1, 1}, {2, 1, 5, 7}, {4, 3, 28, 28}, {5, 1, 16, 32}, {7, 2, 19, 27}};

struct BitsCase {
  at::Tensor logits, x;
};

// Values 0, 1 and between, and logits that are small, large, and far beyond what exp() can hold.
BitsCase bits_case(at::IntArrayRef sizes, at::ScalarType type) {
  at::Tensor logits = normal_double(sizes, 1) * 5,
             x = (normal_double(sizes, 2) > 0.3).to(at::kDouble);
  logits.view({-1})[0] = 900;
  logits.view({-1})[logits.numel() - 1] = -900;
  x.view({-1})[x.numel() / 2] = 0.25;
  return {logits.to(type), x.to(type)};
}

void expect_torchs(const BitsCase& c, double tolerance) {
  const at::Tensor logits = c.logits.to(at::kDouble).requires_grad_(), x = c.x.to(at::kDouble);
  const at::Tensor expected =
      at::binary_cross_entropy_with_logits(logits, x, {}, {}, at::Reduction::None)
          .flatten(1)
          .sum(1);
  expected.sum().backward();
  const BernoulliTerms ours = bernoulli(c.logits, c.x, true);
  EXPECT_LT(error(ours.negative_log, expected.detach()), tolerance) << c.logits.sizes();
  EXPECT_LT(error(ours.gradient, logits.grad()), tolerance) << c.logits.sizes();
  EXPECT_EQ(ours.gradient.strides(), c.logits.strides());
  const BernoulliTerms alone = bernoulli(c.logits, c.x, false);
  EXPECT_TRUE(alone.negative_log.equal(ours.negative_log));
  EXPECT_FALSE(alone.gradient.defined());
}

TEST(BernoulliKernel, IsTorchsBinaryCrossEntropyAndItsGradient) {
  for (const std::vector<std::int64_t>& sizes : kSizes) {
    expect_torchs(bits_case(sizes, at::kDouble), 1e-14);
    expect_torchs(bits_case(sizes, at::kFloat), 5e-7);
  }
}

TEST(BernoulliKernel, TakesAnyMemoryFormatThatLogitsAndValuesShare) {
  BitsCase c = bits_case({4, 3, 5, 7}, at::kFloat);
  c.logits = c.logits.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_FALSE(has_bernoulli_kernel(c.logits, c.x));
  EXPECT_THROW(bernoulli(c.logits, c.x, true), std::invalid_argument);
  c.x = c.x.contiguous(at::MemoryFormat::ChannelsLast);
  expect_torchs(c, 5e-7);
  EXPECT_FALSE(has_bernoulli_kernel(c.logits.transpose(0, 1), c.x.transpose(0, 1)))
      << "the values of a sample do not lie together";
  EXPECT_FALSE(has_bernoulli_kernel(c.logits.to(at::kBFloat16), c.x.to(at::kBFloat16)));
}

TEST(BernoulliKernel, PassesOnWhatIsNotANumber) {
  BitsCase c = bits_case({3, 1, 5, 7}, at::kFloat);
  c.logits[1][0][4][6] = std::numeric_limits<float>::quiet_NaN();
  const BernoulliTerms terms = bernoulli(c.logits, c.x, true);
  EXPECT_TRUE(terms.negative_log[1].isnan().item<bool>());
  EXPECT_EQ(terms.negative_log.isnan().sum().item<std::int64_t>(), 1);
  EXPECT_TRUE(terms.gradient[1][0][4][6].isnan().item<bool>());
  EXPECT_EQ(terms.gradient.isnan().sum().item<std::int64_t>(), 1);
}

TEST(BernoulliKernel, GivesTheSameBitsWithAnyNumberOfThreads) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not see how the threads of OpenMP wait for each other";
#endif
  const BitsCase c = bits_case({70, 1, 28, 28}, at::kFloat);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const BernoulliTerms one = bernoulli(c.logits, c.x, true);
  at::set_num_threads(3);
  const BernoulliTerms three = bernoulli(c.logits, c.x, true);
  at::set_num_threads(before);
  EXPECT_TRUE(one.negative_log.equal(three.negative_log));
  EXPECT_TRUE(one.gradient.equal(three.gradient));
}

}  // namespace
}  // namespace vae_dist::kernels
