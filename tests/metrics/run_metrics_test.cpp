#include "metrics/run_metrics.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "../eventually.hpp"
#include "base/clock.hpp"
#include "scrape.hpp"

namespace vae_dist::metrics {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const RunFacts kFacts{.steps_planned = 1000, .global_batch = 64, .ranks = 2, .replicas = 4};
const std::string kGlobal = R"({host="node1",run="mnist"})";
const std::string kRank0 = R"({host="node1",rank="0",run="mnist"})";
const std::string kRank1 = R"({host="node1",rank="1",run="mnist"})";

MetricsIdentity rank_of_run(int rank) {
  return {.run = "mnist", .host = "node1", .rank = rank, .local_rank = rank};
}

StepMetrics a_step() {
  return {.step = 7,
          .epoch = 2,
          .loss = 0.25,
          .reconstruction_loss = 0.125,
          .kld_nats = 12.5,
          .kld_weight = 0.00025,
          .beta = 0.5,
          .learning_rate = 0.001,
          .gradient_norm = 3.5,
          .samples = 32,
          .step_seconds = 0.05,
          .data_wait_seconds = 0.004,
          .allreduce_wait_seconds = 0.03,
          .allreduce_bytes = 4096,
          .read_bytes = 1000};
}

EvaluationMetrics an_evaluation() {
  return {.loss = 0.5,
          .reconstruction_loss = 0.25,
          .kld_nats = 6,
          .mse = 0.01,
          .elbo_nats = -90.5,
          .bits_per_dim = 1.5,
          .active_units = 7,
          .collapsed = false};
}

TEST(RunMetrics, ServesWhatAStepRecorded) {
  RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
  ASSERT_TRUE(metrics.port());
  metrics.record_step(a_step());
  const std::string answer = scrape(*metrics.port());
  EXPECT_EQ(value_of(answer, "vae_dist_loss" + kGlobal), 0.25);
  EXPECT_EQ(value_of(answer, "vae_dist_reconstruction_loss" + kGlobal), 0.125);
  EXPECT_EQ(value_of(answer, "vae_dist_kld_nats" + kGlobal), 12.5);
  EXPECT_EQ(value_of(answer, "vae_dist_kld_weight" + kGlobal), 0.00025);
  EXPECT_EQ(value_of(answer, "vae_dist_beta" + kGlobal), 0.5);
  EXPECT_EQ(value_of(answer, "vae_dist_learning_rate" + kGlobal), 0.001);
  EXPECT_EQ(value_of(answer, "vae_dist_gradient_norm" + kGlobal), 3.5);
  EXPECT_EQ(value_of(answer, "vae_dist_step" + kGlobal), 7);
  EXPECT_EQ(value_of(answer, "vae_dist_epoch" + kGlobal), 2);
  EXPECT_EQ(value_of(answer, "vae_dist_steps_planned" + kGlobal), 1000);
  EXPECT_EQ(value_of(answer, "vae_dist_global_batch_samples" + kGlobal), 64);
  EXPECT_EQ(value_of(answer, "vae_dist_ranks" + kGlobal), 2);
  EXPECT_EQ(value_of(answer, "vae_dist_replicas" + kGlobal), 4);
  EXPECT_EQ(value_of(answer, "vae_dist_samples_total" + kRank0), 32);
  EXPECT_EQ(value_of(answer, "vae_dist_steps_total" + kRank0), 1);
  EXPECT_EQ(value_of(answer, "vae_dist_skipped_steps_total" + kRank0), 0);
  EXPECT_EQ(value_of(answer, "vae_dist_allreduce_bytes_total" + kRank0), 4096);
  EXPECT_EQ(value_of(answer, "vae_dist_read_bytes_total" + kRank0), 1000);
  EXPECT_EQ(value_of(answer, "vae_dist_nonfinite_steps_total" + kRank0), 0);
  EXPECT_EQ(value_of(answer, "vae_dist_step_seconds_sum" + kRank0), 0.05);
  EXPECT_EQ(value_of(answer, "vae_dist_data_wait_seconds_sum" + kRank0), 0.004);
  EXPECT_EQ(value_of(answer, "vae_dist_allreduce_wait_seconds_count" + kRank0), 1);
}

TEST(RunMetrics, TellsTheBestEvaluationAndByWhat) {
  RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
  EXPECT_THAT(scrape(*metrics.port()), Not(HasSubstr("vae_dist_best_value{")));
  metrics.record_best({"final_loss", 0.5, 40}, /*is_new=*/false);
  const std::string known = scrape(*metrics.port());
  const std::string value = R"(vae_dist_best_value{host="node1",run="mnist",measure="final_loss"})";
  EXPECT_EQ(value_of(known, value), 0.5);
  EXPECT_EQ(value_of(known, "vae_dist_best_step" + kGlobal), 40);
  EXPECT_THAT(known, Not(HasSubstr("vae_dist_best_timestamp_seconds{")));
  metrics.record_best({"final_loss", 0.25, 80}, /*is_new=*/true);
  const std::string found = scrape(*metrics.port());
  EXPECT_EQ(value_of(found, value), 0.25);
  EXPECT_EQ(value_of(found, "vae_dist_best_step" + kGlobal), 80);
  EXPECT_TRUE(value_of(found, "vae_dist_best_timestamp_seconds" + kGlobal));
}

TEST(RunMetrics, CountsStepTimesInBucketsOfSeconds) {
  RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
  for (const double seconds : {0.0004, 0.04, 0.06, 250.0}) {
    StepMetrics step = a_step();
    step.step_seconds = seconds;
    metrics.record_step(step);
  }
  const std::string answer = scrape(*metrics.port());
  const auto bucket = [&](const std::string& bound) {
    return value_of(
        answer,
        R"(vae_dist_step_seconds_bucket{host="node1",rank="0",run="mnist",le=")" + bound + "\"}");
  };
  EXPECT_EQ(bucket("0.001"), 1);
  EXPECT_EQ(bucket("0.05"), 2);
  EXPECT_EQ(bucket("0.075"), 3);
  EXPECT_EQ(bucket("100"), 3);
  EXPECT_EQ(bucket("+Inf"), 4);
}

