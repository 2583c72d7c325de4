// Tests what a recorder writes, on one rank. tests/metrics covers the series and their scrapes, and
// tests/process/monitoring_test.py covers several ranks.
#include "run/recorder.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "../device/powercap_folder.hpp"

namespace vae_dist::run {
namespace {

using testing::ElementsAre;

class RecorderTest : public device::PowercapFolder {
 protected:
  void SetUp() override {
    TemporaryFolderTest::SetUp();
    config_.run.name = "shapes";
    config_.run.directory = path("runs");
    config_.log.every_steps = 10;
    config_.metrics.port.reset();
    RunDirectory(config_.run).create();
    facts_.steps_planned = 25;
    facts_.global_batch = 64;
  }

  std::unique_ptr<Recorder> recorder(const checkpoint::TrainingState& start = {}) {
    return std::make_unique<Recorder>(
        RecordedRun{config_, facts_, /*epochs_planned=*/2, start, c10::kCPU, "", powercap()},
        world_, *all_ranks_, end_);
  }

  static metrics::StepMetrics step_of(std::int64_t step) {
    metrics::StepMetrics out;
    out.step = step;
    out.loss = 1.0 / static_cast<double>(step);
    out.step_seconds = 0.5;
    return out;
  }

  std::vector<nlohmann::json> log() const {
    std::vector<nlohmann::json> records;
    std::ifstream lines(RunDirectory(config_.run).metrics());
    for (std::string line; std::getline(lines, line);)
      records.push_back(nlohmann::json::parse(line));
    return records;
  }

  std::vector<std::int64_t> logged_steps() const {
    std::vector<std::int64_t> steps;
    for (const nlohmann::json& record : log()) steps.push_back(record.at("step"));
    return steps;
  }

