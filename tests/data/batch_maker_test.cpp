#include "data/batch_maker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/keyed_random.hpp"
#include "image_files.hpp"

namespace vae_dist::data {
namespace {

using testing::ElementsAreArray;

BatchPlan plan_of(std::int64_t global_batch) {
  BatchPlan plan;
  plan.seed = 1265;
  plan.global_batch = global_batch;
  plan.count = global_batch;
  plan.noise_per_sample = 5;
  plan.flips = "W";
  return plan;
}

// Rank's part of the global batch; parts differ by one where the ranks do not divide it.
BatchPlan part_of(BatchPlan plan, int rank, int ranks) {
  plan.first = plan.global_batch * rank / ranks;
  plan.count = plan.global_batch * (rank + 1) / ranks - plan.first;
  return plan;
}

template <typename T>
void append(std::vector<T>& to, const auto& more) {
  to.insert(to.end(), more.begin(), more.end());
}

class BatchMaker : public ImageFileTest {
 protected:
  void SetUp() override {
    ImageFileTest::SetUp();
    file_ = make_images("images.h5", {26, 4, 3, 3});
  }
  std::string file_;
};

TEST_F(BatchMaker, MakesTheSameSequenceForEveryWorldSize) {
  const SampleDataset dataset = open(file_);
  for (const std::int64_t epoch : {0, 1, 6})
    for (const std::int64_t step : {0, 1, 2}) {
      const Batch alone = make_batch(dataset, plan_of(8), epoch, step);
      for (int ranks = 1; ranks <= 8; ++ranks) {
        std::vector<std::int64_t> samples;
        std::vector<std::uint8_t> pixels;
        std::vector<float> noise;
        for (int rank = 0; rank < ranks; ++rank) {
          const Batch part = make_batch(dataset, part_of(plan_of(8), rank, ranks), epoch, step);
          append(samples, part.samples);
          append(pixels, part.pixels);
          append(noise, part.noise);
        }
        EXPECT_EQ(samples, alone.samples) << ranks << " ranks";
        EXPECT_THAT(pixels, ElementsAreArray(alone.pixels)) << ranks << " ranks";
        EXPECT_THAT(noise, ElementsAreArray(alone.noise)) << ranks << " ranks";
      }
    }
}

TEST_F(BatchMaker, NoiseFollowsFromSeedEpochAndSampleAlone) {
  const SampleDataset dataset = open(file_);
  for (const std::int64_t epoch : {0, 4}) {
    const Batch batch = make_batch(dataset, part_of(plan_of(8), 1, 2), epoch, 2);
    const base::PhiloxKey key =
        base::random_key(1265, base::Purpose::noise, static_cast<std::uint64_t>(epoch));
    for (std::size_t i = 0; i < batch.samples.size(); ++i) {
      std::vector<float> expected(5);
      base::fill_normal(key, static_cast<std::uint64_t>(batch.samples[i]), 0, expected);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(),
                             batch.noise.begin() + static_cast<std::ptrdiff_t>(5 * i)));
    }
  }
}

TEST_F(BatchMaker, VisitsEverySampleOnceAnEpoch) {
  const SampleDataset dataset = open(file_);
  BatchPlan plan = plan_of(13);
  ASSERT_EQ(plan.steps_per_epoch(dataset.size()), 2);
  std::vector<std::int64_t> expected(26);
  std::iota(expected.begin(), expected.end(), 0);
  std::vector<std::vector<std::int64_t>> orders;
  for (const std::int64_t epoch : {0, 1}) {
    std::vector<std::int64_t> seen;
    for (const std::int64_t step : {0, 1})
      append(seen, make_batch(dataset, plan, epoch, step).samples);
    orders.push_back(seen);
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, expected) << "epoch " << epoch;
  }
  EXPECT_NE(orders[0], orders[1]);
}

TEST_F(BatchMaker, DropsTheLastPartialGlobalBatch) {
  EXPECT_EQ(plan_of(8).steps_per_epoch(26), 3);
  EXPECT_EQ(plan_of(26).steps_per_epoch(26), 1);
  EXPECT_EQ(plan_of(27).steps_per_epoch(26), 0);
}

