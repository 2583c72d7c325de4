// Opens the data of a run on one rank. tests/data and tests/process/streaming_test.py test how the
// ranks of a node share it.
#include "input/open_data.hpp"

#include <gmock/gmock.h>

#include "../data/image_files.hpp"
#include "comm/agreement.hpp"

namespace vae_dist::input {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class OpenDataTest : public data::ImageFileTest {
 protected:
  RunData open_run() { return open_run_data(config_, world_, *all_ranks_); }

  std::string agreed_refusal() {
    try {
      open_run();
    } catch (const comm::AgreedError& error) {
      EXPECT_EQ(error.code(), base::ExitCode::bad_input);
      return error.what();
    }
    return "not refused";
  }

  int argc_ = 0;
  char** argv_ = nullptr;
  config::Config config_;
  comm::MpiWorld world_{argc_, argv_};
  std::unique_ptr<comm::CpuCommunicator> all_ranks_ = world_.make_communicator();
};

TEST_F(OpenDataTest, WhatFitsLiesInMemoryAndIsShuffledAsAWhole) {
  config_.data.train.file = {make_images("train.h5", {40, 8, 8, 3})};
  const RunData data = open_run();
  EXPECT_TRUE(data.train.in_memory());
  EXPECT_EQ(data.train.size(), 40);
  EXPECT_FALSE(data.validation);
  EXPECT_EQ(config_.data.shuffle_window_chunks, 0);
}

TEST_F(OpenDataTest, WhatIsStreamedIsShuffledInWindowsOfChunks) {
  config_.data.train.file = {make_images("train.h5", {40, 8, 8, 3})};
  config_.data.cache = config::Cache::stream;
  config_.train.global_batch = 8;
  const RunData data = open_run();
  EXPECT_FALSE(data.train.in_memory());
  constexpr std::int64_t kChunkBytes = 5 * 8 * 8 * 3;
  EXPECT_EQ(config_.data.shuffle_window_chunks, (std::int64_t{64} << 20) / kChunkBytes)
      << "64 MiB of decoded chunks";
}

TEST_F(OpenDataTest, WhatIsStreamedIsDealtInSectionsUnlessItIsAskedToBeGlobal) {
  config_.data.train.file = {make_images("train.h5", {400, 8, 8, 3})};
  config_.data.cache = config::Cache::stream;
  config_.distributed.replicas = 4;
  open_run();
  EXPECT_EQ(config_.data.order, config::Order::sections);
  EXPECT_EQ(config_.data.sections, config::Sections::epoch);
  constexpr std::int64_t kChunkBytes = 5 * 8 * 8 * 3;
  EXPECT_EQ(config_.data.shuffle_window_chunks, (std::int64_t{16} << 20) / kChunkBytes)
      << "a quarter of 64 MiB of each section";

  config::Config global;
  global.data = config_.data;
  global.data.order = config::Order::global;
  global.data.sections = config::Sections::automatic;
  global.data.shuffle_window_chunks.reset();
  config_ = global;
  EXPECT_FALSE(open_run().train.sections());
  EXPECT_EQ(config_.data.order, config::Order::global);
}

TEST_F(OpenDataTest, FixedSectionsLieInTheMemoryOfTheRankWhereTheyFit) {
  config_.data.train.file = {make_images("train.h5", {400, 8, 8, 3})};
  config_.data.order = config::Order::sections;
  config_.distributed.replicas = 2;
  const RunData data = open_run();
  EXPECT_EQ(config_.data.sections, config::Sections::fixed);
  EXPECT_FALSE(data.train.in_memory());
  ASSERT_TRUE(data.train.sections());
  std::vector<std::uint8_t> image(data.train.image_bytes());
  data.train.read(399, image);
  EXPECT_TRUE(
      std::equal(image.begin(), image.end(),
                 reinterpret_cast<const std::uint8_t*>(data.train.sections()->image(399).data())));
}

TEST_F(OpenDataTest, AWindowThatIsGivenStays) {
  config_.data.train.file = {make_images("train.h5", {40, 8, 8, 3})};
  config_.data.shuffle_window_chunks = 3;
  open_run();
  EXPECT_EQ(config_.data.shuffle_window_chunks, 3);
}

TEST_F(OpenDataTest, AFractionIsHeldOutOfTheTrainingRows) {
  config_.data.train.file = {make_images("train.h5", {40, 8, 8, 3})};
  config_.data.validation.fraction = 0.25;
  const RunData data = open_run();
  ASSERT_TRUE(data.validation);
  EXPECT_EQ(data.train.size(), 30);
  EXPECT_EQ(data.validation->size(), 10);
}

TEST_F(OpenDataTest, ValidationImagesOfAnotherShapeAreRefusedWithBoth) {
  config_.data.train.file = {make_images("train.h5", {10, 8, 8, 3})};
  config_.data.validation.file = {make_images("validation.h5", {10, 8, 9, 3})};
  EXPECT_THAT(agreed_refusal(), AllOf(HasSubstr("data.validation"), HasSubstr("train.h5"),
                                      HasSubstr("validation.h5")));
}

TEST_F(OpenDataTest, ARelativePathThatLeadsNowhereSaysWhereItBegins) {
  config_.data.train.file = {"there/is/no/such/file.h5"};
  EXPECT_THAT(
      agreed_refusal(),
      AllOf(
          HasSubstr("data.train"),
          HasSubstr(
              "A relative path is resolved against the folder in which the program was started")));
}

TEST_F(OpenDataTest, ReadersAreTheRanksShareOfTheCoresAndFourAtMost) {
  EXPECT_GE(reader_threads(config_.data, 1), 1);
  EXPECT_LE(reader_threads(config_.data, 1), 4);
  EXPECT_EQ(reader_threads(config_.data, 1 << 20), 1);
  config_.data.reader_threads = 9;
  EXPECT_EQ(reader_threads(config_.data, 1 << 20), 9);
}

TEST_F(OpenDataTest, TheFormatOfTheModelsInputFollowsDataAndConfiguration) {
  config_.data.train.file = {make_images("train.h5", {10, 8, 8, 3})};
  config_.data.range = {-1, 1};
  config_.train.precision = config::Precision::fp64;
  config_.train.channels_last = false;
  const data::InputFormat format = input_format(config_, open_run().train, c10::kCPU);
  EXPECT_EQ(format.shape.values(), 8 * 8 * 3);
  EXPECT_EQ(format.layout, arrays::SampleLayout("HWC"));
  EXPECT_EQ(format.low, -1);
  EXPECT_EQ(format.high, 1);
  EXPECT_FALSE(format.channels_last);
  EXPECT_EQ(format.type, at::kDouble);
}

}  // namespace
}  // namespace vae_dist::input
