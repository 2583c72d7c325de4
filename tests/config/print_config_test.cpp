#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <utility>

#include "config_text.hpp"

namespace vae_dist::config {
namespace {

using testing::HasSubstr;
using testing::Not;

void expect_round_trip(const Config& config) {
  for (const bool annotated : {false, true}) {
    const std::string yaml = config_yaml(config, annotated);
    EXPECT_EQ(values(parse_config(yaml, "printed.yaml")), values(config)) << yaml;
  }
}

TEST(PrintConfig, DefaultsRoundTrip) { expect_round_trip(parse()); }

TEST(PrintConfig, EveryAvailableKeyRoundTripsAwayFromItsDefault) {
  const Config config = parse(
      "run.directory: 'my runs: #1'\n"
      "run.seed: 9223372036854775807\n"
      "model: {name: resnet_vae, latent_dim: 7, hidden_dims: [3], activation: silu, output: tanh, "
      "cancelled_bias: add, latent: spatial, blocks: 3, attention_at: [], normalise_in: bf16, "
      "group_norm: torch}\n"
      "objective: {sigma: 0.30000000000000004, reduction: sum, scope: replica, kld_weight: {rule: "
      "reference, "
      "weight: 1e-300, batch: 8}, beta: {value: 4}, free_bits: 0.1,\n"
      "  regularisers: [{name: code_l2, weight: 0.25}, {name: code_l2}, {name: tc, schedule: "
      "linear, steps: 7}]}\n"
      "data.train.dataset: 'null'\n"
      "data.train.layout: NCHW\n"
      "data.train.scale: 0.00392156862745098\n"
      "data.train.rows: [0, 50000]\n"
      "data.validation: {file: \"b \\\"quoted\\\"\\t\xc3\xa9.h5\", dataset: '12', layout: NHW, "
      "scale: 1, rows: [1, 2]}\n"
      "data.range: [-1, 1]\n"
      "data.horizontal_flip: true\n"
      "data.dequantize: uniform\n"
      "data.crop: 60\n"
      "data.resize: 32\n"
      "data.cache: stream\n"
      "data.shuffle_window_chunks: 0\n"
      "data.reader_threads: 3\n"
      "data.prefetch_batches: 1\n"
      "train:\n"
      "  {epochs: 1, steps: 10, global_batch: 96, learning_rate_batch: 32, gradient_clip_norm: "
      "0.5, skip_step_above_norm: 1e22,\n"
      "   max_skipped_steps: 3, precision: fp64, channels_last: false, cuda_graph: false, "
      "recompute: blocks, convolutions: products,\n"
      "   freeze: [encoder, decoder.0],\n"
      "   optimizer: {name: adamw, learning_rate: 0.0001, betas: [0, 0.5], epsilon: 1e-9, "
      "weight_decay: 0.01},\n"
      "   schedule: {name: step, warmup_steps: 5, gamma: 0.1, per: step, milestones: [3, 6]}}\n"
      "distributed: {device: cpu, backend: mpi, replicas: 8, batch_norm: sync, reproducible: true, "
      "first_bucket_mib: 0.5, bucket_mib: 7, threads_per_rank: 3, timeout_s: 5, slow_timeout_s: "
      "50,\n"
      "  share_gpu: true}\n"
      "checkpoint: {every_steps: 0, every_minutes: 0.5, keep: 1, keep_best: 0, best: elbo, resume: "
      "runs/old/checkpoints/step_00000010}\n"
      "evaluate: {every_epochs: 2, every_steps: 100, batch: 32, importance_samples: 5}\n"
      "pictures: {every_epochs: 0, every_steps: 50, samples: 4, reconstructions: 0, traversals: "
      "6}\n"
      "log: {every_steps: 1, level: debug, tensorboard: false}\n"
      "metrics: {port: null, address: '::', service_discovery: /tmp/sd, push_gateway: "
      "'gateway:9091', textfile: /tmp/collector}\n");
  expect_round_trip(config);
  EXPECT_EQ(config.data.validation.file.at(0), "b \"quoted\"\t\xc3\xa9.h5");

  // Keys that exclude a key of the text above.
  const Config other =
      parse("data.train.split: train\ndata.validation.fraction: 0.05\ndata.binarize: dynamic\n");
  expect_round_trip(other);
  const Config split =
      parse("data.validation: {file: c.h5, split: test}\n", {"data.train.file=[a.h5, b.h5]"});
  expect_round_trip(split);

  std::vector<Config> all = {config, other, split};
  for (const char* objective :
       {"objective: {likelihood: bernoulli, reduction: sum, importance_samples: 5}\n",
        "objective: {likelihood: laplace, scale: 0.5}\n",
        "objective: {likelihood: laplace, spread: learned}\n",
        "objective: {likelihood: poisson, generated_total: 500}\n",
        "objective: {variance: predicted, beta: {schedule: linear, from: 0.1, to: 2, steps: 10}}\n",
        "objective: {beta: {schedule: cyclical, from: 0.1, to: 2, period_steps: 9, ratio: 0.25}}\n",
        "objective: {name: script, script: loss.pt}\n",
        "objective: {capacity: {gamma: 10, max_nats: 25, steps: 1000}}\n",
        "model: {name: decoder_only}\nobjective: {prior_samples: 256}\n",
        "model: {name: script, encoder: a.pt, decoder: b.pt, encoder_gives: point, initialise: "
        "keyed, summed_buffers: [seen]}\n",
        "model.codes: {kind: vector_quantized, size: 64, groups: 4, commitment: 1, decay: 0.9, "
        "restart_after: null}\n",
        "data.order: sections\ndata.sections: fixed\n",
        "data.normalize: standardize\ndata.transform: [log1p, none, asinh]\n"
        "data.random_crop: [4, 5, 6]\ndata.flip: [D, W]\ndata.missing: mask\n"
        "data.train.condition: [{name: numbers, dataset: t, transform: log}, "
        "{name: classes, dataset: y}]\n",
        "data.normalize: none\ndata.encoder_transform: [log1p]\n",
        "train: {optimizer: {name: sgd, momentum: 0.9}, ema_decay: 0.999, early_stop: {patience: "
        "3, metric: validation_mse}}\n"}) {
    all.push_back(parse(objective));
    expect_round_trip(all.back());
  }

  // Together, these texts set every key.
  std::vector<std::vector<base::Key>> tables;
  for (Config& each : all) tables.push_back(key_table(each));
  for (std::size_t i = 0; i < tables[0].size(); ++i) {
    const base::Key& key = tables[0][i];
    if (key.name == "data.train.file" || key.name == "train.batch_per_replica") continue;
    if (key.name == "distributed.compress")
      continue;  // contradicts reproducible and fp64: tested below
    if (key.name.starts_with("train.schedule."))
      continue;  // the keys of one schedule exclude those of another: tested below
    EXPECT_TRUE(std::any_of(tables.begin(), tables.end(), [&](const auto& table) {
      return value_text(table[i]) != key.default_text;
    })) << key.name;
  }
}

TEST(PrintConfig, OtherSchedulesAndRulesRoundTrip) {
  expect_round_trip(
      parse("train: {schedule: {name: cosine, final_learning_rate: 1e-5}}\nobjective: {kld_weight: "
            "{rule: elbo}}\n"));
  expect_round_trip(
      parse("train: {schedule: {name: exponential, gamma: 0.97}}\nobjective: {kld_weight: {rule: "
            "fixed, weight: 1}}\n"));
  expect_round_trip(parse("objective: {reduction: sum}\n"));
  expect_round_trip(parse("distributed: {compress: bf16}\n"));
  expect_round_trip(parse("", {"run.name='required'"}));
}

TEST(PrintConfig, BatchPerReplicaRoundTrips) {
  Config config = parse("train: {batch_per_replica: 32}\n");
  EXPECT_THAT(config_yaml(config), Not(HasSubstr("global_batch:")));
  expect_round_trip(config);
  // The values that a run resolves.
  config.distributed.replicas = 4;
  config.train.global_batch = 128;
  EXPECT_THAT(config_yaml(config), HasSubstr("  global_batch: 128\n"));
  expect_round_trip(config);
}

TEST(PrintConfig, ARunKeepsItsDataByAbsolutePath) {
  const std::string here = std::filesystem::current_path().string();
  const Config kept =
      parse_config(kept_config_yaml(parse("data.validation.file: ../c.h5\n",
                                          {"data.train.file=[a.h5, /elsewhere/b.h5]"})),
                   "kept.yaml");
  EXPECT_THAT(kept.data.train.file, testing::ElementsAre(here + "/a.h5", "/elsewhere/b.h5"));
  EXPECT_EQ(kept.data.validation.file.at(0),
            (std::filesystem::current_path().parent_path() / "c.h5").string());
}

TEST(PrintConfig, AnnotatedDefaultsSayWhatEachKeyMeans) {
  const std::string yaml = default_config_yaml();
  EXPECT_THAT(yaml, HasSubstr("run:\n  name: required                          # * the run "
                              "directory is <directory>/<name>\n"));
  EXPECT_THAT(yaml, HasSubstr("\n    file: required "));
  EXPECT_THAT(yaml, HasSubstr("\n  activation: leaky_relu                  # leaky_relu | relu | "
                              "tanh | silu; nonlinearity after each hidden level\n"));
  EXPECT_THAT(yaml, HasSubstr("\n    epsilon: 1.0e-08 "));
  EXPECT_THAT(yaml, HasSubstr("\n  range: [0, 1] "));
  EXPECT_THAT(yaml, HasSubstr("\n    # gamma: 0.95 "));

  // Long comments are wrapped. Once the lines are joined, every meaning is complete.
  const std::string unwrapped = std::regex_replace(yaml, std::regex("\n {42}# "), " ");
  Config config;
  for (const base::Key& key : key_table(config))
    EXPECT_THAT(unwrapped, HasSubstr(key.meaning)) << key.name;
  std::istringstream lines(yaml);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 140u) << line;
}

TEST(PrintConfig, AStarMarksExactlyTheKeysThatAResumeMayChange) {
  const std::string yaml = default_config_yaml();
  EXPECT_THAT(
      yaml, HasSubstr("A * before the meaning marks a key that may change when a run is resumed"));
  std::istringstream lines(yaml);
  std::size_t starred = 0, may_change = 0;
  for (std::string line; std::getline(lines, line);)
    starred += line.size() > 44 && line.compare(42, 3, "# *") == 0;
  Config config;
  for (const base::Key& key : key_table(config)) may_change += key.may_change_on_resume;
  EXPECT_EQ(starred, may_change);
  EXPECT_THAT(yaml, HasSubstr("  seed: 1265                              # seed of"));
  EXPECT_THAT(yaml, HasSubstr("# * steps between checkpoints"));
}

TEST(PrintConfig, AnnotatedDefaultsAreAConfigurationOnceTheRequiredKeysAreFilledIn) {
  EXPECT_THAT(complaint(default_config_yaml()),
              HasSubstr(": required key 'run.name' is not filled in"));
  std::string yaml = default_config_yaml();
  for (const auto& [asked, answer] :
       {std::pair{"name: required", "name: first"}, std::pair{"file: required", "file: a.h5"}}) {
    yaml.replace(yaml.find(asked), std::string(asked).size(), answer);
  }
  EXPECT_EQ(values(parse_config(yaml, "printed.yaml")), values(parse()));
}

}  // namespace
}  // namespace vae_dist::config
