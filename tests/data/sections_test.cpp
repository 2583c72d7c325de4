// Sections: their order, and reading them by stream and from memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/error.hpp"
#include "data/prefetching_loader.hpp"
#include "data/section_memory.hpp"
#include "data/section_stream.hpp"
#include "image_files.hpp"

namespace vae_dist::data {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kInMemory = std::numeric_limits<std::uint64_t>::max();

std::shared_ptr<const SampleChunks> regular_chunks(std::int64_t count, std::int64_t size,
                                                   std::vector<SampleChunks::Irregular> odd = {}) {
  return std::make_shared<SampleChunks>(count, size, std::move(odd));
}

std::vector<std::int64_t> samples_of(const WindowOrder& section) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < section.samples(); ++i) out.push_back(section.at(i));
  return out;
}

std::vector<std::int64_t> sorted(std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

TEST(Sections, TogetherHoldEverySampleOnceInNearlyEqualShares) {
  for (const auto& chunks : {regular_chunks(20, 8), regular_chunks(3, 100, {{2, -7}}),
                             regular_chunks(33, 5, {{0, -4}, {3, 2}, {17, -1}, {18, -2}, {32, 7}})})
    for (const std::int64_t sections : {1, 2, 3, 8, 16})
      for (const std::int64_t window : {0, 1, 2, 5})
        for (const bool fixed : {false, true})
          for (const std::uint64_t epoch : {0, 3}) {
            const EpochOrder order({.seed = 7,
                                    .global_batch = sections,
                                    .window_chunks = window,
                                    .sections = sections,
                                    .fixed_sections = fixed},
                                   epoch, chunks);
            std::vector<std::int64_t> all;
            for (std::int64_t r = 0; r < sections; ++r) {
              const std::vector<std::int64_t> own = samples_of(order.section(r));
              EXPECT_LE(std::abs(std::ssize(own) - chunks->samples() / sections), 1);
              std::set<std::int64_t> of_pieces;
              for (std::int64_t turn = 0; turn < order.section(r).turns(); ++turn) {
                const Piece piece = order.section(r).piece(turn);
                for (std::int64_t s = piece.first; s < piece.last; ++s) {
                  EXPECT_EQ(chunks->chunk_of(s), piece.chunk);
                  of_pieces.insert(s);
                }
              }
              EXPECT_EQ(sorted(own), std::vector<std::int64_t>(of_pieces.begin(), of_pieces.end()));
              all.insert(all.end(), own.begin(), own.end());
            }
            all = sorted(all);
            ASSERT_EQ(std::ssize(all), chunks->samples());
            for (std::int64_t s = 0; s < std::ssize(all); ++s)
              ASSERT_EQ(all[static_cast<std::size_t>(s)], s);
          }
}

TEST(Sections, AReplicaTakesItsPartOfEveryBatchFromItsSection) {
  const OrderPlan plan{.seed = 7, .global_batch = 12, .window_chunks = 2, .sections = 4};
  const EpochOrder order(plan, 5, regular_chunks(31, 7));
  const std::int64_t steps = plan.steps_per_epoch(31 * 7);
  for (std::int64_t step = 0; step < steps; ++step)
    for (std::int64_t i = 0; i < 12; ++i)
      EXPECT_EQ(order.at(step * 12 + i), order.section(i / 3).at(step * 3 + i % 3));
}

// A run of one replica that is streamed trains as it did when there were no sections.
TEST(Sections, OneSectionIsTheOrderInWindows) {
  const auto chunks = regular_chunks(33, 5, {{0, -4}, {32, 7}});
  const EpochOrder one({.seed = 7, .global_batch = 6, .window_chunks = 4, .sections = 1}, 2,
                       chunks),
      windows({.seed = 7, .global_batch = 6, .window_chunks = 4}, 2, chunks);
  for (std::int64_t i = 0; i < chunks->samples(); ++i) EXPECT_EQ(one.at(i), windows.at(i));
}

TEST(Sections, FixedOnesHoldTheSameSamplesEveryEpochInANewOrder) {
  const auto chunks = regular_chunks(40, 6);
  for (const bool fixed : {true, false}) {
    const OrderPlan plan{
        .seed = 7, .global_batch = 8, .window_chunks = 3, .sections = 4, .fixed_sections = fixed};
    const EpochOrder first(plan, 0, chunks), second(plan, 1, chunks);
    for (std::int64_t r = 0; r < 4; ++r) {
      const auto before = samples_of(first.section(r)), after = samples_of(second.section(r));
      EXPECT_NE(before, after);
      EXPECT_EQ(sorted(before) == sorted(after), fixed);
      // Not only within the windows: other pieces come first.
      std::set<std::int64_t> chunks_before, chunks_after;
      for (std::int64_t turn = 0; turn < 3; ++turn) {
        chunks_before.insert(first.section(r).piece(turn).chunk);
        chunks_after.insert(second.section(r).piece(turn).chunk);
      }
      EXPECT_NE(chunks_before, chunks_after);
    }
  }
}

// A file sorted by class: a chunk has one class, so a batch of G images from R sections in windows
// of W chunks has a share of a class whose variance is that of R*W chunks plus that of G images.
TEST(Sections, BatchesOfASortedFileHaveTheClassesOfAllTheirChunks) {
  constexpr std::int64_t kChunks = 2000, kSize = 64, kClasses = 4, kSections = 4, kWindow = 8,
                         kBatch = 64;
  const auto chunks = regular_chunks(kChunks, kSize);
  for (const bool fixed : {false, true}) {
    const OrderPlan plan{.seed = 3,
                         .global_batch = kBatch,
                         .window_chunks = kWindow,
                         .sections = kSections,
                         .fixed_sections = fixed};
    double squares = 0;
    std::int64_t batches = 0;
    const double p = 1.0 / kClasses;
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
      const EpochOrder order(plan, epoch, chunks);
      for (std::int64_t step = 0; step < kChunks * kSize / kBatch; ++step, ++batches) {
        double of_class = 0;
        for (std::int64_t i = 0; i < kBatch; ++i)
          of_class += order.at(step * kBatch + i) / (kChunks * kSize / kClasses) == 1;
        squares += (of_class / kBatch - p) * (of_class / kBatch - p);
      }
    }
    const double expected =
        p * (1 - p) * (1.0 / static_cast<double>(kSections * kWindow) + 1.0 / kBatch);
    EXPECT_NEAR(squares / static_cast<double>(batches) / expected, 1, 0.2);
  }
}

