#include "metrics/step_log.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <csignal>
#include <fstream>
#include <limits>
#include <random>

#include "base/durable_file.hpp"
#include "base/error.hpp"

namespace vae_dist::metrics {
namespace {

class StepLogFile : public ::testing::Test {
 protected:
  ~StepLogFile() override { std::filesystem::remove(path_); }
  void put(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / base::text("step_log_test_", ::getpid(), ".jsonl");
};

TEST(JsonLine, KeepsTheOrderAndTheKindOfItsValues) {
  EXPECT_EQ(json_line({{"step", std::int64_t{50}},
                       {"loss", 0.1},
                       {"rate", 5.0},
                       {"kind", std::string("say \"hi\"\n")}}),
            "{\"step\":50,\"loss\":0.1,\"rate\":5.0,\"kind\":\"say \\\"hi\\\"\\n\"}\n");
}

TEST(JsonLine, WritesWhatIsNotFiniteAsNull) {
  EXPECT_EQ(json_line({{"loss", std::nan("")}, {"norm", std::numeric_limits<double>::infinity()}}),
            "{\"loss\":null,\"norm\":null}\n");
}

TEST(JsonLine, WritesArraysOfNumbersAndOfRecords) {
  EXPECT_EQ(json_line({{"kld_per_dimension", std::vector<double>{0.5, std::nan("")}},
                       {"none", std::vector<double>{}}}),
            "{\"kld_per_dimension\":[0.5,null],\"none\":[]}\n");
  const std::vector<PlainRecord> ranks = {{{"rank", std::int64_t{0}}, {"host", std::string("a")}},
                                          {{"rank", std::int64_t{1}}, {"step_seconds", 0.5}}};
  EXPECT_EQ(
      json_line({{"step", std::int64_t{3}}, {"ranks", ranks}}),
      "{\"step\":3,\"ranks\":[{\"rank\":0,\"host\":\"a\"},{\"rank\":1,\"step_seconds\":0.5}]}\n");
}

TEST(JsonLine, EscapesWhatIsNoUtf8InTextsAndNames) {
  EXPECT_EQ(json_line({{"h\xf6st", std::string("caf\xe9")},
                       {"ranks", std::vector<PlainRecord>{{{"host", std::string("\xff")}}}}}),
            R"({"h\\xf6st":"caf\\xe9","ranks":[{"host":"\\xff"}]})"
            "\n");
}

TEST(JsonLine, ReadsBackToTheSameBits) {
  std::mt19937_64 bits(1265);
  std::vector<double> values{0.0,
                             -0.0,
                             0.1,
                             1e-320,
                             5e-324,
                             1.7976931348623157e308,
                             9007199254740993.0,
                             static_cast<double>(0.1f)};
  while (values.size() < 20000) {
    const double value = std::bit_cast<double>(bits());
    if (std::isfinite(value)) values.push_back(value);
  }
  for (const double value : values) {
    const std::string line = json_line({{"v", value}});
    const double again = std::strtod(line.c_str() + 5, nullptr);
    ASSERT_EQ(std::bit_cast<std::uint64_t>(again), std::bit_cast<std::uint64_t>(value)) << line;
  }
}

TEST(LinesUpTo, KeepsWhatHappenedBeforeTheResumedStepByteForByte) {
  const std::string before =
      "{ \"step\" : 100, \"loss\":0.50}\n{\"epoch\":1,\"note\":\"no "
      "step\"}\n{\"step\":200,\"loss\":0.4}\n";
  EXPECT_EQ(lines_up_to(before + "{\"step\":250,\"loss\":0.3}\n", 200), before);
  EXPECT_EQ(lines_up_to(before, 0), "{\"epoch\":1,\"note\":\"no step\"}\n");
}

TEST(LinesUpTo, DropsALineThatWasCutOff) {
  const std::string whole = "{\"step\":1,\"loss\":0.5}\n";
  EXPECT_EQ(lines_up_to(whole + "{\"step\":2,\"lo", 9), whole);
  EXPECT_EQ(lines_up_to(whole + "{\"step\":2}", 9), whole)
      << "without its newline, even if it parses";
  EXPECT_EQ(lines_up_to(whole + std::string(40, '\0') + "\n" + whole, 9), whole + whole)
      << "holes left by a crash of the machine";
  EXPECT_EQ(lines_up_to(whole + "\n12\n", 9), whole) << "not an object";
}

TEST(LinesUpTo, DropsAnEvaluationThatIsMadeAgain) {
  const std::string step = "{\"step\":2,\"loss\":1}\n",
                    earlier = "{\"step\":1,\"evaluated\":\"validation\"}\n",
                    last = "{\"step\":2,\"evaluated\":\"validation\"}\n";
  EXPECT_EQ(lines_up_to(earlier + step + last, 2, /*evaluates_again=*/true), earlier + step);
  EXPECT_EQ(lines_up_to(earlier + step + last, 2), earlier + step + last);
}

TEST(LinesAfter, AreThoseOfStepsThatTheLogLacks) {
  const auto step = [](int number) { return base::text("{\"step\":", number, ",\"loss\":1}\n"); };
  const std::string all = step(4) + step(5) + step(6);
  EXPECT_EQ(lines_after(step(3) + step(4), all), step(5) + step(6));
  EXPECT_EQ(lines_after("", all), all);
  EXPECT_EQ(lines_after(step(6) + "{\"step\":6,\"evaluated\":\"validation\"}\n", all), "");
  EXPECT_EQ(lines_after(step(4) + "{\"step\":6,\"evaluated\":\"validation\",\"loss\":1}\n", all),
            step(5) + step(6))
      << "an evaluation is no step";
}

// The survivors of a failure save steps whose lines the failing rank did not write any more.
TEST_F(StepLogFile, IsCompletedByTheLastStepsBeforeAFailure) {
  put("{\"step\":1,\"loss\":4}\n{\"step\":2,\"lo");
  {
    StepLog log(path_, 2, false,
                "{\"step\":1,\"loss\":5}\n{\"step\":2,\"loss\":3}\n{\"step\":3,\"loss\":2}\n");
  }
  EXPECT_EQ(base::read_file(path_), "{\"step\":1,\"loss\":4}\n{\"step\":2,\"loss\":3}\n")
      << "whole, each step once, up to the one that the run goes on from";
}

TEST_F(StepLogFile, ReadsAsOneRunAfterAResume) {
  {
    StepLog log(path_, 0);
    for (std::int64_t step : {50, 100, 150})
      log.write({{"step", step}, {"loss", 1.0 / static_cast<double>(step)}});
  }
  std::ofstream(path_, std::ios::app) << "{\"step\":200,\"los";  // killed in mid-line
  {
    StepLog log(path_, 100);
    log.write({{"step", std::int64_t{150}}, {"loss", 0.5}});
  }
  EXPECT_EQ(
      base::read_file(path_),
      "{\"step\":50,\"loss\":0.02}\n{\"step\":100,\"loss\":0.01}\n{\"step\":150,\"loss\":0.5}\n");
}

TEST_F(StepLogFile, HandsEachLineToTheSystemAtOnce) {
  StepLog log(path_, 0);
  log.write({{"step", std::int64_t{1}}});
  EXPECT_EQ(base::read_file(path_), "{\"step\":1}\n");
}

// A limit on the file size simulates a full disk: the write stops in mid-line, as it does there.
TEST_F(StepLogFile, WarnsOnceWhenTheDiskIsFullAndLeavesNoPartOfALine) {
  StepLog log(path_, 0);
  log.write({{"step", std::int64_t{1}}, {"note", std::string(8000, '.')}});
  const std::string whole = base::read_file(path_);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit full{.rlim_cur = whole.size() + 5, .rlim_max = before.rlim_max};
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ::testing::internal::CaptureStderr();
  ::setrlimit(RLIMIT_FSIZE, &full);
  log.write({{"step", std::int64_t{2}}});
  log.write({{"step", std::int64_t{3}}});
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  const std::string said = ::testing::internal::GetCapturedStderr();
  log.write({{"step", std::int64_t{4}}});
  EXPECT_EQ(base::read_file(path_), whole + "{\"step\":4}\n");
  EXPECT_THAT(said, ::testing::HasSubstr(path_.string() + ": File too large"));
  EXPECT_EQ(said.find("cannot write"), said.rfind("cannot write"));
}

TEST(StepLog, RefusesAPathThatCannotBeOpened) {
  EXPECT_THROW(StepLog("/nonexistent/metrics.jsonl", 0), base::BadInput);
}

}  // namespace
}  // namespace vae_dist::metrics