  int argc_ = 0;
  char** argv_ = nullptr;
  config::Config config_;
  metrics::RunFacts facts_;
  comm::MpiWorld world_{argc_, argv_};
  std::unique_ptr<comm::CpuCommunicator> all_ranks_ = world_.make_communicator();
  JobOutcome end_{config_};
};

TEST_F(RecorderTest, LogsTheFirstStepEveryTenthAndTheLast) {
  const auto records = recorder();
  for (std::int64_t step = 1; step <= 25; ++step) records->step(step_of(step));
  EXPECT_THAT(logged_steps(), ElementsAre(1, 10, 20, 25));
  const nlohmann::json tenth = log()[1];
  EXPECT_EQ(tenth.at("loss").get<double>(), 0.1) << "reads back bitwise equal";
  EXPECT_EQ(tenth.at("samples_per_second"), 128);
}

TEST_F(RecorderTest, LogsTheTermsOfTheObjectiveUnderTheirNames) {
  facts_.extra_terms = {{.name = "effective_samples",
                         .title = "Effective samples",
                         .unit = "draws",
                         .series = "",
                         .help = ""}};
  const auto records = recorder();
  metrics::StepMetrics step = step_of(1);
  step.extra_terms = {3.5};
  records->step(step);
  EXPECT_EQ(log()[0].at("effective_samples"), 3.5);
  const std::vector<base::Term> told = metrics::read_terms(RunDirectory(config_.run).terms());
  const auto found = std::find_if(told.begin(), told.end(), [](const base::Term& each) {
    return each.name == "effective_samples";
  });
  ASSERT_NE(found, told.end());
  EXPECT_EQ(found->unit, "draws");
}

TEST_F(RecorderTest, WhatHappenedAfterTheCheckpointIsForgotten) {
  {
    const auto records = recorder();
    for (std::int64_t step = 1; step <= 20; ++step) records->step(step_of(step));
  }
  checkpoint::TrainingState start;
  start.step = 12;
  const auto records = recorder(start);
  EXPECT_THAT(logged_steps(), ElementsAre(1, 10));
  for (std::int64_t step = 13; step <= 25; ++step) records->step(step_of(step));
  EXPECT_THAT(logged_steps(), ElementsAre(1, 10, 20, 25));
}

TEST_F(RecorderTest, AnEvaluationHoldsWhatThereIs) {
  const auto records = recorder();
  evaluate::Evaluation result;
  result.samples = 100;
  result.loss = 0.5;
  result.reconstructs = false;
  records->evaluation(10, 1, "validation", result, 0.1, std::nullopt);
  result.reconstructs = true;
  result.mse = 0.01;
  result.elbo_nats = -90;
  result.bits_per_dim = 4.5;
  records->evaluation(20, 2, "validation", result, 0.1, false);
  const std::vector<nlohmann::json> logged = log();
  EXPECT_EQ(logged[0].at("evaluated"), "validation");
  for (const char* absent :
       {"evaluation_mse", "mean_image_mse", "elbo_nats", "bits_per_dim", "active_units"})
    EXPECT_FALSE(logged[0].contains(absent)) << absent;
  EXPECT_EQ(logged[1].at("evaluation_mse"), 0.01);
  EXPECT_EQ(logged[1].at("elbo_nats"), -90);
}

TEST_F(RecorderTest, TimesOfRanksAreMeansSinceTheyWereLastTold) {
  const auto records = recorder();
  records->step(step_of(1));
  metrics::StepMetrics slow = step_of(2);
  slow.step_seconds = 1.5;
  records->step(slow);
  records->log_rank_times(2);
  records->log_rank_times(2);  // there are no new steps
  const std::vector<nlohmann::json> logged = log();
  ASSERT_EQ(logged.size(), 2U);
  EXPECT_EQ(logged[1].at("ranks")[0].at("step_seconds"), 1.0);
}

TEST_F(RecorderTest, LogsTheEnergyOfThePackages) {
  add_zone("intel-rapl:0", "package-0", 10'000'000);
  add_zone("intel-rapl:1", "package-1", 20'000'000);
  checkpoint::TrainingState start;
  start.step = 10;
  const auto records = recorder(start);
  set_energy("intel-rapl:0", 11'000'000);
  set_energy("intel-rapl:1", 22'000'000);
  records->log_energy(20);
  EXPECT_EQ(records->joules(), 3);
  const std::vector<nlohmann::json> logged = log();
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_EQ(logged[0].at("joules"), 3);
  EXPECT_DOUBLE_EQ(logged[0].at("joules_per_1000_samples").get<double>(), 3.0 / 640 * 1000)
      << "the 10 steps of 64 samples that this process has trained";
}

TEST_F(RecorderTest, LogsNoEnergyWithoutAMeter) {
  const auto records = recorder();
  records->log_energy(20);
  EXPECT_FALSE(records->joules());
  EXPECT_TRUE(log().empty());
}

TEST_F(RecorderTest, KeepsAFileForNodeExporterAndRemovesIt) {
  config_.metrics.textfile = path("");
  {
    const auto records = recorder();
    EXPECT_TRUE(std::filesystem::exists(textfile(config_, 0)));
    EXPECT_THAT(bytes_of(textfile(config_, 0)), testing::HasSubstr("vae_dist_steps_planned"));
  }
  EXPECT_FALSE(std::filesystem::exists(textfile(config_, 0)));
}

TEST_F(RecorderTest, SummarisesTheEnergy) {
  SummaryFacts facts;
  facts.steps = facts.last_step = 1000;
  facts.global_batch = 64;
  facts.time = base::Seconds(100);
  const auto summary = [&] { return run_summary(facts, RunDirectory(config_.run)); };
  EXPECT_THAT(summary(), testing::StartsWith("done: 1000 steps in 0:01:40, 640 samples/s\n"));
  facts.joules = 756'000;
  EXPECT_THAT(summary(),
              testing::StartsWith("done: 1000 steps in 0:01:40, 640 samples/s, 0.21 kWh, 11.8 kJ "
                                  "per 1,000 samples\n"));
  facts.best = {{"elbo_nats", true}, -90.5, 800};
  EXPECT_THAT(summary(), testing::HasSubstr("best validation  ELBO -90.5 at step 800"));
}

}  // namespace
}  // namespace vae_dist::run
