// Tests the error messages of refused configurations word by word: each names the place, the key
// and the remedy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.hpp"
#include "config_text.hpp"

namespace vae_dist::config {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(RefusedConfig, UnknownKeyNamesItsLineAndTheNearestKey) {
  EXPECT_EQ(complaint_of("train:\n  epochs: 3\n  global_bach: 64\n"),
            "big.yaml:7: unknown key 'train.global_bach'; did you mean 'train.global_batch'?");
  EXPECT_EQ(complaint_of("trian: {epochs: 3}\n"),
            "big.yaml:5: unknown key 'trian'; did you mean 'train'?");
  EXPECT_EQ(
      complaint_of("learning_rate: 3\n"),
      "big.yaml:5: unknown key 'learning_rate'; did you mean 'train.optimizer.learning_rate'?");
  EXPECT_EQ(complaint_of("train: {colour_of_the_sky: 3}\n"),
            "big.yaml:5: unknown key 'train.colour_of_the_sky'; `vae_dist config` lists every key");
}

TEST(RefusedConfig, WrongTypeNamesTheTypeWanted) {
  EXPECT_EQ(complaint_of("train:\n  global_batch: many\n"),
            "big.yaml:6: train.global_batch takes an integer, not 'many'");
  EXPECT_EQ(complaint_of("train: {global_batch: '64'}\n"),
            "big.yaml:5: train.global_batch takes an integer, not the text \"64\"");
  EXPECT_EQ(complaint_of("train: {global_batch: true}\n"),
            "big.yaml:5: train.global_batch takes an integer, not 'true'");
  EXPECT_EQ(complaint_of("train: {global_batch: }\n"),
            "big.yaml:5: train.global_batch takes an integer, not null");
  EXPECT_EQ(complaint_of("train: {global_batch: [64]}\n"),
            "big.yaml:5: train.global_batch takes an integer, not a list");
  EXPECT_EQ(complaint_of("train: {steps: many}\n"),
            "big.yaml:5: train.steps takes an integer, not 'many'; or null");
  EXPECT_EQ(complaint_of("distributed: {threads_per_rank: many}\n"),
            "big.yaml:5: distributed.threads_per_rank takes an integer, not 'many'; or auto");
  EXPECT_EQ(complaint_of("train: {channels_last: yes}\n"),
            "big.yaml:5: train.channels_last takes true or false, not 'yes'");
  EXPECT_EQ(complaint_of("train: {optimizer: {learning_rate: .inf}}\n"),
            "big.yaml:5: train.optimizer.learning_rate takes a number, not '.inf'");
  EXPECT_EQ(complaint_of("model: {hidden_dims: 32}\n"),
            "big.yaml:5: model.hidden_dims takes a list such as [1, 2], not '32'");
  EXPECT_EQ(complaint_of("log: {level: null}\n"), "big.yaml:5: log.level takes text, not null");
  EXPECT_EQ(complaint_of("run.directory: ''\n"), "big.yaml:5: run.directory is empty");
}

TEST(RefusedConfig, IntegersAreWrittenAsDigits) {
  for (const char* number : {"1e3", "64.0", "99999999999999999999"}) {
    EXPECT_EQ(complaint_of(std::string("train: {global_batch: ") + number + "}\n"),
              std::string("big.yaml:5: train.global_batch takes an integer, not '") + number +
                  "' (write plain digits: 64; at most 64 bits)");
  }
}

TEST(RefusedConfig, AGroupIsNoValueAndAValueIsNoGroup) {
  EXPECT_EQ(complaint_of("train: {schedule: cosine}\n"),
            "big.yaml:5: train.schedule is a group of keys (name, warmup_steps, gamma, per, "
            "final_learning_rate, milestones), not 'cosine'");
  EXPECT_EQ(complaint_of("train:\n  epochs: {many: 3}\n"),
            "big.yaml:6: train.epochs takes an integer, not a map of keys");
  EXPECT_EQ(complaint("run: {name: x}\ndata: {train: a.h5}\n"),
            "big.yaml:2: data.train is a group of keys (file, dataset, layout, scale, rows, "
            "split, condition), not 'a.h5'");
  EXPECT_EQ(complaint("- a\n- b\n"), "big.yaml: is a list; a configuration must be a map of keys");
}

// Products of two counts, and squares of a number in 32 bits, must not overflow.
TEST(RefusedConfig, NumbersThatNoRunCanMean) {
  for (const char* key :
       {"train.epochs", "train.steps", "train.batch_per_replica", "evaluate.every_epochs",
        "evaluate.batch", "pictures.every_epochs", "checkpoint.every_steps", "log.every_steps",
        "train.schedule.warmup_steps", "train.early_stop.patience", "data.shuffle_window_chunks"}) {
    EXPECT_EQ(complaint_of(std::string(key) + ": 9223372036854775807\n"),
              std::string("big.yaml:5: ") + key +
                  " is 9223372036854775807; it must be at most 1000000000000");
    EXPECT_EQ(complaint_of(std::string(key) + ": 1000000000000\n"), "");
  }
  EXPECT_THAT(complaint_of("distributed.replicas: 9223372036854775807\n"),
              HasSubstr("at most 1000000000000"));
  EXPECT_EQ(complaint_of("data.train.rows: [0, 9223372036854775807]\n"),
            "big.yaml:5: data.train.rows is [0, 9223372036854775807]; every entry must be at most "
            "1000000000000");
  EXPECT_EQ(complaint_of("run.seed: 9223372036854775807\n"), "");
  for (const char* key : {"train.gradient_clip_norm", "train.skip_step_above_norm",
                          "train.optimizer.learning_rate", "objective.kld_weight.weight"})
    EXPECT_EQ(complaint_of(std::string(key) + ": 1e308\n"),
              std::string("big.yaml:5: ") + key + " is 1.0e+308; it must be at most 1.0e+30");
  EXPECT_THAT(complaint_of("model.latent_dim: 9223372036854775807\n"),
              HasSubstr("at least 1 and at most 1048576"));
  EXPECT_THAT(complaint_of("distributed.threads_per_rank: 100000\n"),
              HasSubstr("at least 1 and at most 1024"));
  EXPECT_THAT(complaint_of("data.reader_threads: 100000\n"),
              HasSubstr("at least 1 and at most 1024"));
  EXPECT_THAT(complaint_of("distributed.timeout_s: 1e20\n"), HasSubstr("at most 1.0e+08"));
  EXPECT_THAT(complaint_of("checkpoint.every_minutes: 1e20\n"), HasSubstr("at most 1.0e+08"));
}

TEST(RefusedConfig, OutOfRangeNamesTheRange) {
  EXPECT_EQ(complaint_of("train: {global_batch: 0}\n"),
            "big.yaml:5: train.global_batch is 0; it must be at least 1");
  EXPECT_EQ(complaint_of("objective: {sigma: 0}\n"),
            "big.yaml:5: objective.sigma is 0; it must be at least 1.0e-15 and at most 1.0e+15");
  EXPECT_EQ(complaint_of("metrics: {port: 65536}\n"),
            "big.yaml:5: metrics.port is 65536; it must be at least 0 and at most 65535");
  EXPECT_EQ(complaint_of("metrics: {port: -1}\n"),
            "big.yaml:5: metrics.port is -1; it must be at least 0 and at most 65535");
  EXPECT_EQ(
      complaint_of("train: {optimizer: {betas: [0.9, 1]}}\n"),
      "big.yaml:5: train.optimizer.betas is [0.9, 1]; every entry must be at least 0 and below 1");
  EXPECT_EQ(complaint_of("train: {optimizer: {betas: [0.9]}}\n"),
            "big.yaml:5: train.optimizer.betas is [0.9]; it takes 2 entries");
  EXPECT_EQ(complaint_of("model: {hidden_dims: [32, 0]}\n"),
            "big.yaml:5: model.hidden_dims is [32, 0]; every entry must be at least 1 and at most "
            "1048576");
  EXPECT_EQ(
      complaint_of("", {"data.range=[0, 255]"}),
      "data.range=[0, 255] (command line): data.range is [0, 255]; choose one of [0, 1] | [-1, 1]");
  EXPECT_EQ(complaint_of("model: {activation: gelu}\n"),
            "big.yaml:5: model.activation is gelu; choose one of leaky_relu | relu | tanh | silu");
}

TEST(RefusedConfig, EntriesOfAListAreWordsOfTheKey) {
  EXPECT_EQ(complaint_of("data.flip: [H, X]\n"),
            "big.yaml:5: data.flip holds 'X'; choose from D | H | W");
  EXPECT_EQ(complaint_of("data.flip: h\n"),
            "big.yaml:5: data.flip holds 'h'; choose from D | H | W");
  EXPECT_EQ(complaint_of("data.flip: [W, D]\n"), "");
}

TEST(RefusedConfig, ACudaGraphOnTheCpu) {
  EXPECT_THAT(complaint_of("", {"train.cuda_graph=true", "distributed.device=cpu"}),
              AllOf(StartsWith("train.cuda_graph=true (command line)"),
                    HasSubstr("which needs a GPU"), HasSubstr("set train.cuda_graph to auto")));
}

TEST(RefusedConfig, DataKeysThatExcludeEachOther) {
  EXPECT_THAT(complaint_of("", {"data.train.rows=[0, 9]", "data.train.split=train"}),
              HasSubstr("data.train.rows and data.train.split both select rows; keep only one"));
  EXPECT_THAT(complaint_of("", {"data.validation.file=b.h5", "data.validation.fraction=0.1"}),
              HasSubstr("in place of data.validation.file; keep only one of them"));
  EXPECT_THAT(complaint_of("", {"data.binarize=dynamic", "data.dequantize=uniform"}),
              HasSubstr("which data.binarize removes"));
}

TEST(RefusedConfig, ARunNameIsNoPath) {
  for (const char* name : {"../elsewhere", "a/b", "/tmp/run", ".."})
    EXPECT_THAT(complaint_of("", {std::string("run.name=") + name}),
                HasSubstr("give the name of a folder within run.directory"));
}

TEST(RefusedConfig, ARequiredKeyIsMissingOrNotFilledIn) {
  EXPECT_EQ(complaint("data: {train: {file: a.h5}}\n"),
            "big.yaml: required key 'run.name' is missing");
  EXPECT_EQ(complaint("run: {name: x}\n"), "big.yaml: required key 'data.train.file' is missing");
  EXPECT_EQ(complaint(""), "big.yaml: required key 'run.name' is missing");
  EXPECT_EQ(complaint("run: {name: x}\ndata: {train: null}\n"),
            "big.yaml: required key 'data.train.file' is missing");
  EXPECT_EQ(complaint("run:\n  name: required\n"),
            "big.yaml:2: required key 'run.name' is not filled in");
  EXPECT_EQ(complaint("run:\n  name:\n"), "big.yaml:2: run.name takes text, not null");
}

TEST(RefusedConfig, AKeyGivenTwice) {
  EXPECT_EQ(complaint_of("train:\n  epochs: 3\n  steps: 5\n  epochs: 4\n"),
            "big.yaml:8: key 'train.epochs' is set twice; keep only one");
  EXPECT_EQ(complaint_of("train: {epochs: 3}\ntrain: {steps: 4}\n"),
            "big.yaml:6: key 'train' is set twice; keep only one");
  EXPECT_EQ(complaint_of("train: {epochs: 3}\ntrain.epochs: 4\n"),
            "big.yaml:6: key 'train.epochs' is set twice; keep only one");
}

TEST(RefusedConfig, TextThatIsNoYaml) {
  EXPECT_THAT(complaint_of("train: {epochs: 3\n"),
              AllOf(StartsWith("big.yaml:"), HasSubstr("this is not valid YAML: ")));
  EXPECT_THAT(complaint_of("train:\n  epochs: 3\n bad\n"),
              StartsWith("big.yaml:7: this is not valid YAML: "));
  EXPECT_EQ(complaint_of("---\ntrain: {epochs: 3}\n"),
            "big.yaml: holds 2 YAML documents; keep only one");
}

TEST(RefusedConfig, OverridesNameThemselves) {
  EXPECT_EQ(complaint_of("", {"train.global_batch=x"}),
            "train.global_batch=x (command line): train.global_batch takes an integer, not 'x'");
  EXPECT_EQ(complaint_of("", {"train.global_bach=64"}),
            "train.global_bach=64 (command line): unknown key 'train.global_bach'; did you mean "
            "'train.global_batch'?");
  EXPECT_EQ(
      complaint_of("", {"train={epohcs: 3}"}),
      "train={epohcs: 3} (command line): unknown key 'train.epohcs'; did you mean 'train.epochs'?");
  EXPECT_EQ(complaint_of("", {"train.global_batch"}),
            "train.global_batch (command line): write key=value, e.g. train.global_batch=512");
  EXPECT_THAT(complaint_of("", {"data.train.file=*.h5"}),
              StartsWith("data.train.file=*.h5 (command line): the value is not valid YAML: "));
}

TEST(RefusedConfig, GlobalBatchAndBatchPerReplicaExcludeEachOther) {
  EXPECT_EQ(complaint_of("train:\n  global_batch: 64\n  batch_per_replica: 16\n"),
            "big.yaml:6: train.global_batch has no effect: it applies only when "
            "train.batch_per_replica is null");
  EXPECT_EQ(complaint_of("train: {batch_per_replica: 16}\n", {"train.global_batch=128"}),
            "train.global_batch=128 (command line): train.global_batch has no effect: it applies "
            "only when train.batch_per_replica is null");
  EXPECT_EQ(complaint_of("train: {batch_per_replica: 16}\n",
                         {"train.global_batch=128", "train.batch_per_replica=null"}),
            "");
  EXPECT_THAT(
      complaint_of(
          "train: {global_batch: 100, batch_per_replica: 32}\ndistributed: {replicas: 4}\n"),
      HasSubstr("has no effect"));
}

TEST(RefusedConfig, AValueWithoutEffectIsNotIgnored) {
  EXPECT_EQ(complaint_of("objective: {kld_weight: {rule: elbo, weight: 0.1}}\n"),
            "big.yaml:5: objective.kld_weight.weight has no effect: it applies only when "
            "objective.kld_weight.rule is reference or fixed");
  EXPECT_THAT(complaint_of("objective: {kld_weight: {rule: batch_over_dataset, weight: 0.1}}\n"),
              HasSubstr("has no effect"));
  EXPECT_THAT(complaint_of("objective: {kld_weight: {rule: fixed, batch: 64}}\n"),
              HasSubstr("has no effect"));
  EXPECT_THAT(complaint_of("objective: {reduction: sum, kld_weight: {rule: auto, weight: 0.1}}\n"),
              HasSubstr("has no effect"));
  EXPECT_THAT(complaint_of("train: {schedule: {name: cosine, gamma: 0.5}}\n"),
              HasSubstr("has no effect"));
  EXPECT_THAT(complaint_of("train: {schedule: {final_learning_rate: 0.0001}}\n"),
              HasSubstr("has no effect"));
  EXPECT_THAT(complaint_of("", {"data.validation.rows=[0, 10]"}),
              HasSubstr("it applies only when data.validation.file is set"));
  EXPECT_EQ(complaint_of("objective: {kld_weight: {weight: 0.1, batch: 32}}\n"), "");
  EXPECT_EQ(complaint_of("objective: {reduction: sum, kld_weight: {rule: fixed, weight: 0.1}}\n"),
            "");
}

TEST(RefusedConfig, WhatAModelWithoutAPosteriorHasNoUseFor) {
  for (const std::string model : {"model.name=autoencoder", "model.name=decoder_only"})
    for (const char* assignment :
         {"objective.kld_weight.rule=elbo", "objective.kld_weight.weight=0.1",
          "objective.beta.value=2", "objective.free_bits=0.1", "objective.capacity.gamma=1",
          "objective.importance_samples=5"})
      EXPECT_THAT(complaint_of("", {model, assignment}),
                  HasSubstr("has no effect: it applies only when"))
          << model << " " << assignment;
  EXPECT_THAT(complaint_of("", {"objective.prior_samples=5"}),
              HasSubstr("it applies only when model.name is decoder_only"));
  EXPECT_THAT(complaint_of("", {"model.blocks=3"}),
              HasSubstr("it applies only when model.name is resnet_vae"));
  EXPECT_EQ(complaint_of("train: {recompute: blocks}\n"),
            "big.yaml:5: train.recompute has no effect: it applies only when model.name is "
            "resnet_vae");
}

TEST(RefusedConfig, ObjectivesWithoutAMeaning) {
  EXPECT_THAT(complaint_of("", {"objective.likelihood=bernoulli", "model.output=sigmoid"}),
              HasSubstr("takes logits; set model.output to auto"));
  EXPECT_THAT(complaint_of("", {"objective.likelihood=bernoulli", "data.range=[-1, 1]"}),
              HasSubstr("set data.range to [0, 1]"));
  EXPECT_THAT(complaint_of("", {"objective.likelihood=bernoulli", "objective.variance=learned"}),
              HasSubstr("it applies only when objective.likelihood is gaussian"));
  EXPECT_THAT(complaint_of("", {"objective.variance=learned", "objective.sigma=0.1"}),
              HasSubstr("it applies only when"));
  EXPECT_THAT(
      complaint_of("", {"objective.likelihood=discretized_logistic", "data.dequantize=uniform"}),
      HasSubstr("needs the 256 levels of a byte, but data.dequantize does not preserve them"));
  EXPECT_THAT(
      complaint_of("", {"objective.likelihood=discretized_logistic", "data.binarize=fixed"}),
      HasSubstr("but data.binarize does not preserve them"));
  for (const char* counts : {"poisson", "negative_binomial", "zero_inflated_negative_binomial"}) {
    const std::string likelihood = std::string("objective.likelihood=") + counts;
    EXPECT_THAT(
        complaint_of("", {likelihood, "data.binarize=fixed"}),
        HasSubstr("needs counts as they are stored, but data.binarize makes zeros and ones"));
    EXPECT_THAT(complaint_of("", {likelihood, "data.dequantize=uniform"}),
                HasSubstr("but data.dequantize adds noise"));
    EXPECT_THAT(complaint_of("", {likelihood, "data.range=[-1, 1]"}),
                HasSubstr("but data.range scales and shifts them"));
    EXPECT_THAT(complaint_of("", {likelihood, "model.output=sigmoid"}),
                HasSubstr("takes logits; set model.output to auto"));
  }
  EXPECT_THAT(complaint_of("", {"model.name=decoder_only", "objective.variance=optimal"}),
              HasSubstr("which decoder_only does not produce"));
  EXPECT_THAT(complaint_of("", {"objective.beta.schedule=linear"}),
              HasSubstr("which needs objective.beta.steps"));
  EXPECT_THAT(complaint_of("", {"objective.beta.schedule=cyclical"}),
              HasSubstr("which needs objective.beta.period_steps"));
  EXPECT_THAT(complaint_of("", {"objective.capacity.gamma=1"}),
              HasSubstr("also needs objective.capacity.max_nats and objective.capacity.steps"));
  EXPECT_THAT(complaint_of("", {"objective.importance_samples=5"}),
              HasSubstr("set objective.reduction to sum"));
  EXPECT_THAT(
      complaint_of(
          "objective: {reduction: sum, importance_samples: 5, kld_weight: {rule: fixed}}\n"),
      HasSubstr("set objective.kld_weight.rule to elbo"));
  EXPECT_THAT(
      complaint_of("objective: {reduction: sum, importance_samples: 5, beta: {value: 2}}\n"),
      HasSubstr("leave objective.beta at constant 1"));
  EXPECT_THAT(complaint_of("objective: {reduction: sum, importance_samples: 5, free_bits: 0.1}\n"),
              HasSubstr("set objective.free_bits to 0"));
  for (const char* name : {"tc", "dip", "factor"})
    EXPECT_THAT(complaint_of("", {"model.name=autoencoder",
                                  base::text("objective.regularisers=[{name: ", name, "}]")}),
                HasSubstr(base::text("has ", name,
                                     ", which needs a posterior, but autoencoder encodes each "
                                     "sample as a point")));
  EXPECT_THAT(complaint_of("", {"objective.regularisers=[{name: tc, steps: 10}]"}),
              HasSubstr("its schedule is linear"));
}

TEST(RefusedConfig, KeysThatContradictEachOther) {
  EXPECT_EQ(complaint_of("train:\n  schedule:\n    name: step\n"),
            "big.yaml:7: train.schedule.name is step, which needs train.schedule.milestones, e.g. "
            "[30, 60]");
  EXPECT_EQ(complaint_of("train: {schedule: {name: step, milestones: [30, 30]}}\n"),
            "big.yaml:5: train.schedule.milestones must be in strictly ascending order");
  EXPECT_EQ(complaint_of("", {"data.train.rows=[5, 5]"}),
            "data.train.rows=[5, 5] (command line): data.train.rows is [5, 5], which holds no row; "
            "write [first, past_the_last]");
  EXPECT_EQ(complaint_of("train: {epochs: 2}\ndistributed: {replicas: 3}\n"),
            "big.yaml:6: train.global_batch is 64, which is not divisible by distributed.replicas, "
            "3; make it a multiple, or set train.batch_per_replica instead");
  EXPECT_EQ(complaint_of("distributed: {device: cpu, backend: nccl}\n"),
            "big.yaml:5: distributed.backend is nccl, which needs a GPU, but distributed.device is "
            "cpu; set distributed.backend to mpi or auto");
  EXPECT_EQ(complaint_of("distributed: {compress: bf16, reproducible: true}\n"),
            "big.yaml:5: distributed.compress is bf16, which rounds what each rank sends and makes "
            "results depend on the number of ranks, but distributed.reproducible requires that "
            "they do not; set distributed.compress to none, or distributed.reproducible to false");
  EXPECT_EQ(complaint_of("train: {precision: fp64}\ndistributed: {compress: bf16}\n"),
            "big.yaml:6: distributed.compress is bf16, which discards the precision that "
            "train.precision fp64 provides; set distributed.compress to none");
  EXPECT_EQ(complaint_of("train: {schedule: {name: step, milestones: [30, 60]}}\ndistributed: "
                         "{replicas: 4, compress: bf16}\n"),
            "");
}

}  // namespace
}  // namespace vae_dist::config
