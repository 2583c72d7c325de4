#include "report/run_log_reader.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "../temporary_folder.hpp"

namespace vae_dist::report {
namespace {

using ::testing::ElementsAre;

class RunLogReaderFile : public TemporaryFolderTest {
 protected:
  void write(const std::string& content, std::ios::openmode mode = std::ios::trunc) {
    std::ofstream(path("metrics.jsonl"), std::ios::binary | mode) << content;
  }
  void append(const std::string& content) { write(content, std::ios::app); }
};

std::string line(int step, double loss) {
  return base::text("{\"step\":", step, ",\"epoch\":0,\"loss\":", loss, "}\n");
}

TEST_F(RunLogReaderFile, MakesACurveOfEveryNumber) {
  write(line(1, 0.5) + "{\"step\":2,\"loss\":null,\"kld\":3.5,\"note\":\"words\"}\n");
  RunRecord run;
  RunLogReader(path("metrics.jsonl")).read_into(run);
  EXPECT_THAT(run.curves.at("loss").step, ElementsAre(1, 2));
  EXPECT_EQ(run.curves.at("loss").value[0], 0.5);
  EXPECT_TRUE(std::isnan(run.curves.at("loss").value[1])) << "null stands for what is not finite";
  EXPECT_THAT(run.curves.at("kld").value, ElementsAre(3.5));
  EXPECT_FALSE(run.curves.contains("note"));
  EXPECT_FALSE(run.curves.contains("step"));
}

TEST_F(RunLogReaderFile, ReadsEvaluationsDimensionsAndRanks) {
  write(
      "{\"step\":5,\"epoch\":1,\"evaluated\":\"validation\",\"evaluation_loss\":0.25,\"mean_image_"
      "mse\":0.5,\"kld_per_dimension\":[1,2.5]}\n"
      "{\"step\":5,\"ranks\":[{\"rank\":0,\"host\":\"a\",\"step_seconds\":0.1,\"data_wait_"
      "seconds\":0.02,\"allreduce_wait_seconds\":0.03},{\"rank\":1,\"step_seconds\":0.2}]}\n");
  RunRecord run;
  RunLogReader(path("metrics.jsonl")).read_into(run);
  ASSERT_EQ(run.evaluations.size(), 1u);
  EXPECT_EQ(run.evaluations[0].on, "validation");
  EXPECT_EQ(run.evaluations[0].step, 5);
  EXPECT_THAT(run.evaluations[0].values,
              ElementsAre(std::pair<std::string, double>("loss", 0.25),
                          std::pair<std::string, double>("mean_image_mse", 0.5)));
  EXPECT_THAT(run.kld_per_dimension, ElementsAre(1, 2.5));
  ASSERT_EQ(run.ranks.size(), 2u);
  EXPECT_EQ(run.ranks[0].name, "rank 0 (a)");
  EXPECT_EQ(run.ranks[0].allreduce_wait, 0.03);
  EXPECT_EQ(run.ranks[1].name, "rank 1");
  EXPECT_TRUE(run.curves.empty());
}

TEST_F(RunLogReaderFile, GoesOnWhereItWasAndWaitsForTheEndOfALine) {
  write(line(1, 0.5) + "{\"step\":2,\"lo");
  RunRecord run;
  RunLogReader reader(path("metrics.jsonl"));
  reader.read_into(run);
  EXPECT_THAT(run.curves.at("loss").step, ElementsAre(1));
  append("ss\":0.4}\n" + line(3, 0.3));
  reader.read_into(run);
  EXPECT_THAT(run.curves.at("loss").step, ElementsAre(1, 2, 3));
  reader.read_into(run);
  EXPECT_THAT(run.curves.at("loss").step, ElementsAre(1, 2, 3)) << "nothing twice";
}

TEST_F(RunLogReaderFile, BeginsAnewWhereTheLogWasCutForAResume) {
  write(line(1, 0.5) + line(2, 0.4) + line(3, 0.3));
  RunRecord run;
  RunLogReader reader(path("metrics.jsonl"));
  reader.read_into(run);
  write(line(1, 0.5) + line(2, 0.35));
  reader.read_into(run);
  EXPECT_THAT(run.curves.at("loss").value, ElementsAre(0.5, 0.35));
}

TEST_F(RunLogReaderFile, ReadsALogThatIsLongerThanItsBuffer) {
  std::string content;
  for (int step = 1; step <= 60000; ++step) content += line(step, step / 4.0);
  ASSERT_GT(content.size(), 2u << 20);
  write(content);
  RunRecord run;
  RunLogReader(path("metrics.jsonl")).read_into(run);
  const Curve& loss = run.curves.at("loss");
  ASSERT_EQ(loss.step.size(), 60000u);
  for (std::size_t i = 0; i < loss.step.size(); ++i)
    ASSERT_EQ(loss.value[i], (static_cast<double>(i) + 1) / 4);
}

TEST_F(RunLogReaderFile, PassesOverWhatIsNoRecord) {
  write("no json\n[1, 2]\n{\"loss\":1}\n\n" + line(4, 0.5));
  RunRecord run;
  RunLogReader(path("metrics.jsonl")).read_into(run);
  EXPECT_THAT(run.curves.at("loss").step, ElementsAre(4));
  EXPECT_THAT(refusal([&] { RunLogReader(path("other.jsonl")).read_into(run); }),
              ::testing::HasSubstr("cannot read " + path("other.jsonl")));
}

}  // namespace
}  // namespace vae_dist::report
