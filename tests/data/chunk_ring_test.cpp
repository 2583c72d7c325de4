#include "data/chunk_ring.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <thread>

#include "comm/thread_communicator.hpp"
#include "data/prefetching_loader.hpp"
#include "image_files.hpp"

namespace vae_dist::data {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kBatch = 24;

// 203 images in chunks of 5, the last of 3; read from 26 chunks here.
class ChunkRingTest : public ImageFileTest {
 protected:
  void SetUp() override {
    ImageFileTest::SetUp();
    file_ = make_images("images.h5", {203, 4, 3, 3});
  }

  SampleSource source() const {
    SampleSource out;
    out.files = {file_};
    out.scale = 1.0 / 255.0;
    return out;
  }

  static OrderPlan order_plan(std::int64_t window) {
    return {.seed = 1265, .global_batch = kBatch, .window_chunks = window};
  }

  static BatchPlan part_of(int rank, int ranks, std::int64_t window) {
    BatchPlan plan{order_plan(window)};
    plan.first = kBatch * rank / ranks;
    plan.count = kBatch * (rank + 1) / ranks - plan.first;
    plan.noise_per_sample = 2;
    plan.flips = "W";
    return plan;
  }

  static std::unique_ptr<ChunkRing> ring(const SampleDataset& dataset, std::int64_t window,
                                         std::int64_t epoch, std::int64_t step,
                                         comm::CpuCommunicator& comm, std::int64_t threads = 1) {
    return std::make_unique<ChunkRing>(dataset,
                                       ChunkRing::Options{.order = order_plan(window),
                                                          .threads = threads,
                                                          .first_epoch = epoch,
                                                          .first_position = step * kBatch},
                                       comm, comm);
  }

  std::string file_;
};

TEST_F(ChunkRingTest, GivesTheBatchesOfMemoryForEveryWorldSizeFromEveryStep) {
  const SampleDataset in_memory = SampleDataset::open(source(), kAllInMemory);
  for (const std::int64_t window : {1, 4, 100})
    for (int ranks = 1; ranks <= 8; ++ranks)
      for (std::int64_t start = 0; start < 8; ++start)
        comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
          const SampleDataset streamed = SampleDataset::open(source());
          const BatchPlan plan = part_of(comm.rank(), ranks, window);
          PrefetchingLoader loader(streamed, plan, {0, start},
                                   {2, ring(streamed, window, 0, start, comm, 1 + start % 2),
                                    plain_batch_memory(), 1 + static_cast<int>(start % 3)});
          for (std::int64_t step = start; step < start + 12; ++step) {  // 8 steps an epoch
            const Batch batch = loader.next(),
                        expected = make_batch(in_memory, plan, step / 8, step % 8);
            EXPECT_EQ(batch.samples, expected.samples);
            EXPECT_EQ(batch.pixels, expected.pixels);
            EXPECT_EQ(batch.noise, expected.noise);
          }
          comm.barrier();  // a rank that leaves stops decoding
        });
}

TEST_F(ChunkRingTest, FourRanksVisitEverySampleOnceAndDecodeEveryChunkOnce) {
  std::mutex mutex;
  std::vector<std::int64_t> seen;
  std::int64_t decoded = 0;
  comm::run_thread_ranks(4, [&](comm::CpuCommunicator& comm) {
    const SampleDataset dataset = SampleDataset::open(source());
    const auto the_ring = ring(dataset, 6, 0, 0, comm);
    const EpochOrder order(order_plan(6), 0, std::make_shared<SampleChunks>(dataset.chunks()));
    // All samples, including those of the last partial batch: each rank takes every fourth.
    for (std::int64_t position = comm.rank(); position < 203; position += 4) {
      the_ring->need(order, 0, position, position + 1);
      const std::int64_t sample = order.at(position);
      const auto image = the_ring->image(sample);
      const std::vector<std::uint8_t> expected = image_of(dataset, sample);
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(
          std::equal(image.begin(), image.end(), std::as_bytes(std::span(expected)).begin()));
      seen.push_back(sample);
    }
    // At the first step of the next epoch the ring fills all of its slots, and no more.
    const EpochOrder next(order_plan(6), 1, std::make_shared<SampleChunks>(dataset.chunks()));
    the_ring->need(next, 1, 0, 1);
    comm.barrier();
    while (the_ring->chunks_decoded() < 41 + the_ring->slots()) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (comm.rank() == 0) decoded = the_ring->chunks_decoded() - the_ring->slots();
    comm.barrier();
  });
  std::vector<std::int64_t> expected(203);
  std::iota(expected.begin(), expected.end(), 0);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(decoded, 41);
}