TEST(RunMetrics, OtherRanksServeOnlyWhatIsTheirOwn) {
  RunMetrics metrics(rank_of_run(1), kFacts, "127.0.0.1", 0);
  metrics.record_step(a_step());
  metrics.record_checkpoint(1);
  metrics.record_evaluation(an_evaluation());
  const std::string answer = scrape(*metrics.port());
  EXPECT_EQ(value_of(answer, "vae_dist_samples_total" + kRank1), 32);
  std::istringstream lines(answer.substr(answer.find("\r\n\r\n") + 4));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("vae_dist_")) {
      EXPECT_THAT(line, HasSubstr(R"(rank="1")"));
    }
  }
}

TEST(RunMetrics, LabelsWhatIsARanksOwnWithItsRankAndNothingElse) {
  RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
  metrics.record_step(a_step());
  metrics.record_checkpoint(1);
  metrics.record_evaluation(an_evaluation());
  std::set<std::string> with_rank, without;
  std::istringstream lines(scrape(*metrics.port()));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("vae_dist_")) continue;
    EXPECT_THAT(line, HasSubstr(R"(host="node1")"));
    EXPECT_THAT(line, HasSubstr(R"(run="mnist")"));
    std::string name = line.substr(9, line.find('{') - 9);
    for (const char* suffix : {"_bucket", "_sum", "_count"})
      if (name.ends_with(suffix)) name.resize(name.size() - std::string(suffix).size());
    (line.find(R"(rank="0")") != std::string::npos ? with_rank : without).insert(name);
  }
  EXPECT_THAT(with_rank,
              ElementsAre("allreduce_bytes_total", "allreduce_wait_seconds",
                          "checkpoint_failures_total", "checkpoint_seconds", "checkpoints_total",
                          "data_wait_seconds", "nonfinite_steps_total", "read_bytes_total",
                          "resident_memory_bytes", "restarts_total", "samples_total",
                          "skipped_steps_total", "step_seconds", "steps_total"));
  EXPECT_THAT(without,
              ElementsAre("active_units", "beta", "bits_per_dim", "build_info",
                          "checkpoint_timestamp_seconds", "collapsed", "elbo_nats", "epoch",
                          "evaluation_timestamp_seconds", "global_batch_samples", "gradient_norm",
                          "kld_nats", "kld_weight", "learning_rate", "loss", "ranks",
                          "reconstruction_loss", "replicas", "run_info", "start_timestamp_seconds",
                          "step", "steps_planned", "validation_kld_nats", "validation_loss",
                          "validation_mse", "validation_reconstruction_loss"));
}

