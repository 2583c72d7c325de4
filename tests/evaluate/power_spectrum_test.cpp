#include "evaluate/power_spectrum.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace vae_dist::evaluate {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

// Returns cos(2 pi (a i / size + b j / size + c l / size) + 0.3) on a cube with `axes` axes.
at::Tensor wave(std::int64_t size, std::vector<double> counts) {
  at::Tensor phase = at::scalar_tensor(0.3, at::kDouble);
  for (std::size_t axis = 0; axis < counts.size(); ++axis) {
    std::vector<std::int64_t> shape(counts.size(), 1);
    shape[axis] = size;
    phase =
        phase + (at::arange(size, at::kDouble) * (kTurn * counts[axis] / static_cast<double>(size)))
                    .view(shape);
  }
  return phase.cos().unsqueeze(0).unsqueeze(0);
}

TEST(PowerSpectrum, OfAWaveIsInOneShell) {
  // Of 3, (3, 4) and (2, 3, 6) waves along the sides, which is 3, 5 and 7 in all.
  const std::vector<std::vector<double>> waves = {{3}, {3, -4}, {2, -3, 6}};
  const std::vector<std::int64_t> length = {3, 5, 7};
  for (std::size_t i = 0; i < waves.size(); ++i) {
    const RadialShells shells(std::vector<std::int64_t>(waves[i].size(), 16));
    ASSERT_EQ(shells.count(), 9);
    const at::Tensor power = shells.power(2 * wave(16, waves[i]) + 5)[0][0];
    for (std::int64_t k = 0; k < 9; ++k) {
      // The square of the mean, and 2^2 / 2 over all wave vectors of the shell.
      const double expected =
          k == 0           ? 25
          : k == length[i] ? 2.0 / static_cast<double>(shells.waves()[static_cast<std::size_t>(k)])
                           : 0;
      EXPECT_NEAR(power[k].item<double>(), expected, 1e-12)
          << waves[i].size() << " axes, shell " << k;
    }
  }
}

TEST(PowerSpectrum, AddsUpToTheMeanSquare) {
  // In one dimension no wave vector is beyond the last shell (Parseval); odd and even sizes.
  for (const std::int64_t size : {15, 16}) {
    const at::Tensor fields =
        (at::arange(6 * size, at::kDouble).square() * 0.37).sin().view({2, 3, size});
    const RadialShells shells({size});
    const at::Tensor weights = at::tensor(shells.waves()).to(at::kDouble);
    EXPECT_EQ(weights.sum().item<double>(), static_cast<double>(size));
    EXPECT_TRUE(at::allclose((shells.power(fields) * weights).sum(2), fields.square().mean(2),
                             1e-12, 1e-14));
  }
}

TEST(PowerSpectrum, HasTheWaveVectorsOfEachShell) {
  // Of a square of 6x5: 1 of length 0; lengths 1 and 1.41 (8); 2, 2.24 (12).
  EXPECT_EQ(RadialShells({6, 5}).waves(), (std::vector<std::int64_t>{1, 8, 12}));
}

TEST(PowerSpectrum, NeedsMoreThanFourPoints) {
  EXPECT_TRUE(RadialShells::exist_for({5}));
  EXPECT_FALSE(RadialShells::exist_for({64, 4}));
  EXPECT_FALSE(RadialShells::exist_for({}));
}

}  // namespace
}  // namespace vae_dist::evaluate