TEST_F(ChunkRingTest, HeldOutRowsAndRangesAreStreamedToo) {
  SampleSource part = source();
  part.rows = {3, 190};
  SampleDataset in_memory = SampleDataset::open(part, kAllInMemory);
  in_memory.hold_out(0.2, 3);
  comm::run_thread_ranks(3, [&](comm::CpuCommunicator& comm) {
    SampleDataset streamed = SampleDataset::open(part);
    streamed.hold_out(0.2, 3);
    const BatchPlan plan = part_of(comm.rank(), 3, 4);
    PrefetchingLoader loader(streamed, plan, {2, 1}, {2, ring(streamed, 4, 2, 1, comm)});
    for (std::int64_t step = 1; step < 20; ++step) {
      const std::int64_t per_epoch = plan.steps_per_epoch(streamed.size());
      const Batch batch = loader.next(),
                  expected = make_batch(in_memory, plan, 2 + step / per_epoch, step % per_epoch);
      EXPECT_EQ(batch.samples, expected.samples);
      EXPECT_EQ(batch.pixels, expected.pixels);
    }
    comm.barrier();
  });
}

TEST_F(ChunkRingTest, AChunkThatOneRankCannotDecodeIsAnErrorOnAll) {
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("damaged.h5"));
  hdf5::Hdf5Dataset images =
      file.create_dataset("imgs", {.shape = {200, 2, 2}, .chunk_rows = 5, .deflate_level = 1});
  images.write_rows(0, 200, varied_bytes(800));
  images.write_chunk(75, std::vector<std::uint8_t>{1, 2, 3, 4});
  file.close();
  file_ = path("damaged.h5");
  std::atomic<int> failed{0};
  comm::run_thread_ranks(4, [&](comm::CpuCommunicator& comm) {
    const SampleDataset dataset = SampleDataset::open(source());
    PrefetchingLoader loader(dataset, part_of(comm.rank(), 4, 3), {},
                             {1, ring(dataset, 3, 0, 0, comm)});
    try {
      for (int step = 0; step < 20; ++step) loader.next();
    } catch (const base::Failure& error) {
      EXPECT_THAT(error.what(),
                  testing::AllOf(HasSubstr("damaged.h5"),
                                 HasSubstr("the chunk at [75, 0, 0] cannot be decoded")));
      ++failed;
    }
    comm.barrier();
  });
  EXPECT_EQ(failed, 4);
}

TEST_F(ChunkRingTest, ARankThatEndedIsAnErrorForThoseThatWaitForIt) {
  std::atomic<bool> told{false};
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
    const SampleDataset dataset = SampleDataset::open(source());
    const BatchPlan plan = part_of(comm.rank(), 2, 4);
    PrefetchingLoader loader(dataset, plan, {}, {1, ring(dataset, 4, 0, 0, comm)});
    loader.next();
    if (comm.rank() == 1) return;  // this destroys its ring
    try {
      for (int step = 0; step < 100; ++step) loader.next();
    } catch (const base::Failure& error) {
      EXPECT_THAT(
          error.what(),
          HasSubstr("rank 1 has ended and no longer decodes chunks for the ranks of its node"));
      told = true;
    }
  });
  EXPECT_TRUE(told);
}

TEST_F(ChunkRingTest, EndsWhileItIsAhead) {
  const SampleDataset dataset = SampleDataset::open(source());
  const auto self = comm::make_self_communicator();
  for (const int taken : {0, 1, 9}) {
    PrefetchingLoader loader(dataset, part_of(0, 1, 2), {}, {2, ring(dataset, 2, 0, 0, *self, 3)});
    for (int i = 0; i < taken; ++i) loader.next();
  }
}

}  // namespace
}  // namespace vae_dist::data