TEST(RunMetrics, KeepsTheLastGoodValuesWhenAStepIsSkipped) {
  RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
  metrics.record_step(a_step());
  StepMetrics skipped = a_step();
  skipped.step = 8;
  skipped.skipped = true;
  skipped.loss = skipped.reconstruction_loss = skipped.kld_nats = skipped.gradient_norm =
      std::nan("");
  skipped.learning_rate = 0.002;
  metrics.record_step(skipped);
  const std::string answer = scrape(*metrics.port());
  EXPECT_EQ(value_of(answer, "vae_dist_loss" + kGlobal), 0.25);
  EXPECT_EQ(value_of(answer, "vae_dist_reconstruction_loss" + kGlobal), 0.125);
  EXPECT_EQ(value_of(answer, "vae_dist_kld_nats" + kGlobal), 12.5);
  EXPECT_EQ(value_of(answer, "vae_dist_gradient_norm" + kGlobal), 3.5);
  EXPECT_EQ(value_of(answer, "vae_dist_learning_rate" + kGlobal), 0.002);
  EXPECT_EQ(value_of(answer, "vae_dist_step" + kGlobal), 8);
  EXPECT_EQ(value_of(answer, "vae_dist_skipped_steps_total" + kRank0), 1);
  EXPECT_EQ(value_of(answer, "vae_dist_nonfinite_steps_total" + kRank0), 1);
  EXPECT_EQ(value_of(answer, "vae_dist_steps_total" + kRank0), 2);
  EXPECT_EQ(value_of(answer, "vae_dist_read_bytes_total" + kRank0), 1000)
      << "the total so far, not the count of one step";
}

TEST(RunMetrics, ServesTheLastEvaluation) {
  RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
  metrics.record_evaluation(an_evaluation());
  EvaluationMetrics of_training = an_evaluation();
  of_training.validation = false;
  of_training.loss = 0.125;
  of_training.elbo_nats = -80;
  of_training.collapsed = true;
  metrics.record_evaluation(of_training);
  const std::string answer = scrape(*metrics.port());
  EXPECT_EQ(value_of(answer, "vae_dist_validation_loss" + kGlobal), 0.5)
      << "only for the validation rows";
  EXPECT_EQ(value_of(answer, "vae_dist_validation_reconstruction_loss" + kGlobal), 0.25);
  EXPECT_EQ(value_of(answer, "vae_dist_validation_kld_nats" + kGlobal), 6);
  EXPECT_EQ(value_of(answer, "vae_dist_validation_mse" + kGlobal), 0.01);
  EXPECT_EQ(value_of(answer, "vae_dist_elbo_nats" + kGlobal), -80);
  EXPECT_EQ(value_of(answer, "vae_dist_bits_per_dim" + kGlobal), 1.5);
  EXPECT_EQ(value_of(answer, "vae_dist_active_units" + kGlobal), 7);
  EXPECT_EQ(value_of(answer, "vae_dist_collapsed" + kGlobal), 1);
}