TEST_F(BatchMaker, PixelsAreThoseOfTheirSamples) {
  for (const std::uint64_t budget : {kAllInMemory, kNothingInMemory}) {
    const SampleDataset dataset = open(file_, budget);
    BatchPlan plan = plan_of(8);
    plan.flips.clear();
    const Batch batch = make_batch(dataset, plan, 3, 1);
    EXPECT_EQ(batch.epoch, 3);
    EXPECT_EQ(batch.step, 1);
    EXPECT_EQ(batch.scale, dataset.scale());
    std::vector<std::uint8_t> expected;
    for (const std::int64_t sample : batch.samples) append(expected, image_of(dataset, sample));
    EXPECT_THAT(batch.pixels, ElementsAreArray(expected));
  }
}

TEST_F(BatchMaker, MirrorsHalfOfTheImagesAnewEveryEpoch) {
  const SampleDataset dataset = open(file_);
  std::vector<std::vector<bool>> mirrored_in;
  for (std::int64_t epoch = 0; epoch < 40; ++epoch) {
    std::vector<bool> mirrored(26);
    const Batch batch = make_batch(dataset, plan_of(26), epoch, 0);
    const auto bytes = static_cast<std::ptrdiff_t>(dataset.shape().values());
    for (std::size_t i = 0; i < batch.samples.size(); ++i) {
      const auto begin = batch.pixels.begin() + static_cast<std::ptrdiff_t>(i) * bytes;
      const std::vector<std::uint8_t> seen(begin, begin + bytes),
          stored = image_of(dataset, batch.samples[i]);
      std::vector<std::uint8_t> mirror = stored;
      arrays::flip(mirror, dataset.shape(), dataset.layout(), 'W');
      ASSERT_NE(mirror, stored);
      ASSERT_TRUE(seen == stored || seen == mirror);
      mirrored[static_cast<std::size_t>(batch.samples[i])] = seen == mirror;
    }
    mirrored_in.push_back(mirrored);
  }
  EXPECT_NE(mirrored_in[0], mirrored_in[1]);
  double share = 0;
  for (const auto& mirrored : mirrored_in)
    share += static_cast<double>(std::count(mirrored.begin(), mirrored.end(), true)) / (26.0 * 40);
  EXPECT_NEAR(share, 0.5, 5 * 0.5 / std::sqrt(26.0 * 40));
}

TEST(FlipHorizontally, MirrorsEveryRowInEveryLayout) {
  for (const arrays::SampleLayout& layout :
       {arrays::SampleLayout("HW"), arrays::SampleLayout("HWC"), arrays::SampleLayout("CHW")})
    for (const std::int64_t width : {1, 2, 5, 6}) {
      const arrays::SampleShape shape{layout == arrays::SampleLayout("HW") ? 1 : 3, {4, width}};
      const auto at = [&](const std::vector<std::uint8_t>& image, std::int64_t c, std::int64_t y,
                          std::int64_t x) {
        return image[static_cast<std::size_t>(layout == arrays::SampleLayout("HWC")
                                                  ? (y * width + x) * shape.channels + c
                                                  : (c * shape.space[0] + y) * width + x)];
      };
      const std::vector<std::uint8_t> stored =
          varied_bytes(static_cast<std::size_t>(shape.values()));
      std::vector<std::uint8_t> flipped = stored;
      arrays::flip(flipped, shape, layout, 'W');
      for (std::int64_t c = 0; c < shape.channels; ++c)
        for (std::int64_t y = 0; y < shape.space[0]; ++y)
          for (std::int64_t x = 0; x < width; ++x)
            EXPECT_EQ(at(flipped, c, y, x), at(stored, c, y, width - 1 - x))
                << layout.text() << " " << width;
      arrays::flip(flipped, shape, layout, 'W');
      EXPECT_EQ(flipped, stored) << layout.text() << " " << width;
    }
}

}  // namespace
}  // namespace vae_dist::data
