#include "config/load_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "config_text.hpp"
#include "optimizer/update_rules.hpp"

namespace vae_dist::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(LoadConfig, DefaultsAreTheSeeds) {
  const Config config = parse();
  EXPECT_EQ(config.run.name, "first");
  EXPECT_EQ(config.run.seed, 1265);
  EXPECT_EQ(config.model.latent_dim, 128);
  EXPECT_THAT(config.model.hidden_dims, ElementsAre(32, 64, 128, 256, 512));
  EXPECT_EQ(config.objective.kld_weight.weight, 0.00025);
  EXPECT_EQ(config.train.global_batch, 64);
  EXPECT_EQ(config.train.optimizer.learning_rate, 0.001);
  EXPECT_EQ(config.train.optimizer.rule.own.get<optimizer::AdamSettings>("adam").epsilon, 1e-8);
  EXPECT_EQ(config.train.steps, std::nullopt);
  EXPECT_EQ(config.metrics.port, 19400);
  EXPECT_THAT(config.data.train.file, ElementsAre("a.h5"));
  EXPECT_TRUE(config.data.validation.file.empty());
}

TEST(LoadConfig, ReadsEveryType) {
  const Config config = parse(
      "model: {hidden_dims: [8, 16]}\n"
      "train:\n"
      "  channels_last: false\n"
      "  cuda_graph: false\n"
      "  gradient_clip_norm: 5\n"
      "  learning_rate_batch: 256\n"
      "  optimizer: {name: adamw, learning_rate: 3e-4, betas: [0.5, 0.99]}\n"
      "distributed: {threads_per_rank: 2}\n"
      "metrics: {port: null, service_discovery: '/tmp/sd'}\n");
  EXPECT_THAT(config.model.hidden_dims, ElementsAre(8, 16));
  EXPECT_FALSE(config.train.channels_last);
  EXPECT_EQ(config.train.cuda_graph, false);
  EXPECT_EQ(config.train.gradient_clip_norm, 5.0);
  EXPECT_EQ(config.train.learning_rate_batch, 256);
  EXPECT_EQ(config.train.optimizer.rule.name, "adamw");
  EXPECT_EQ(config.train.optimizer.learning_rate, 0.0003);
  EXPECT_THAT(config.train.optimizer.rule.own.get<optimizer::AdamSettings>("adam").betas,
              ElementsAre(0.5, 0.99));
  EXPECT_EQ(config.distributed.threads_per_rank, 2);
  EXPECT_EQ(config.metrics.port, std::nullopt);
  EXPECT_EQ(config.metrics.service_discovery, "/tmp/sd");
}

TEST(LoadConfig, MergesWhatAMergeKeyNames) {
  const Config config = parse_config(
      "x-usual: &usual {train: {steps: 7, optimizer: {name: sgd}}, log: {every_steps: 3}}\n"
      "x-more: &more {log: {every_steps: 4}, evaluate: {batch: 32}}\n"
      "<<: [*usual, *more]\n"
      "run: {name: merged}\n"
      "data:\n"
      "  train: &source {file: a.h5, dataset: x, rows: [0, 100]}\n"
      "  validation: {<<: *source, rows: [100, 200]}\n",
      "big.yaml", {"evaluate.batch=16"});
  EXPECT_EQ(config.train.steps, 7);
  EXPECT_EQ(config.train.optimizer.rule.name, "sgd");
  EXPECT_EQ(config.log.every_steps, 3) << "the first merged map takes precedence";
  EXPECT_EQ(config.evaluate.batch, 16);
  EXPECT_THAT(config.data.validation.file, ElementsAre("a.h5"));
  EXPECT_THAT(config.data.validation.dataset, ElementsAre("x"));
  EXPECT_THAT(config.data.validation.rows, ElementsAre(100, 200))
      << "the map's own key takes precedence";
}

TEST(LoadConfig, RefusesAMergeOfWhatIsNoMap) {
  EXPECT_THAT(complaint_of("train: {<<: 3}\n"),
              HasSubstr("big.yaml:5: train.<< takes a map or a list of maps"));
  EXPECT_THAT(complaint_of("train: {<<: [{steps: 3}, x]}\n"), HasSubstr("not a list"));
  EXPECT_THAT(complaint_of("train: &loop\n  <<: *loop\n"), HasSubstr("merges itself"));
  EXPECT_THAT(complaint_of("train: {<<: {stepz: 3}}\n"), HasSubstr("did you mean 'train.steps'"));
}

TEST(LoadConfig, TakesAFileAloneOrInAList) {
  EXPECT_THAT(
      parse_config("run: {name: x}\ndata: {train: {file: [a.h5]}}\n", "big.yaml").data.train.file,
      ElementsAre("a.h5"));
  EXPECT_THAT(
      parse_config("run: {name: x}\ndata: {train: {file: a b.h5}}\n", "big.yaml").data.train.file,
      ElementsAre("a b.h5"));
}