TEST(RunMetrics, ServesTheObjectivesOtherTermsByTheirNames) {
  RunFacts facts = kFacts;
  const auto term = [](const std::string& name, const std::string& series,
                       std::vector<std::pair<std::string, std::string>> labels = {}) {
    return base::Term{.name = name,
                      .title = name,
                      .unit = "",
                      .series = series,
                      .help = "A sentence.",
                      .labels = std::move(labels)};
  };
  facts.extra_terms = {term("log_p_of_4_draws", "vae_dist_log_p_nats", {{"draws", "4"}}),
                       term("effective_samples", "vae_dist_effective_samples"),
                       term("only_in_the_log", ""),
                       term("log_p_of_16_draws", "vae_dist_log_p_nats", {{"draws", "16"}}),
                       term("code_l2", "vae_dist_regulariser", {{"term", "code_l2"}})};
  RunMetrics metrics(rank_of_run(0), facts, "127.0.0.1", 0);
  StepMetrics step = a_step();
  EXPECT_THAT(scrape(*metrics.port()), Not(HasSubstr("vae_dist_effective_samples{")))
      << "not known yet";
  step.extra_terms = {-95.5, 2.5, 9, -92.25, 0.03125};
  metrics.record_step(step);
  const std::string answer = scrape(*metrics.port());
  EXPECT_EQ(value_of(answer, R"(vae_dist_log_p_nats{host="node1",run="mnist",draws="4"})"), -95.5);
  EXPECT_EQ(value_of(answer, R"(vae_dist_log_p_nats{host="node1",run="mnist",draws="16"})"),
            -92.25);
  EXPECT_EQ(value_of(answer, "vae_dist_effective_samples" + kGlobal), 2.5);
  EXPECT_EQ(value_of(answer, R"(vae_dist_regulariser{host="node1",run="mnist",term="code_l2"})"),
            0.03125);
  EXPECT_THAT(answer, Not(HasSubstr("only_in_the_log")));
}

TEST(RunMetrics, TellsWhatRunsAndHowOftenItWentOn) {
  RunFacts facts = kFacts;
  facts.restarts = 3;
  facts.build = {{"version", "1.2.3"}, {"revision", "abc"}};
  facts.run = {{"model", "vanilla_vae"}};
  RunMetrics metrics(rank_of_run(0), facts, "127.0.0.1", 0);
  const std::string answer = scrape(*metrics.port());
  EXPECT_EQ(
      value_of(answer,
               R"(vae_dist_build_info{host="node1",revision="abc",run="mnist",version="1.2.3"})"),
      1);
  EXPECT_EQ(value_of(answer, R"(vae_dist_run_info{host="node1",model="vanilla_vae",run="mnist"})"),
            1);
  EXPECT_EQ(value_of(answer, "vae_dist_restarts_total" + kRank0), 3);
  EXPECT_NEAR(value_of(answer, "vae_dist_start_timestamp_seconds" + kGlobal).value_or(0),
              static_cast<double>(std::time(nullptr)), 60);
}

TEST(RunMetrics, TellsRunsOfOneNameApartByUserAndJob) {
  MetricsIdentity identity = rank_of_run(0);
  identity.user = "anna";
  identity.job_id = "4711";
  RunMetrics metrics(identity, kFacts, "127.0.0.1", 0);
  metrics.record_step(a_step());
  const std::string answer = scrape(*metrics.port());
  EXPECT_EQ(
      value_of(answer, R"(vae_dist_loss{host="node1",job_id="4711",run="mnist",user="anna"})"),
      0.25);
  EXPECT_EQ(
      value_of(
          answer,
          R"(vae_dist_steps_total{host="node1",job_id="4711",rank="0",run="mnist",user="anna"})"),
      1);
}

TEST(RunMetrics, EscapesWhatIsNoUtf8InEveryLabel) {
  MetricsIdentity identity{.run = "caf\xe9", .host = "h\xf6st", .user = "andr\xe9", .gpu = "0"};
  RunFacts facts = kFacts;
  facts.run = {{"model", "\xff"}};
  RunMetrics metrics(identity, facts, "127.0.0.1", 0);
  metrics.record_step(a_step());
  const std::string answer = scrape(*metrics.port());
  // The exposition format escapes a backslash as two.
  EXPECT_EQ(
      value_of(
          answer,
          R"(vae_dist_run_info{host="h\\xf6st",model="\\xff",run="caf\\xe9",user="andr\\xe9"})"),
      1);
  for (const char c : answer)
    ASSERT_LT(static_cast<unsigned char>(c), 0x80) << "Prometheus would reject the whole answer";
}

