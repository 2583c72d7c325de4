#include "model/vector_quantizer.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>
#include <stdexcept>
#include <vector>

namespace vae_dist::model {
namespace {

constexpr std::int64_t kCodes = 6, kGroups = 2, kChannels = 4, kPositions = 3, kWidth = 2,
                       kVectors = kGroups * kPositions;

class VectorQuantizerTest : public testing::Test {
 protected:
  VectorQuantizerTest() { torch::manual_seed(3); }

  static VectorQuantizer made(std::optional<std::int64_t> restart_after = std::nullopt) {
    VectorQuantizer out({kCodes, kGroups, 0.9, restart_after}, {kChannels, kPositions});
    out.to(at::kDouble);
    out.codebook.copy_(at::randn({kCodes, kWidth}, at::kDouble));
    out.sums.copy_(out.codebook);
    return out;
  }

  static at::Tensor latents(std::int64_t samples) {
    return at::randn({samples, kChannels * kPositions}, at::kDouble);
  }

  // Vector v of a sample: group v / positions at position v % positions, whose values are
  // consecutive channels.
  static at::Tensor vector(const at::Tensor& z, std::int64_t sample, std::int64_t v) {
    return z.view({-1, kChannels, kPositions})[sample]
        .narrow(0, v / kPositions * kWidth, kWidth)
        .select(1, v % kPositions);
  }

  static std::int64_t nearest(const at::Tensor& codebook, const at::Tensor& wanted) {
    return (codebook - wanted).square().sum(1).argmin().item<std::int64_t>();
  }

  static at::Tensor scalar(double value) { return at::scalar_tensor(value, at::kDouble); }
  static at::Tensor skip(bool skipped) { return at::full({1}, skipped ? 1.0 : 0.0, at::kFloat); }

