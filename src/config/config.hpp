// The configuration as plain structs. Key `train.global_batch` of the YAML file is `Config::train.global_batch` here; what each key
// means, its range and its default's wording stand in key_table.cpp, and only there. An empty optional is `null` or `auto`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/registered_kinds.hpp"

namespace vae_dist::config {

struct RunConfig {
  std::string name;
  std::string directory = "runs";
  std::int64_t seed = 1265;
};

struct ModelConfig {
  std::string name = "vanilla_vae";
  std::int64_t latent_dim = 128;
  std::vector<std::int64_t> hidden_dims = {32, 64, 128, 256, 512};
  std::string activation = "leaky_relu";
  std::string output = "auto";
  base::ItemSettings own = base::ItemSettings::defaults_of(base::Registry<base::Network>::all());  ///< what single networks have keys for
};

/// What the network that the configuration names learns about each x.
base::LatentKind latent_kind(const ModelConfig& model);

struct KldWeightConfig {
  std::string rule = "auto";
  double weight = 0.00025;
  std::int64_t batch = 64;
};

struct BetaConfig {
  std::string schedule = "constant";
  double value = 1.0;
  double from = 0.0;
  double to = 1.0;
  std::optional<std::int64_t> steps;
  std::optional<std::int64_t> period_steps;
  double ratio = 0.5;
};

struct CapacityConfig {
  std::optional<double> gamma;
  std::optional<double> max_nats;
  std::optional<std::int64_t> steps;
};

struct ObjectiveConfig {
  std::string likelihood = "gaussian";
  std::string variance = "fixed";
  double sigma = 1.0;
  std::string reduction = "mean";
  KldWeightConfig kld_weight;
  BetaConfig beta;
  double free_bits = 0.0;
  CapacityConfig capacity;
  std::int64_t importance_samples = 1;
  std::int64_t prior_samples = 64;
  base::ItemList regularisers = base::ItemList::of(base::Registry<base::Regulariser>::all());
};

/// `data.train` and `data.validation`.
struct SourceConfig {
  std::vector<std::string> file;
  std::optional<std::string> dataset;
  std::string layout = "auto";
  std::optional<double> scale;       // empty: auto
  std::vector<std::int64_t> rows;    // empty: null (all), else [first, past the last]
  std::optional<std::string> split;
  std::optional<double> fraction;    // validation only: this share of the training rows
};

struct DataConfig {
  SourceConfig train;
  SourceConfig validation;  // `file` and `fraction` empty: no validation
  std::vector<double> range = {0.0, 1.0};
  std::string binarize = "none";
  std::string dequantize = "none";
  std::optional<std::int64_t> crop;
  std::optional<std::int64_t> resize;
  bool horizontal_flip = false;
  std::string cache = "auto";
  std::optional<std::int64_t> shuffle_window_chunks;
  std::int64_t prefetch_batches = 3;
  std::optional<std::int64_t> reader_threads;
};

struct OptimizerConfig {
  std::string name = "adam";
  double learning_rate = 0.001;
  std::vector<double> betas = {0.9, 0.999};
  double epsilon = 1.0e-8;
  double weight_decay = 0.0;
  double momentum = 0.0;
};

struct ScheduleConfig {
  std::string name = "constant";
  std::int64_t warmup_steps = 0;
  double gamma = 0.95;
  std::string per = "epoch";
  double final_learning_rate = 0.0;
  std::vector<std::int64_t> milestones;
};

struct EarlyStopConfig {
  std::optional<std::int64_t> patience;
  std::string metric = "validation_loss";
};

struct TrainConfig {
  std::int64_t epochs = 100;
  std::optional<std::int64_t> steps;
  std::int64_t global_batch = 64;
  std::optional<std::int64_t> batch_per_replica;
  OptimizerConfig optimizer;
  std::optional<std::int64_t> learning_rate_batch;
  ScheduleConfig schedule;
  std::optional<double> gradient_clip_norm;
  std::optional<double> skip_step_above_norm;
  std::int64_t max_skipped_steps = 20;
  std::optional<double> ema_decay;
  EarlyStopConfig early_stop;
  std::string precision = "fp32";
  bool channels_last = true;
  std::optional<bool> cuda_graph;  // empty: auto
};

struct DistributedConfig {
  std::string device = "auto";
  std::string backend = "auto";
  std::optional<std::int64_t> replicas;
  std::string batch_norm = "local";
  bool reproducible = false;
  double first_bucket_mib = 1;
  double bucket_mib = 25;
  std::string compress = "none";
  std::optional<std::int64_t> threads_per_rank;  // empty: auto
  double timeout_s = 600;
  double slow_timeout_s = 3600;
  bool share_gpu = false;
};

struct CheckpointConfig {
  std::int64_t every_steps = 1000;
  double every_minutes = 10;
  std::int64_t keep = 2;
  std::int64_t keep_best = 1;
  std::string resume = "auto";
};

struct EvaluateConfig {
  std::int64_t every_epochs = 1;
  std::int64_t batch = 256;
  std::int64_t importance_samples = 0;
};

struct PicturesConfig {
  std::int64_t every_epochs = 1;
  std::int64_t samples = 64;
  std::int64_t reconstructions = 32;
  std::int64_t traversals = 0;
};

struct LogConfig {
  std::int64_t every_steps = 50;
  std::string level = "info";
};

struct MetricsConfig {
  std::optional<std::int64_t> port = 19400;  // empty: null, no exporter
  std::string address = "auto";
  std::string service_discovery = "auto";
  std::optional<std::string> push_gateway;
};

struct Config {
  RunConfig run;
  ModelConfig model;
  ObjectiveConfig objective;
  DataConfig data;
  TrainConfig train;
  DistributedConfig distributed;
  CheckpointConfig checkpoint;
  EvaluateConfig evaluate;
  PicturesConfig pictures;
  LogConfig log;
  MetricsConfig metrics;
};

}  // namespace vae_dist::config