TEST(RunMetrics, ReadsTheMemoryOfTheProcessWhenAsked) {
  RunMetrics metrics(rank_of_run(1), kFacts, "127.0.0.1", 0);
  const double before =
      value_of(scrape(*metrics.port()), "vae_dist_resident_memory_bytes" + kRank1).value_or(0);
  const std::vector<char> more(64 << 20, 'x');
  const double after =
      value_of(scrape(*metrics.port()), "vae_dist_resident_memory_bytes" + kRank1).value_or(0);
  EXPECT_GT(before, 1e6);
  EXPECT_GT(after, before + 0.9 * static_cast<double>(more.size()));
}

TEST(RunMetrics, ServesNoGpuWhereNobodyTellsOfOne) {
  MetricsIdentity nowhere = rank_of_run(0);
  nowhere.gpu = "0";
  RunMetrics metrics(nowhere, kFacts, "127.0.0.1", 0);
  EXPECT_THAT(scrape(*metrics.port()), Not(HasSubstr("vae_dist_gpu_")));
}

TEST(RunMetrics, ServesWhatIsToldOfTheGpuWithItsLabel) {
  MetricsIdentity identity{.run = "mnist", .host = "node1", .rank = 1, .local_rank = 1, .gpu = "1"};
  identity.read_gpu = [] {
    return base::GpuReadings{.memory_used_bytes = 20.0 * (1 << 30),
                             .memory_total_bytes = 80.0 * (1 << 30),
                             .utilization = 0.93,
                             .celsius = 61,
                             .watts = {},
                             .joules = {}};
  };
  RunMetrics metrics(identity, {}, "127.0.0.1", 0);
  const std::string answer = scrape(*metrics.port()),
                    labels = R"({gpu="1",host="node1",rank="1",run="mnist"})";
  EXPECT_EQ(value_of(answer, "vae_dist_gpu_memory_used_bytes" + labels), 20.0 * (1 << 30));
  EXPECT_EQ(value_of(answer, "vae_dist_gpu_memory_total_bytes" + labels), 80.0 * (1 << 30));
  EXPECT_EQ(value_of(answer, "vae_dist_gpu_utilization_ratio" + labels), 0.93);
  EXPECT_EQ(value_of(answer, "vae_dist_gpu_temperature_celsius" + labels), 61);
  EXPECT_THAT(answer, Not(HasSubstr("vae_dist_gpu_power_watts")))
      << "a reading that is missing is left out";
}

TEST(RunMetrics, LeavesOutWhatIsNotKnownYet) {
  RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
  const std::string before = scrape(*metrics.port());
  for (const char* name : {"vae_dist_loss{", "vae_dist_step{", "vae_dist_validation_loss",
                           "vae_dist_checkpoint_timestamp_seconds"}) {
    EXPECT_THAT(before, Not(HasSubstr(name)));
  }
  EXPECT_EQ(value_of(before, "vae_dist_checkpoints_total" + kRank0), 0);
  EXPECT_EQ(value_of(before, "vae_dist_checkpoint_failures_total" + kRank0), 0);
  metrics.record_evaluation({.loss = 0.75});
  metrics.record_checkpoint(3);
  metrics.record_failed_checkpoint();
  metrics.record_failed_checkpoint();
  const std::string after = scrape(*metrics.port());
  EXPECT_EQ(value_of(after, "vae_dist_validation_loss" + kGlobal), 0.75);
  EXPECT_EQ(value_of(after, "vae_dist_checkpoints_total" + kRank0), 1);
  EXPECT_EQ(value_of(after, "vae_dist_checkpoint_failures_total" + kRank0), 2);
  EXPECT_EQ(value_of(after, "vae_dist_checkpoint_seconds_sum" + kRank0), 3);
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_NEAR(value_of(after, "vae_dist_checkpoint_timestamp_seconds" + kGlobal).value_or(0), now,
              60);
}