  // What a step of batches collects that follow each other in the global batch.
  static at::Tensor collected(VectorQuantizer& quantizer, const std::vector<at::Tensor>& batches,
                              double draw) {
    std::int64_t all = 0, first = 0;
    for (const at::Tensor& z : batches) all += z.size(0) * kVectors;
    const at::Tensor sums = at::zeros({quantizer.statistics_size()}, at::kDouble);
    for (const at::Tensor& z : batches) {
      quantizer.quantize(z);
      quantizer.add_statistics(sums, scalar(static_cast<double>(first)), all, scalar(draw));
      first += z.size(0) * kVectors;
    }
    return sums;
  }
};

TEST_F(VectorQuantizerTest, ReplacesEachVectorByItsNearestCode) {
  VectorQuantizer quantizer = made();
  const at::Tensor z = latents(5), codes = quantizer.codes_of(z), out = quantizer.quantize(z);
  ASSERT_EQ(codes.sizes(), (std::vector<std::int64_t>{5, kVectors}));
  for (std::int64_t b = 0; b < 5; ++b)
    for (std::int64_t v = 0; v < kVectors; ++v) {
      const std::int64_t expected = nearest(quantizer.codebook, vector(z, b, v));
      EXPECT_EQ(codes[b][v].item<std::int64_t>(), expected) << b << ", " << v;
      EXPECT_TRUE(vector(out, b, v).equal(quantizer.codebook[expected])) << b << ", " << v;
    }
  EXPECT_TRUE(quantizer.latents_of(codes).equal(out));
  EXPECT_TRUE(quantizer.quantize(out).equal(out)) << "codes are their own nearest codes";
}

TEST_F(VectorQuantizerTest, PassesGradientsThroughAndCommitsTheEncoderAlone) {
  VectorQuantizer quantizer = made();
  const at::Tensor z = latents(5).requires_grad_(), upstream = latents(5);
  const at::Tensor quantized = quantizer.quantize(z),
                   out = VectorQuantizer::straight_through(z, quantized);
  EXPECT_FALSE(quantized.requires_grad());
  EXPECT_TRUE(at::allclose(out, quantized, 0, 1e-15));
  (out * upstream).sum().backward();
  EXPECT_TRUE(z.grad().equal(upstream));
  z.mutable_grad() = at::Tensor();
  const at::Tensor commitment = VectorQuantizer::commitment(z, quantized),
                   away = (z - out).detach();
  commitment.backward();
  EXPECT_TRUE(at::allclose(commitment, away.square().sum() / 5));
  EXPECT_TRUE(at::allclose(z.grad(), 2 * away / 5));
  EXPECT_FALSE(quantizer.codebook.requires_grad());
}

// The moving averages against a loop over vectors, with a step that is skipped in between.
TEST_F(VectorQuantizerTest, FollowsItsVectorsAsALoopDoes) {
  VectorQuantizer quantizer = made();
  std::vector<double> counts(kCodes, 1);
  std::vector<at::Tensor> sums = quantizer.codebook.clone().unbind(),
                          codes = quantizer.codebook.clone().unbind();
  for (int step = 0; step < 4; ++step) {
    const bool skipped = step == 2;
    const at::Tensor z = latents(7);
    quantizer.update(collected(quantizer, z.split(3), 0.1), skip(skipped));
    if (!skipped) {
      const at::Tensor codebook = at::stack(codes);
      std::vector<double> seen(kCodes, 0);
      std::vector<at::Tensor> seen_sums(kCodes, at::zeros({kWidth}, at::kDouble));
      for (std::int64_t b = 0; b < z.size(0); ++b)
        for (std::int64_t v = 0; v < kVectors; ++v) {
          const auto k = static_cast<std::size_t>(nearest(codebook, vector(z, b, v)));
          seen[k] += 1;
          seen_sums[k] = seen_sums[k] + vector(z, b, v);
        }
      double total = 0;
      for (std::size_t k = 0; k < kCodes; ++k) {
        counts[k] = 0.9 * counts[k] + 0.1 * seen[k];
        sums[k] = 0.9 * sums[k] + 0.1 * seen_sums[k];
        total += counts[k];
      }
      for (std::size_t k = 0; k < kCodes; ++k)
        codes[k] = sums[k] / ((counts[k] + 1e-5) / (total + kCodes * 1e-5) * total);
    }
    EXPECT_TRUE(at::allclose(quantizer.codebook, at::stack(codes), 1e-12, 1e-14))
        << "step " << step;
    EXPECT_TRUE(at::allclose(quantizer.counts, at::tensor(counts, at::kDouble), 1e-12, 0));
  }
}

TEST_F(VectorQuantizerTest, CollectsTheSameFromAnyDivisionOfTheBatch) {
  VectorQuantizer quantizer = made(2);
  const at::Tensor z = latents(8), whole = collected(quantizer, {z}, 0.37);
  const std::int64_t candidates = kCodes + kCodes * kWidth;
  for (const std::int64_t parts : {2, 4, 8}) {
    const at::Tensor sums = collected(quantizer, z.chunk(parts), 0.37);
    EXPECT_TRUE(at::allclose(sums, whole, 1e-13, 1e-15)) << parts;
    EXPECT_TRUE(sums.slice(0, 0, kCodes).equal(whole.slice(0, 0, kCodes))) << parts;
    EXPECT_TRUE(sums.slice(0, candidates).equal(whole.slice(0, candidates))) << parts;
  }
  // The candidates are different vectors of the batch, and others with another draw.
  const at::Tensor chosen = whole.slice(0, candidates).view({kCodes, kWidth});
  std::vector<at::Tensor> vectors;
  for (std::int64_t b = 0; b < 8; ++b)
    for (std::int64_t v = 0; v < kVectors; ++v) vectors.push_back(vector(z, b, v));
  const at::Tensor equal =
      (chosen.unsqueeze(1) == at::stack(vectors).unsqueeze(0)).all(2);  // [codes, vectors]
  EXPECT_TRUE(equal.sum(1).eq(1).all().item<bool>()) << equal.sum(1);
  EXPECT_LE(equal.sum(0).max().item<std::int64_t>(), 1);
  EXPECT_FALSE(collected(quantizer, {z}, 0.81).slice(0, candidates).equal(chosen.flatten()));
}

TEST_F(VectorQuantizerTest, GivesCodesThatNothingUsesAVectorOfTheBatch) {
  VectorQuantizer quantizer = made(3);
  quantizer.unused_steps.zero_();
  quantizer.codebook[4].fill_(1e6);
  quantizer.sums.copy_(quantizer.codebook);
  for (int step = 1; step <= 3; ++step) {
    const at::Tensor sums = collected(quantizer, {latents(8)}, 0.5);
    EXPECT_EQ(sums[4].item<double>(), 0);
    const at::Tensor candidate = sums.slice(0, kCodes + kCodes * kWidth).view({kCodes, kWidth})[4];
    quantizer.update(sums, skip(false));
    EXPECT_EQ(quantizer.unused_steps[4].item<double>(), step % 3);
    if (step < 3) {
      EXPECT_GT(quantizer.codebook[4].abs().min().item<double>(), 1e5);
    } else {
      // The counts of all codes are those of few vectors, so that eps is felt.
      EXPECT_TRUE(at::allclose(quantizer.codebook[4], candidate, 1e-4, 1e-6));
      EXPECT_EQ(quantizer.counts[4].item<double>(), 1);
    }
  }
}

// Else a codebook begins far from the vectors, and most of its codes are never used.
TEST_F(VectorQuantizerTest, TakesItsFirstCodesFromTheFirstBatch) {
  VectorQuantizer quantizer = made(100);
  const at::Tensor z = latents(64) * 1e-3 + 5;
  quantizer.update(collected(quantizer, {z}, 0.2), skip(false));
  const at::Tensor after = collected(quantizer, {z}, 0.2);
  EXPECT_GE(quantizer.use(after)[1].item<double>(), kCodes - 1);
}

TEST_F(VectorQuantizerTest, TellsThePerplexityAndUseOfAStep) {
  VectorQuantizer quantizer = made();
  const at::Tensor sums = at::zeros({quantizer.statistics_size()}, at::kDouble);
  sums.slice(0, 0, 4).fill_(10);
  EXPECT_NEAR(quantizer.use(sums)[0].item<double>(), 4, 1e-12);
  EXPECT_EQ(quantizer.use(sums)[1].item<double>(), 4);
  sums[5] = 40;
  const double expected = std::exp(-(4 * 0.125 * std::log(0.125) + 0.5 * std::log(0.5)));
  EXPECT_NEAR(quantizer.use(sums)[0].item<double>(), expected, 1e-12);
}

TEST_F(VectorQuantizerTest, RefusesGroupsThatDoNotDivideTheChannels) {
  EXPECT_THROW(VectorQuantizer({kCodes, 3, 0.9, {}}, {kChannels, kPositions}),
               std::invalid_argument);
}

TEST_F(VectorQuantizerTest, FindsTheNearestOfManyVectorsInParts) {
  VectorQuantizer quantizer({4096, 1, 0.9, {}}, {kWidth, 1});
  quantizer.codebook.copy_(at::randn({4096, kWidth}));
  const at::Tensor z = at::randn({2500, kWidth});
  const at::Tensor expected = at::cdist(z.to(at::kDouble), quantizer.codebook.to(at::kDouble), 2,
                                        /*compute_mode=*/2)
                                  .argmin(1);
  // In single precision a vector between two codes may fall on either side.
  EXPECT_GT(quantizer.codes_of(z).flatten().eq(expected).sum().item<std::int64_t>(), 2490);
  quantizer.quantize(z);
  const at::Tensor sums = at::zeros({quantizer.statistics_size()});
  quantizer.add_statistics(sums, scalar(0), 2500, scalar(0));
  EXPECT_EQ(sums.slice(0, 0, 4096).sum().item<double>(), 2500);
  EXPECT_TRUE(at::allclose(sums.slice(0, 4096).view({4096, kWidth}).sum(0), z.sum(0), 1e-4, 1e-3));
}

}  // namespace
}  // namespace vae_dist::model
