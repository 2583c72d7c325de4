#include "data/prefetching_loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "data/sample_order.hpp"
#include "image_files.hpp"

namespace vae_dist::data {
namespace {

BatchPlan plan_of_rank_one() {
  BatchPlan plan;
  plan.seed = 7;
  plan.global_batch = 6;
  plan.first = 3;
  plan.count = 3;
  plan.noise_per_sample = 4;
  plan.flips = "W";
  return plan;
}

using PrefetchingLoaderTest = ImageFileTest;

// 20 images, 3 steps an epoch: ten batches cross the ends of three epochs.
TEST_F(PrefetchingLoaderTest, GivesWhatMakeBatchMakesFromAnyStart) {
  const SampleDataset dataset = open(make_images("images.h5", {20, 3, 4}));
  const BatchPlan plan = plan_of_rank_one();
  for (const std::int64_t ahead : {1, 3})
    for (std::int64_t start = 0; start < 6; ++start) {
      PrefetchingLoader loader(dataset, plan, {start / 3, start % 3}, {ahead});
      for (std::int64_t step = start; step < start + 10; ++step) {
        const Batch batch = loader.next(), expected = make_batch(dataset, plan, step / 3, step % 3);
        EXPECT_EQ(batch.epoch, step / 3);
        EXPECT_EQ(batch.step, step % 3);
        EXPECT_EQ(batch.samples, expected.samples);
        EXPECT_EQ(batch.pixels, expected.pixels);
        EXPECT_EQ(batch.noise, expected.noise);
      }
    }
}

TEST_F(PrefetchingLoaderTest, GivesTheSameBatchesWithAnyNumberOfThreads) {
  const std::string file = make_images("images.h5", {20, 3, 4});
  SampleSource source;
  source.files = {file};
  const SampleDataset dataset = open(file), stored = SampleDataset::open(source, kNothingInMemory);
  const BatchPlan plan = plan_of_rank_one();
  for (const int threads : {2, 3, 8})
    for (const SampleDataset* from : {&dataset, &stored}) {
      PrefetchingLoader loader(*from, plan, {}, {.ahead = 2, .threads = threads});
      for (std::int64_t step = 0; step < 10; ++step) {
        const Batch batch = loader.next(), expected = make_batch(dataset, plan, step / 3, step % 3);
        EXPECT_EQ(batch.samples, expected.samples);
        EXPECT_EQ(batch.pixels, expected.pixels);
        EXPECT_EQ(batch.noise, expected.noise);
      }
    }
}

TEST_F(PrefetchingLoaderTest, StartsInTheNextEpochWhereOneHasEnded) {
  const SampleDataset dataset = open(make_images("images.h5", {20, 3, 4}));
  PrefetchingLoader loader(dataset, plan_of_rank_one(), {4, 3}, {1});
  const Batch batch = loader.next();
  EXPECT_EQ(batch.epoch, 5);
  EXPECT_EQ(batch.step, 0);
}

TEST_F(PrefetchingLoaderTest, EndsWhileBatchesAreLeft) {
  const SampleDataset dataset = open(make_images("images.h5", {20, 3, 4}));
  for (const int taken : {0, 1, 2}) {
    PrefetchingLoader loader(dataset, plan_of_rank_one(), {}, {2});
    for (int i = 0; i < taken; ++i) loader.next();
  }
}

TEST_F(PrefetchingLoaderTest, MakesItsBatchesInTheMemoryThatItIsGiven) {
  const SampleDataset dataset = open(make_images("images.h5", {20, 3, 4}));
  const BatchPlan plan = plan_of_rank_one();
  struct Given {
    std::mutex mutex;
    std::map<const void*, std::size_t> in_use;
  } given;
  const BatchMemory memory = [&](std::size_t bytes) {
    auto* const block = new std::byte[bytes];
    const std::lock_guard lock(given.mutex);
    given.in_use[block] = bytes;
    return MemoryBlock{block, std::shared_ptr<void>(block, [&given](void* data) {
                         const std::lock_guard lock(given.mutex);
                         given.in_use.erase(data);
                         delete[] static_cast<std::byte*>(data);
                       })};
  };
  {
    PrefetchingLoader loader(dataset, plan, {}, {.ahead = 2, .memory = memory});
    for (std::int64_t step = 0; step < 9; ++step) {
      const Batch batch = loader.next(), expected = make_batch(dataset, plan, step / 3, step % 3);
      EXPECT_EQ(batch.pixels, expected.pixels);
      EXPECT_EQ(batch.noise, expected.noise);
      const std::lock_guard lock(given.mutex);
      EXPECT_EQ(given.in_use.at(batch.pixels.data()), 3 * 3 * 4);
      EXPECT_EQ(given.in_use.at(batch.noise.data()), 3 * 4 * sizeof(float));
    }
  }
  EXPECT_TRUE(given.in_use.empty());
}

TEST_F(PrefetchingLoaderTest, UsesTheSameMemoryAgainAndAgain) {
  const SampleDataset dataset = open(make_images("images.h5", {20, 3, 4}));
  PrefetchingLoader loader(dataset, plan_of_rank_one(), {}, {2});
  std::set<const void*> blocks;
  for (int step = 0; step < 200; ++step) {
    const Batch batch = loader.next();
    blocks.insert({batch.pixels.data(), batch.noise.data()});
  }
  EXPECT_LE(blocks.size(), 2 * 4U);  // two that are ready, one in the making, one in use
}

TEST(PlainBatchMemory, IsNotGivenOutWhileItIsInUseAndOutlivesItsMaker) {
  BatchMemory memory = plain_batch_memory();
  MemoryBlock a = memory(100), b = memory(100);
  EXPECT_NE(a.data, b.data);
  const void* const first = a.data;
  a = {};
  const MemoryBlock other = memory(101), again = memory(100);
  EXPECT_EQ(again.data, first);
  EXPECT_NE(other.data, first);
  memory = nullptr;
  std::fill_n(b.data, 100, std::byte{7});
}

TEST_F(PrefetchingLoaderTest, HandsOnWhatReadingThrewAfterTheGoodBatches) {
  // Row 5 lies in a chunk that is not a zlib stream. It is not among the rows that are inspected
  // before the loader reads.
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("damaged.h5"));
  hdf5::Hdf5Dataset images =
      file.create_dataset("imgs", {.shape = {128, 2, 2}, .chunk_rows = 1, .deflate_level = 1});
  images.write_rows(0, 128, varied_bytes(512));
  images.write_chunk(5, std::vector<std::uint8_t>{1, 2, 3, 4});
  file.close();
  SampleSource source;
  source.files = {path("damaged.h5")};
  const SampleDataset dataset = SampleDataset::open(source, kNothingInMemory);

  BatchPlan plan;
  plan.seed = 7;
  plan.global_batch = plan.count = 1;
  const SampleOrder order(plan.seed, 0, 128);
  std::int64_t good = 0;
  while (order.at(good) != 5) ++good;
  ASSERT_GT(good, 0) << "this seed's first sample is damaged already: choose another";

  for (const int threads : {1, 3}) {
    PrefetchingLoader loader(dataset, plan, {}, {.ahead = 2, .threads = threads});
    for (std::int64_t i = 0; i < good; ++i) EXPECT_EQ(loader.next().samples[0], order.at(i));
    for (int again = 0; again < 2; ++again) {
      try {
        loader.next();
        FAIL() << "a damaged chunk was read";
      } catch (const base::Failure& error) {
        EXPECT_THAT(error.what(),
                    testing::AllOf(testing::HasSubstr("damaged.h5"), testing::HasSubstr("'imgs'")));
      }
    }
  }
}

}  // namespace
}  // namespace vae_dist::data
