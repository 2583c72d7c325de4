// Tests what a resume may change in the configuration of a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config_text.hpp"

namespace vae_dist::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;

TEST(Resume, ListsEachDifferenceThatIsNotAllowed) {
  const Config saved = parse();
  const Config now = parse("", {"train.global_batch=128", "run.seed=2", "train.steps=10",
                                "model.hidden_dims=[8, 16]", "train.gradient_clip_norm=1"});
  EXPECT_THAT(forbidden_differences(saved, now),
              ElementsAre("run.seed: 1265 in the run, 2 now",
                          "model.hidden_dims: [32, 64, 128, 256, 512] in the run, [8, 16] now",
                          "train.global_batch: 64 in the run, 128 now",
                          "train.gradient_clip_norm: null in the run, 1 now"));
}

TEST(Resume, ListsTenEntriesOfALongList) {
  const auto epochs = [](int count) {
    std::string list = "[1";
    for (int i = 2; i <= count; ++i) list += ", " + std::to_string(i);
    return "train: {schedule: {name: step, milestones: " + list + "]}}\n";
  };
  EXPECT_THAT(forbidden_differences(parse(epochs(500)), parse(epochs(11))),
              ElementsAre("train.schedule.milestones: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 490 "
                          "more] in the run, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 1 more] now"));
}

TEST(Resume, AllowsWhatLeavesTheTrainingItself) {
  const Config now = parse(
      "",
      {"run.name=another", "run.directory=elsewhere", "data.train.file=moved.h5",
       "data.validation.file=b.h5", "data.prefetch_batches=9", "train.epochs=7", "train.steps=7",
       "train.channels_last=false", "train.cuda_graph=false", "distributed.device=cpu",
       "distributed.backend=mpi", "distributed.threads_per_rank=1", "distributed.share_gpu=true",
       "checkpoint={every_steps: 5, every_minutes: 1, keep: 9, keep_best: 0, resume: never}",
       "evaluate={every_epochs: 5, batch: 5}",
       "pictures={every_epochs: 5, samples: 5, reconstructions: 5}",
       "log={every_steps: 5, level: debug}",
       "metrics={port: 0, address: localhost, service_discovery: /tmp}"});
  EXPECT_THAT(forbidden_differences(parse(), now), IsEmpty());
}

TEST(Resume, AllowsExactlyTheKeysOfTheContract) {
  Config config;
  std::vector<std::string> allowed;
  for (const base::Key& key : key_table(config)) {
    const std::string section = key.name.substr(0, key.name.find('.'));
    const bool whole_section = section == "checkpoint" || section == "evaluate" ||
                               section == "pictures" || section == "log" || section == "metrics";
    if (whole_section) {
      EXPECT_TRUE(key.may_change_on_resume) << key.name;
    } else if (key.may_change_on_resume) {
      allowed.push_back(key.name);
    }
  }
  EXPECT_THAT(
      allowed,
      ElementsAre("run.name", "run.directory", "model.encoder", "model.decoder", "objective.script",
                  "data.train.file", "data.validation.file", "data.cache", "data.prefetch_batches",
                  "data.reader_threads", "train.epochs", "train.steps", "train.channels_last",
                  "train.cuda_graph", "train.recompute", "distributed.device",
                  "distributed.backend", "distributed.first_bucket_mib", "distributed.bucket_mib",
                  "distributed.threads_per_rank", "distributed.timeout_s",
                  "distributed.slow_timeout_s", "distributed.share_gpu"));
}

// The order of samples is chosen at the first start and kept. Runs saved before this choice existed
// shuffled all samples together.
TEST(Resume, AnOpenShuffleWindowKeepsTheRuns) {
  Config saved = parse();
  EXPECT_THAT(forbidden_differences(saved, parse()), IsEmpty());
  EXPECT_THAT(forbidden_differences(saved, parse("", {"data.shuffle_window_chunks=0"})), IsEmpty());
  saved.data.shuffle_window_chunks = 16;
  EXPECT_THAT(forbidden_differences(saved, parse("", {"data.cache=memory"})), IsEmpty());
  EXPECT_THAT(forbidden_differences(saved, parse("", {"data.shuffle_window_chunks=0"})),
              ElementsAre("data.shuffle_window_chunks: 16 in the run, 0 now"));
}

