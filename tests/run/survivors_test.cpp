// Tests how the ranks that are left after a failure agree, by files, on who saves which step.
#include "run/survivors.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "../temporary_folder.hpp"
#include "base/durable_file.hpp"

namespace vae_dist::run {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr base::Seconds kAsLongAsItTakes{600};

Survivor at(int rank, std::int64_t step, const std::string& state = "same",
            const std::string& start = "now") {
  return {start, rank, "host", step, state};
}

TEST(ChooseWriter, IsTheLowestRankThatHasTheHighestStep) {
  EXPECT_EQ(choose_writer({at(0, 6), at(3, 7), at(2, 7), at(1, 6)}, "now").rank, 2);
  EXPECT_EQ(choose_writer({at(0, 6), at(3, 7), at(2, 7), at(1, 6)}, "now").step, 7);
  EXPECT_EQ(choose_writer({at(3, 7), at(0, 7)}, "now").rank, 0);
  EXPECT_EQ(choose_writer({at(5, 0)}, "now").rank, 5);
}

TEST(ChooseWriter, IsTheSameWhateverTheOrderOfTheFiles) {
  std::vector<Survivor> all = {at(1, 7, "a"), at(2, 9, "b"), at(3, 9, "b"), at(4, 8, "c")};
  std::ranges::sort(all, {}, &Survivor::rank);
  do {
    EXPECT_EQ(choose_writer(all, "now").rank, 2);
  } while (std::ranges::next_permutation(all, {}, &Survivor::rank).found);
}

TEST(ChooseWriter, IsNobodyIfStatesAfterTheHighestStepDifferAndSaysWhich) {
  const Writer writer = choose_writer({at(1, 7, "a"), at(0, 7, "b"), at(2, 7, "a")}, "now");
  EXPECT_EQ(writer.rank, -1);
  EXPECT_THAT(writer.why_nobody,
              AllOf(HasSubstr("step 7"), HasSubstr("rank 0 has b, 1 has a, 2 has a")));
  // Ranks that are behind do not matter.
  EXPECT_EQ(choose_writer({at(1, 6, "a"), at(0, 6, "b"), at(2, 7, "c")}, "now").rank, 2);
}

TEST(ChooseWriter, IgnoresFilesOfAnotherStart) {
  EXPECT_EQ(choose_writer({at(0, 90, "a", "before"), at(1, 7, "b")}, "now").rank, 1);
  const Writer nobody = choose_writer({at(0, 90, "a", "before")}, "now");
  EXPECT_EQ(nobody.rank, -1);
  EXPECT_THAT(nobody.why_nobody, HasSubstr("no rank"));
  EXPECT_EQ(choose_writer({}, "now").rank, -1);
}

TEST(Survivor, ReadsBackFromItsTextAndFromNoOther) {
  const Survivor before{"a1", 3, "a \"host\"", 1234567890123, "f0"};
  const auto after = survivor_in(to_json(before));
  ASSERT_TRUE(after);
  EXPECT_EQ(to_json(*after), to_json(before));
  EXPECT_EQ(after->host, before.host);
  const std::string text = to_json(before);
  EXPECT_FALSE(survivor_in(text.substr(0, text.size() / 2)));
  EXPECT_FALSE(survivor_in(""));
  EXPECT_FALSE(survivor_in("[]"));
  EXPECT_FALSE(survivor_in(R"({"start": "a1", "rank": "3"})"));
}

class SurvivorsTest : public TemporaryFolderTest {
 protected:
  SurvivorFiles files(const std::string& start = "now") const { return {path("survivors"), start}; }

  // Rank `rank` of `ranks` survivors takes part.
  SurvivorsResult take_part(const Survivor& mine, std::size_t ranks,
                            base::Seconds to_gather = kAsLongAsItTakes,
                            base::Seconds to_write = kAsLongAsItTakes) {
    return agree_and_write(
        files(mine.start), mine.start,
        {mine, [ranks](const auto& found) { return found.size() == ranks; }, to_gather, to_write,
         [this, mine] {
           written_ = mine.rank;
           ++writes_;
           return failure_;
         }});
  }