TEST(RunMetrics, ExplainsEverySeries) {
  RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
  metrics.record_step(a_step());
  metrics.record_evaluation(an_evaluation());
  metrics.record_checkpoint(1);
  const std::string answer = scrape(*metrics.port());
  std::istringstream lines(answer);
  int families = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE vae_dist_")) continue;
    const std::string name = line.substr(7, line.find(' ', 7) - 7);
    const std::size_t help = answer.find("# HELP " + name + " ");
    ASSERT_NE(help, std::string::npos) << name;
    EXPECT_GT(answer.find('\n', help) - help, name.size() + 20) << name;
    ++families;
  }
  EXPECT_EQ(families, 40);
}

TEST(RunMetrics, TakesTheNextPortWhenTheWantedOneIsTaken) {
  RunMetrics first(rank_of_run(0), kFacts, "127.0.0.1", 0);
  ASSERT_TRUE(first.port());
  RunMetrics second(rank_of_run(1), kFacts, "127.0.0.1", *first.port());
  ASSERT_TRUE(second.port());
  EXPECT_GT(*second.port(), *first.port());
  EXPECT_LE(*second.port(), *first.port() + 100);
  EXPECT_THAT(scrape(*first.port()), HasSubstr(R"(rank="0")"));
  EXPECT_THAT(scrape(*second.port()), HasSubstr(R"(rank="1")"));
}

TEST(RunMetrics, GivesEachOfManyAPortOfItsOwnWhenTheyStartAtOnce) {
  RunMetrics anchor(rank_of_run(0), kFacts, "127.0.0.1", 0);
  std::vector<std::unique_ptr<RunMetrics>> exporters(8);
  {
    std::vector<std::jthread> threads;
    for (auto& exporter : exporters) {
      threads.emplace_back([&] {
        exporter = std::make_unique<RunMetrics>(rank_of_run(0), kFacts, "127.0.0.1", anchor.port());
      });
    }
  }
  std::set<int> ports{*anchor.port()};
  for (const auto& exporter : exporters) {
    ASSERT_TRUE(exporter->port());
    ports.insert(*exporter->port());
  }
  EXPECT_EQ(ports.size(), 9u);
}

TEST(RunMetrics, GivesThePortBackWhenItEnds) {
  int port = 0;
  {
    RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
    port = *metrics.port();
    scrape(port);
  }
  EXPECT_THROW(scrape(port), std::runtime_error);
  RunMetrics again(rank_of_run(0), kFacts, "127.0.0.1", port);
  EXPECT_EQ(again.port(), port);
}

TEST(RunMetrics, TrainsOnWithoutAnEndpointWhereNoneIsWantedOrPossible) {
  RunMetrics none(rank_of_run(0), kFacts, "127.0.0.1", std::nullopt);
  EXPECT_FALSE(none.port());
  none.record_step(a_step());

  ::testing::internal::CaptureStderr();
  RunMetrics elsewhere(rank_of_run(0), kFacts, "203.0.113.1",
                       19400);  // an address that no machine has (RFC 5737)
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_FALSE(elsewhere.port());
  EXPECT_THAT(said, HasSubstr("metrics.address"));
  elsewhere.record_step(a_step());
}

TEST(RunMetrics, MayBeScrapedWhileStepsAreRecorded) {
  RunMetrics metrics(rank_of_run(0), kFacts, "127.0.0.1", 0);
  std::atomic<bool> done = false;
  std::jthread recorder([&] {
    for (int i = 0; i < 20000; ++i) metrics.record_step(a_step());
    done = true;
  });
  double last = 0;
  EXPECT_TRUE(eventually([&] {
    const double steps =
        value_of(scrape(*metrics.port()), "vae_dist_steps_total" + kRank0).value_or(-1);
    EXPECT_GE(steps, last);
    last = steps;
    return done.load();
  }));
  recorder.join();
  EXPECT_EQ(value_of(scrape(*metrics.port()), "vae_dist_steps_total" + kRank0), 20000);
}

}  // namespace
}  // namespace vae_dist::metrics
