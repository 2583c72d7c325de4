// The configuration as plain structs. Key `train.global_batch` of the YAML file is
// `Config::train.global_batch` here. The keys_*.cpp alone document each key: its meaning, its range
// and how its default is written. A choice among registered items (model.name,
// objective.likelihood, train.optimizer.name) is a Chosen: the name, and the settings for which the
// items define keys of their own. An empty optional stands for `null` or `auto`. words.cpp lists
// how each enum value is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/registered_kinds.hpp"

namespace vae_dist::config {

struct RunConfig {
  std::string name;
  std::string directory = "runs";
  std::int64_t seed = 1265;
};

enum class Activation { leaky_relu, relu, tanh, silu };
enum class Output { automatic, sigmoid, tanh, identity };
enum class CancelledBias { skip, add };

enum class CodesKind { continuous, vector_quantized };

struct CodesConfig {
  CodesKind kind = CodesKind::continuous;
  std::int64_t size = 512;
  std::int64_t groups = 1;
  double commitment = 0.25;
  double decay = 0.99;
  std::optional<std::int64_t> restart_after = 100;
};

struct ModelConfig {
  base::Chosen<base::Network> network{"vanilla_vae"};
  std::int64_t latent_dim = 128;
  std::vector<std::int64_t> hidden_dims = {32, 64, 128, 256, 512};
  Activation activation = Activation::leaky_relu;
  Output output = Output::automatic;
  CancelledBias cancelled_bias = CancelledBias::skip;
  CodesConfig codes;
};

/// Returns what the configured network learns about each x: with a codebook, always a point.
base::LatentKind latent_kind(const ModelConfig& model);

/// Returns whether the layers of the configured network come from elsewhere
/// (base::Network::foreign_layers).
bool has_foreign_layers(const ModelConfig& model);

/// Returns whether the configured network has blocks that backward can compute again.
bool has_blocks(const ModelConfig& model);

enum class KldWeightRule { automatic, reference, batch_over_dataset, fixed, elbo };

struct KldWeightConfig {
  KldWeightRule rule = KldWeightRule::automatic;
  double weight = 0.00025;
  std::int64_t batch = 64;
};

enum class BetaSchedule { constant, linear, cyclical };

struct BetaConfig {
  BetaSchedule schedule = BetaSchedule::constant;
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

enum class Reduction { mean, sum };
enum class Scope { global, replica };
enum class ObjectiveName { standard, script };

struct ObjectiveConfig {
  ObjectiveName name = ObjectiveName::standard;
  std::optional<std::string> script;
  base::Chosen<base::Likelihood> likelihood{"gaussian"};
  Reduction reduction = Reduction::mean;
  Scope scope = Scope::global;
  KldWeightConfig kld_weight;
  BetaConfig beta;
  double free_bits = 0.0;
  CapacityConfig capacity;
  std::int64_t importance_samples = 1;
  std::int64_t prior_samples = 64;
  base::ItemList regularisers = base::ItemList::of(base::Registry<base::Regulariser>::all());
};

/// Returns the traits of the configured likelihood under its settings.
base::LikelihoodTraits likelihood_traits(const ObjectiveConfig& objective);

/// Returns `objective.kld_weight.rule` with `auto` resolved: `reference` for PyTorch-VAE's
/// objective (a Gaussian of fixed sigma under `mean`), else `elbo`.
KldWeightRule kld_weight_rule(const ObjectiveConfig& objective);

/// `data.train` and `data.validation`.
struct SourceConfig {
  std::vector<std::string> file;
  std::vector<std::string> dataset;
  std::string layout = "auto";
  std::optional<double> scale;     // empty: auto
  std::vector<std::int64_t> rows;  // empty: null (all rows), else [first, past the last]
  std::optional<std::string> split;
  std::optional<double> fraction;  // validation only: the share of the training rows
  base::ItemList condition = base::ItemList::of(base::Registry<base::Condition>::all());  // of both
};

enum class Normalize { scale, none, standardize, min_max };
enum class Missing { error, mask };
enum class Binarize { none, threshold, dynamic, fixed };
enum class Dequantize { none, uniform };
enum class Cache { automatic, memory, stream };
enum class Order { automatic, global, sections };
enum class Sections { automatic, epoch, fixed };

struct DataConfig {
  SourceConfig train;
  SourceConfig validation;  // no validation if `file` and `fraction` are both empty
  std::vector<double> range = {0.0, 1.0};
  Normalize normalize = Normalize::scale;
  std::vector<std::string> transform = {"none"};  // one, or one a channel
  std::vector<std::string> encoder_transform;     // empty: null
  Missing missing = Missing::error;
  Binarize binarize = Binarize::none;
  Dequantize dequantize = Dequantize::none;
  std::optional<std::int64_t> crop;
  std::optional<std::int64_t> resize;
  std::vector<std::int64_t> random_crop;  // empty: null
  bool horizontal_flip = false;
  std::vector<std::string> flip;  // axes of space; empty: none
  Cache cache = Cache::automatic;
  Order order = Order::automatic;
  Sections sections = Sections::automatic;
  std::optional<std::int64_t> shuffle_window_chunks;
  std::int64_t prefetch_batches = 3;
  std::optional<std::int64_t> reader_threads;
};

struct OptimizerConfig {
  base::Chosen<base::UpdateRule> rule{"adam"};
  double learning_rate = 0.001;
  double weight_decay = 0.0;
};

enum class RateSchedule { constant, exponential, cosine, step };
enum class ScheduleUnit { epoch, step };

struct ScheduleConfig {
  RateSchedule name = RateSchedule::constant;
  std::int64_t warmup_steps = 0;
  double gamma = 0.95;
  ScheduleUnit per = ScheduleUnit::epoch;
  double final_learning_rate = 0.0;
  std::vector<std::int64_t> milestones;
};

struct EarlyStopConfig {
  std::optional<std::int64_t> patience;
  std::string metric = "validation_loss";
};

enum class Precision { automatic, fp64, fp32, tf32, bf16 };
enum class Recompute { none, blocks };
enum class Convolutions { automatic, onednn, products, direct };

struct TrainConfig {
  std::int64_t epochs = 100;
  std::optional<std::int64_t> steps;
  std::int64_t global_batch = 64;
  std::optional<std::int64_t> batch_per_replica;
  OptimizerConfig optimizer;
  std::vector<std::string> freeze;
  std::optional<std::int64_t> learning_rate_batch;
  ScheduleConfig schedule;
  std::optional<double> gradient_clip_norm;
  std::optional<double> skip_step_above_norm;
  std::int64_t max_skipped_steps = 20;
  std::optional<double> ema_decay;
  EarlyStopConfig early_stop;
  Precision precision = Precision::fp32;
  bool channels_last = true;
  std::optional<bool> cuda_graph;  // empty: auto
  Recompute recompute = Recompute::none;
  Convolutions convolutions = Convolutions::automatic;
};

enum class Device { automatic, cuda, cpu };
enum class Backend { automatic, nccl, mpi };
enum class BatchNorm { local, sync };
enum class Compress { none, bf16 };

struct DistributedConfig {
  Device device = Device::automatic;
  Backend backend = Backend::automatic;
  std::optional<std::int64_t> replicas;
  BatchNorm batch_norm = BatchNorm::local;
  bool reproducible = false;
  double first_bucket_mib = 1;
  double bucket_mib = 25;
  Compress compress = Compress::none;
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
  std::string best = "loss";
  std::string resume = "auto";
};

/// What `checkpoint.resume` asks for.
enum class Resume {
  automatic,  ///< the run's newest checkpoint
  never,
  named,  ///< the checkpoint or the run that the key names
};
Resume resume_of(const CheckpointConfig& checkpoint);

struct EvaluateConfig {
  std::int64_t every_epochs = 1;
  std::int64_t every_steps = 0;
  std::int64_t batch = 256;
  std::int64_t importance_samples = 0;
};

struct PicturesConfig {
  std::int64_t every_epochs = 1;
  std::int64_t every_steps = 0;
  std::int64_t samples = 64;
  std::int64_t reconstructions = 32;
  std::int64_t traversals = 0;
};

struct LogConfig {
  std::int64_t every_steps = 50;
  log::Level level = log::Level::info;
  std::optional<bool> tensorboard;  // empty: auto
};

struct MetricsConfig {
  std::optional<std::int64_t> port = 19400;      // empty: null, no exporter
  std::optional<std::string> address;            // empty: auto
  std::optional<std::string> service_discovery;  // empty: auto
  std::optional<std::string> push_gateway;
  std::optional<std::string> textfile;
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