TEST(LoadConfig, NullLeavesAGroupAtItsDefaults) {
  const Config config =
      parse("objective: {capacity: null, beta: }\ntrain: {early_stop: null, schedule: null}\n");
  EXPECT_EQ(values(config), values(parse()));
}

TEST(LoadConfig, ReadsAValidationSource) {
  const Config config = parse(
      "",
      {"data.validation={file: b.h5, dataset: /imgs, layout: NHWC, scale: 0.5, rows: [10, 20]}"});
  EXPECT_THAT(config.data.validation.file, ElementsAre("b.h5"));
  EXPECT_THAT(config.data.validation.dataset, ElementsAre("/imgs"));
  EXPECT_EQ(config.data.validation.layout, "NHWC");
  EXPECT_EQ(config.data.validation.scale, 0.5);
  EXPECT_THAT(config.data.validation.rows, ElementsAre(10, 20));
}

TEST(LoadConfig, QuotedWordsAreTextAndPlainOnesAreNot) {
  EXPECT_THAT(parse("", {"data.train.dataset=null"}).data.train.dataset, IsEmpty());
  EXPECT_THAT(parse("", {"data.train.dataset='null'"}).data.train.dataset, ElementsAre("null"));
  EXPECT_THAT(parse("", {"data.train.dataset=[rho, u]"}).data.train.dataset,
              ElementsAre("rho", "u"));
  EXPECT_EQ(parse("", {"run.name=2024"}).run.name, "2024");
  EXPECT_EQ(parse("", {"run.name='required'"}).run.name, "required");
}

TEST(LoadConfig, OverridesApplyInOrderAfterTheFile) {
  const Config config =
      parse("train: {global_batch: 32}\n",
            {"train.global_batch=128", "run.name=second", "train.global_batch=512"});
  EXPECT_EQ(config.train.global_batch, 512);
  EXPECT_EQ(config.run.name, "second");
}

TEST(LoadConfig, OverridesCanGiveARequiredKeyAndAWholeGroup) {
  const Config config =
      parse_config("run: {name: x}\n", "big.yaml",
                   {"data.train.file=b.h5", "train.schedule={name: cosine, warmup_steps: 10}"});
  EXPECT_THAT(config.data.train.file, ElementsAre("b.h5"));
  EXPECT_EQ(config.train.schedule.name, RateSchedule::cosine);
  EXPECT_EQ(config.train.schedule.warmup_steps, 10);
}

TEST(LoadConfig, AnOverrideThatTakesAFilesKeyOutOfEffectPutsItBackToItsDefault) {
  const std::string file =
      "objective: {kld_weight: {rule: reference, weight: 0.5, batch: 8}}\ntrain: {global_batch: "
      "32}\n";
  const Config fixed = parse(file, {"objective.kld_weight.rule=fixed"});
  EXPECT_EQ(fixed.objective.kld_weight.weight, 0.5);
  EXPECT_EQ(fixed.objective.kld_weight.batch, 64);
  const Config elbo = parse(file, {"objective.kld_weight.rule=elbo", "train.batch_per_replica=16"});
  EXPECT_EQ(elbo.objective.kld_weight.weight, 0.00025);
  EXPECT_EQ(elbo.train.global_batch, 64);
  EXPECT_EQ(elbo.train.batch_per_replica, 16);
}

TEST(LoadConfig, StepsAndEpochsMayBothStand) {
  const Config config = parse("train: {steps: 500, epochs: 3}\n");
  EXPECT_EQ(config.train.steps, 500);
  EXPECT_EQ(config.train.epochs, 3);
}

TEST(LoadConfig, AcceptsAResolvedRunsBatchReplicasAndBatchPerReplicaWhenTheyAgree) {
  const Config config =
      parse("train: {global_batch: 128, batch_per_replica: 32}\ndistributed: {replicas: 4}\n");
  EXPECT_EQ(config.train.global_batch, 128);
}

TEST(LoadConfig, ReadsAFile) {
  const auto path = std::filesystem::path(testing::TempDir()) / "vae_dist_load_config_test.yaml";
  std::ofstream(path) << with_required("train: {epochs: 7}\n");
  EXPECT_EQ(load_config(path.string()).train.epochs, 7);
  std::filesystem::remove(path);
}

TEST(LoadConfig, NamesAFileThatCannotBeRead) {
  const std::string missing = testing::TempDir() + "/no_such_config.yaml";
  for (const std::string& path : {missing, testing::TempDir()}) {
    try {
      load_config(path);
      FAIL() << path << " was read";
    } catch (const base::BadInput& error) {
      EXPECT_THAT(error.what(), HasSubstr(path + ": cannot be read: "));
    }
  }
}

}  // namespace
}  // namespace vae_dist::config