class SectionsOfAFile : public ImageFileTest {
 protected:
  static constexpr std::int64_t kBatch = 24, kReplicas = 8, kSamples = 203;

  void SetUp() override {
    ImageFileTest::SetUp();
    hdf5::Hdf5File file = hdf5::Hdf5File::create(path("images.h5"));
    hdf5::Hdf5Dataset images = file.create_dataset(
        "imgs", {.shape = {kSamples, 2, 2}, .chunk_rows = 5, .deflate_level = 1});
    images.write_rows(0, kSamples, varied_bytes(kSamples * 4));
  }

  SampleDataset open(std::uint64_t memory = 0, double hold_out = 0) const {
    SampleSource source;
    source.files = {file_.empty() ? path("images.h5") : file_};
    source.scale = 1.0 / 255.0;
    SampleDataset dataset = SampleDataset::open(source, memory);
    if (hold_out > 0) dataset.hold_out(hold_out, 3);
    return dataset;
  }

  static OrderPlan order_plan(std::int64_t window, bool fixed) {
    return {.seed = 1265,
            .global_batch = kBatch,
            .window_chunks = window,
            .sections = kReplicas,
            .fixed_sections = fixed};
  }

  static BatchPlan part_of(int rank, int ranks, std::int64_t window, bool fixed) {
    BatchPlan plan{order_plan(window, fixed)};
    plan.count = kBatch / ranks;
    plan.first = rank * plan.count;
    plan.noise_per_sample = 2;
    return plan;
  }

  static ReplicaRange replicas_of(int rank, int ranks) {
    return {rank * kReplicas / ranks, (rank + 1) * kReplicas / ranks};
  }

  std::string file_;
};

TEST_F(SectionsOfAFile, StreamAndMemoryGiveTheSameBatchesToEveryRankFromEveryStep) {
  for (const double hold_out : {0.0, 0.2}) {
    const SampleDataset whole = open(kInMemory, hold_out);
    for (const bool fixed : {false, true})
      for (const std::int64_t window : {1, 3})
        for (const int ranks : {1, 2, 8})
          for (const std::int64_t start : {0, 2})
            for (int rank = 0; rank < ranks; ++rank) {
              const SampleDataset dataset = open(0, hold_out);
              const BatchPlan plan = part_of(rank, ranks, window, fixed);
              const std::int64_t per_epoch = plan.steps_per_epoch(dataset.size());
              std::vector<std::shared_ptr<DecodedSource>> sources;
              sources.push_back(std::make_shared<SectionStream>(
                  dataset,
                  SectionStream::Options{plan, replicas_of(rank, ranks), 1 + start % 2, 0, start}));
              if (fixed)
                sources.push_back(std::make_shared<SectionMemory>(
                    dataset, plan, replicas_of(rank, ranks), 2, [](double) {}));
              for (const auto& source : sources) {
                PrefetchingLoader loader(dataset, plan, {0, start}, {2, source});
                for (std::int64_t step = start; step < start + 2 * per_epoch; ++step) {
                  const Batch batch = loader.next(),
                              expected =
                                  make_batch(whole, plan, step / per_epoch, step % per_epoch);
                  ASSERT_EQ(batch.samples, expected.samples);
                  ASSERT_EQ(batch.pixels, expected.pixels);
                  ASSERT_EQ(batch.noise, expected.noise);
                }
              }
            }
  }
}