  std::atomic<int> writes_ = 0, written_ = -1;
  std::string failure_;
};

TEST_F(SurvivorsTest, OneWritesAndAllKnow) {
  std::vector<SurvivorsResult> results(4);
  {
    std::vector<std::jthread> ranks;
    for (const int rank : {0, 1, 2, 3})
      ranks.emplace_back([&, rank] {
        results[static_cast<std::size_t>(rank)] = take_part(at(rank, rank == 0 ? 6 : 7), 4);
      });
  }
  EXPECT_EQ(writes_, 1);
  EXPECT_EQ(written_, 1);
  for (const SurvivorsResult& result : results) {
    EXPECT_EQ(result.rank, 1);
    EXPECT_EQ(result.step, 7);
    EXPECT_THAT(result.failure, IsEmpty());
  }
}

TEST_F(SurvivorsTest, ARankThatIsMissingIsWaitedForOnlySoLong) {
  EXPECT_EQ(take_part(at(2, 7), 4, base::Seconds(0.05)).rank, 2);
  EXPECT_EQ(written_, 2);
  // One that comes too late finds what was done.
  EXPECT_EQ(take_part(at(0, 8), 4).rank, 2);
  EXPECT_EQ(writes_, 1);
}

TEST_F(SurvivorsTest, AWriterThatDiesIsWaitedForOnlySoLong) {
  files().leave(at(0, 7));
  const SurvivorsResult result = take_part(at(1, 7), 2, kAsLongAsItTakes, base::Seconds(0.05));
  EXPECT_EQ(result.rank, -1);
  EXPECT_THAT(result.failure, HasSubstr("rank 0 has not written it within 0.05 s"));
  EXPECT_EQ(writes_, 0);
}

TEST_F(SurvivorsTest, NobodyWritesWhereStatesDiffer) {
  files().leave(at(0, 7, "other"));
  const SurvivorsResult result = take_part(at(1, 7), 2);
  EXPECT_EQ(result.rank, -1);
  EXPECT_THAT(result.failure, HasSubstr("differ"));
  EXPECT_EQ(writes_, 0);
}

TEST_F(SurvivorsTest, FilesOfAnEarlierStartAndDamagedOnesCountForNothing) {
  files("before").leave(at(0, 90, "a", "before"));
  files("before").leave(SurvivorsResult{0, 90, ""});
  std::ofstream(path("survivors/now_rank_0.json")) << R"({"start": "now", "ra)";
  std::ofstream(path("survivors/now_result.json")) << "half";
  EXPECT_EQ(take_part(at(3, 7), 1).rank, 3);
  EXPECT_EQ(writes_, 1);
  EXPECT_EQ(files().result()->step, 7);
}

TEST_F(SurvivorsTest, AWriterThatCannotWriteSaysWhyToAll) {
  failure_ = "No space left on device";
  EXPECT_EQ(take_part(at(0, 7), 1).failure, failure_);
  EXPECT_EQ(take_part(at(1, 7), 2).failure, failure_);
}

TEST_F(SurvivorsTest, OneWithoutAStateLearnsWhatOthersDid) {
  const auto without = [this] {
    return agree_and_write(
        files(), "now",
        {std::nullopt, [](const auto&) { return true; }, kAsLongAsItTakes, kAsLongAsItTakes, {}});
  };
  EXPECT_EQ(without().rank, -1);
  files().leave(at(1, 7));
  files().leave(SurvivorsResult{1, 7, ""});
  EXPECT_EQ(without().rank, 1);
}

TEST_F(SurvivorsTest, AFolderThatCannotBeWrittenIsAFailureAndNothingElse) {
  std::ofstream(path("survivors")) << "a file";
  const SurvivorsResult result = take_part(at(0, 7), 1);
  EXPECT_EQ(result.rank, -1);
  EXPECT_THAT(result.failure, HasSubstr("survivors"));
}

TEST(RandomStart, IsNeverTheSame) { EXPECT_NE(random_start(), random_start()); }

}  // namespace
}  // namespace vae_dist::run
