#include "evaluate/coverage.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>

#include <limits>

#include "base/error.hpp"

namespace vae_dist::evaluate {
namespace {

at::Tensor line(std::vector<double> places) { return at::tensor(places, at::kDouble).unsqueeze(1); }

at::Tensor normal(std::int64_t rows, std::int64_t values, std::uint64_t seed) {
  return at::randn({rows, values}, at::detail::createCPUGenerator(seed), at::kFloat);
}

TEST(Coverage, CountsBallsAroundRealRows) {
  // Distances to the nearest other row: 1 for 0, 1 for 1, 2 for 3, 6 for 9. 0.5 lies in the balls
  // of 0 and 1; 4 in those of 3 and 9; 20 in none.
  const at::Tensor real = line({0, 1, 3, 9});
  EXPECT_TRUE(squared_radii(real, 1).equal(at::tensor({1.0, 1.0, 4.0, 36.0}, at::kDouble)));
  const Coverage scores = coverage_of(real, line({0.5, 4, 20}), 1);
  EXPECT_DOUBLE_EQ(scores.density, 4.0 / 3.0);
  EXPECT_DOUBLE_EQ(scores.coverage, 1.0);
  EXPECT_DOUBLE_EQ(coverage_of(real, line({0.5, 0.6, 0.7}), 1).coverage, 0.5);
  EXPECT_DOUBLE_EQ(coverage_of(real, line({0.5}), 3).density,
                   4.0 / 3.0);  // the radii are 9, 8, 6, 9: in all four balls
}

TEST(Coverage, BallsAreOpenAndTiesOfIntegersExact) {
  EXPECT_DOUBLE_EQ(coverage_of(line({0, 2, 4}), line({-2, 6}), 1).coverage, 0.0);
  // Corners of a 784-dimensional cube, as binarized images are: all squared distances are whole
  // numbers.
  const at::Tensor real = normal(300, 784, 1).gt(0).to(at::kFloat),
                   fake = normal(300, 784, 2).gt(0).to(at::kFloat);
  const at::Tensor exact = (real.unsqueeze(1) != fake.unsqueeze(0)).sum(2);
  EXPECT_DOUBLE_EQ(coverage_of(real, fake).coverage,
                   (exact.amin(1) < squared_radii(real)).to(at::kDouble).mean().item<double>());
}

TEST(Coverage, OfTheSameDistributionIsWhatThePaperExpects) {
  // Lemma 2 of Naeem et al. 2020: coverage of N real rows by M others of their distribution is
  // expected at 1 - (N-1)...(N-k) / ((M+N-1)...(M+N-k)), which is about 1 - 1/2^k for M = N;
  // density at 1.
  const Coverage scores = coverage_of(normal(2100, 8, 3), normal(2100, 8, 4));
  EXPECT_NEAR(scores.coverage, 1 - 1.0 / 32, 0.015);
  EXPECT_NEAR(scores.density, 1, 0.05);
}

TEST(Coverage, OfBlurredRowsIsLowWhileDensityIsNot) {
  const at::Tensor real = normal(500, 20, 5);
  const Coverage scores = coverage_of(real, at::zeros({500, 20}));
  EXPECT_GT(scores.density, 10);
  EXPECT_LT(coverage_of(real, normal(500, 20, 6) * 0.1).coverage,
            coverage_of(real, normal(500, 20, 6)).coverage);
  EXPECT_EQ(coverage_of(real, at::full({500, 20}, 100.0)).coverage, 0);
}

TEST(Coverage, OfManyBlocksIsThatOfOne) {
  // Rows of 70,000 values are compared in blocks of 59. These rows differ only in the first three
  // values.
  const at::Tensor real = normal(150, 3, 7), fake = normal(130, 3, 8) * 0.7;
  const auto widen = [](const at::Tensor& rows) { return at::constant_pad_nd(rows, {0, 69997}); };
  const Coverage one = coverage_of(real, fake), many = coverage_of(widen(real), widen(fake));
  EXPECT_EQ(one.coverage, many.coverage);
  EXPECT_EQ(one.density, many.density);
  EXPECT_GT(one.coverage, 0.3);
  EXPECT_LT(one.coverage, 1);
}

TEST(Coverage, IsOfNoRowThatHasMoreThanKCopies) {
  // Their radius is 0 and the ball is empty, although 1/3 has no exact square.
  const at::Tensor real = at::cat({at::full({7, 100}, 1.0 / 3.0), normal(7, 100, 9)});
  EXPECT_EQ(squared_radii(real).slice(0, 0, 7).abs().max().item<double>(), 0);
  EXPECT_EQ(coverage_of(real, at::full({3, 100}, 1.0 / 3.0)).coverage,
            coverage_of(real, real.slice(0, 0, 1)).coverage);
}

TEST(Coverage, RefusesWhatHasNoNeighboursOrDoesNotFit) {
  EXPECT_THROW(coverage_of(line({0, 1, 2, 3, 4}), line({0})), base::BadInput);
  EXPECT_THROW(coverage_of(normal(10, 3, 1), normal(10, 4, 1)), base::BadInput);
  EXPECT_THROW(coverage_of(normal(10, 3, 1), normal(0, 3, 1)), base::BadInput);
  EXPECT_THROW(coverage_of(at::ones({10, 3}, at::kByte), normal(10, 3, 1)), base::BadInput);
  EXPECT_THROW(
      coverage_of(normal(10, 3, 1), at::full({1, 3}, std::numeric_limits<float>::quiet_NaN())),
      base::BadInput);
}

}  // namespace
}  // namespace vae_dist::evaluate