TEST_F(SectionsOfAFile, ARankDecodesTheSectionsOfItsReplicasAndNothingElse) {
  constexpr int kRanks = 4;
  constexpr std::int64_t kChunks = 41;
  for (const bool fixed : {false, true}) {
    std::int64_t decoded = 0;
    for (int rank = 0; rank < kRanks; ++rank) {
      const SampleDataset dataset = open();
      const OrderPlan plan = order_plan(2, fixed);
      SectionStream stream(dataset, {plan, replicas_of(rank, kRanks)});
      const EpochOrder order(plan, 0, std::make_shared<SampleChunks>(dataset.chunks()));
      std::int64_t pieces = 0;
      for (std::int64_t r = rank * 2; r < rank * 2 + 2; ++r) pieces += order.section(r).turns();
      for (std::int64_t step = 0; step < kSamples / kBatch; ++step)
        stream.need(order, 0, step * kBatch, (step + 1) * kBatch);
      // The first windows of the next epoch may be on their way already.
      EXPECT_GE(stream.pieces_decoded() + 2, pieces);
      EXPECT_LE(stream.pieces_decoded(), pieces + 4);
      decoded += pieces;
      // Of each of the two sections two windows of two chunks, and the one that is decoded next.
      EXPECT_LE(stream.most_bytes(), 2u * 3u * 2u * 5u * 4u);
    }
    EXPECT_LE(decoded, kChunks + kReplicas - 1) << "a chunk on a cut is decoded on both sides";
  }
}

TEST_F(SectionsOfAFile, MemoryHoldsTheImagesOfItsReplicasAlone) {
  const SampleDataset dataset = open(0, 0.2);
  std::size_t bytes = 0;
  for (int rank = 0; rank < 4; ++rank)
    bytes +=
        SectionMemory(dataset, order_plan(0, true), replicas_of(rank, 4), 1, [](double) {}).bytes();
  EXPECT_EQ(bytes, static_cast<std::size_t>(dataset.size()) * 4);
}

TEST_F(SectionsOfAFile, AChunkThatCannotBeDecodedIsAnErrorOfTheRankThatNeedsIt) {
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("damaged.h5"));
  hdf5::Hdf5Dataset images =
      file.create_dataset("imgs", {.shape = {1000, 2, 2}, .chunk_rows = 5, .deflate_level = 1});
  images.write_rows(0, 1000, varied_bytes(4000));
  // The first look at 64 images of the file does not meet it.
  images.write_chunk(80, std::vector<std::uint8_t>{1, 2, 3, 4});
  file.close();
  file_ = path("damaged.h5");
  int failed = 0;
  for (int rank = 0; rank < 8; ++rank) {
    const SampleDataset dataset = open();
    const BatchPlan plan = part_of(rank, 8, 2, true);
    PrefetchingLoader loader(dataset, plan, {},
                             {1, std::make_shared<SectionStream>(
                                     dataset, SectionStream::Options{plan, {rank, rank + 1}})});
    try {
      for (int step = 0; step < 41; ++step) loader.next();
    } catch (const base::Failure& error) {
      EXPECT_THAT(error.what(), HasSubstr("the chunk at [80, 0, 0] cannot be decoded"));
      ++failed;
    }
  }
  EXPECT_TRUE(failed == 1 || failed == 2) << failed << " ranks failed";  // 2 if it lies on a cut
}

TEST_F(SectionsOfAFile, AStreamEndsWhileItIsAhead) {
  const SampleDataset dataset = open();
  for (const int taken : {0, 1, 9}) {
    const BatchPlan plan = part_of(0, 1, 2, false);
    PrefetchingLoader loader(dataset, plan, {},
                             {2, std::make_shared<SectionStream>(
                                     dataset, SectionStream::Options{plan, {0, kReplicas}, 3})});
    for (int i = 0; i < taken; ++i) loader.next();
  }
}

}  // namespace
}  // namespace vae_dist::data