TEST(Resume, KeepsTheOrderOfSamplesAndThePrecisionThatWereChosen) {
  Config saved = parse("", {"data.order=sections", "data.sections=fixed", "train.precision=bf16"});
  EXPECT_THAT(forbidden_differences(saved, parse("", {"train.precision=auto"})), IsEmpty());
  EXPECT_THAT(
      forbidden_differences(saved, parse("", {"data.sections=epoch", "train.precision=fp32"})),
      ElementsAre("data.sections: fixed in the run, epoch now",
                  "train.precision: bf16 in the run, fp32 now"));
  EXPECT_THAT(
      forbidden_differences(saved, parse("", {"data.order=global", "train.precision=auto"})),
      Contains("data.order: sections in the run, global now"));
}

// Runs begun before there were sections drew every batch from all samples.
TEST(Resume, OlderRunsKeepTheirGlobalOrder) {
  const KeptConfig kept =
      parse_kept_config("run: {name: a}\ndata: {train: {file: a.h5}}\n", "config.yaml");
  EXPECT_EQ(kept.config.data.order, Order::global);
  Config now = parse("");
  keep_older_values(now, kept);
  EXPECT_EQ(now.data.order, Order::global);
  EXPECT_THAT(forbidden_differences(kept.config, now), IsEmpty());
}

TEST(Resume, OlderRunsOfResnetVaeNormaliseAsTheyDidAndMayRecompute) {
  const std::string residual =
      "run: {name: a}\ndata: {train: {file: a.h5}}\nmodel.name: resnet_vae\n";
  const KeptConfig kept = parse_kept_config(residual, "config.yaml");
  Config now = parse_config(residual, "a.yaml", {"train.recompute=blocks"});
  keep_older_values(now, kept);
  EXPECT_THAT(values(now), IsSupersetOf({"model.normalise_in: fp32", "model.group_norm: torch",
                                         "train.recompute: blocks"}));
  EXPECT_THAT(forbidden_differences(kept.config, now), IsEmpty());
  EXPECT_THAT(forbidden_differences(kept.config,
                                    parse_config(residual, "a.yaml", {"model.normalise_in=bf16"})),
              Contains("model.normalise_in: fp32 in the run, bf16 now"));
}

TEST(Resume, OlderRunsAddTheBiasesThatBatchNormCancels) {
  const KeptConfig kept =
      parse_kept_config("run: {name: a}\ndata: {train: {file: a.h5}}\n", "config.yaml");
  Config now = parse("");
  EXPECT_EQ(now.model.cancelled_bias, CancelledBias::skip);
  keep_older_values(now, kept);
  EXPECT_EQ(now.model.cancelled_bias, CancelledBias::add);
  EXPECT_THAT(forbidden_differences(kept.config, parse("", {"model.cancelled_bias=skip"})),
              Contains("model.cancelled_bias: add in the run, skip now"));
}

TEST(Resume, OlderRunsLookAtEachReplicaForItself) {
  const KeptConfig kept =
      parse_kept_config("run: {name: a}\ndata: {train: {file: a.h5}}\n", "config.yaml");
  Config now = parse("");
  EXPECT_EQ(now.objective.scope, Scope::global);
  keep_older_values(now, kept);
  EXPECT_EQ(now.objective.scope, Scope::replica);
  EXPECT_THAT(forbidden_differences(kept.config, parse("", {"objective.scope=global"})),
              Contains("objective.scope: replica in the run, global now"));
}

TEST(Resume, NullReplicasKeepTheRuns) {
  Config saved = parse("train: {batch_per_replica: 32}\n");
  saved.distributed.replicas = 4;
  saved.train.global_batch = 128;
  EXPECT_THAT(forbidden_differences(saved, parse("train: {batch_per_replica: 32}\n")), IsEmpty());
  EXPECT_THAT(forbidden_differences(saved, parse("train: {batch_per_replica: 16}\n")),
              ElementsAre("train.batch_per_replica: 32 in the run, 16 now"));
  EXPECT_THAT(forbidden_differences(
                  saved, parse("train: {batch_per_replica: 32}\ndistributed: {replicas: 2}\n")),
              ElementsAre("distributed.replicas: 4 in the run, 2 now"));
}

}  // namespace
}  // namespace vae_dist::config
