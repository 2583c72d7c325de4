#include "kernels/convolution_timing.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace vae_dist::kernels {
namespace {

const ConvolutionShape
    kDown = {{.stride = 2, .padding = 1}, 3, 4, 32, 64, 8, 8},
    kUp = {{.transposed = true, .stride = 2, .padding = 1, .output_padding = {1, 1}},
           3,
           4,
           64,
           32,
           4,
           4};

std::vector<ConvolutionWay> candidates(const ConvolutionShape& shape,
                                       ConvolutionDirection direction) {
  std::vector<ConvolutionWay> out;
  for (const ConvolutionWay way :
       {ConvolutionWay::onednn, ConvolutionWay::products, ConvolutionWay::direct})
    if (can_serve(way, direction, shape, at::kFloat)) out.push_back(way);
  return out;
}

// A clock of measurements that follow one another: `seconds` gives the duration of each.
std::function<double()> clock_of(std::function<double(int measurement)> seconds) {
  return [seconds = std::move(seconds), now = 0.0, calls = 0]() mutable {
    if (calls % 2 == 1) now += seconds(calls / 2);
    ++calls;
    return now;
  };
}

ConvolutionWays measured(const ConvolutionShape& shape, double seconds_of_second_candidate) {
  const std::size_t count = candidates(shape, ConvolutionDirection::forward).size();
  TimingOptions options;
  // The first measurement only tells how long a forward pass takes.
  options.clock = clock_of([=](int measurement) {
    if (measurement == 0) return 1e-6;
    return static_cast<std::size_t>(measurement - 1) % count == 1 ? seconds_of_second_candidate
                                                                  : 1e-3;
  });
  return fastest_ways({shape}, at::kFloat, options).at(shape);
}

TEST(FastestWays, AreThoseThatTookClearlyLessTime) {
  for (const ConvolutionShape& shape : {kDown, kUp}) {
    const auto ways = candidates(shape, ConvolutionDirection::forward);
    ASSERT_GE(ways.size(), 2U);
    const ConvolutionWays table =
        ways_from_table(shape, at::kFloat, instruction_set(), at::get_num_threads());
    const ConvolutionWays fast = measured(shape, 0.5e-3), hardly = measured(shape, 0.99e-3);
    for (const ConvolutionDirection direction : kConvolutionDirections) {
      ASSERT_EQ(candidates(shape, direction), ways) << shape.text();
      EXPECT_EQ(fast.of(direction), ways[1]) << shape.text();
      EXPECT_EQ(hardly.of(direction), table.of(direction)) << shape.text();
    }
  }
}

TEST(FastestWays, AreFoundWithARealClock) {
  int asked = 0;
  TimingOptions options;
  options.clock = [&asked] {
    ++asked;
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  const ConvolutionChoice::ByShape found = fastest_ways({kDown, kUp}, at::kFloat, options);
  EXPECT_EQ(found.size(), 2U);
  for (const auto& [shape, ways] : found)
    for (const ConvolutionDirection direction : kConvolutionDirections)
      EXPECT_TRUE(can_serve(ways.of(direction), direction, shape, at::kFloat)) << shape.text();
  EXPECT_GT(asked, 0);
}

}  // namespace
}  // namespace vae_dist::kernels
