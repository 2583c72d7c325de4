// The keys of train and distributed: how the model is trained.
#include "config/key_rows.hpp"

namespace vae_dist::config {
namespace {

void add_schedule_keys(std::vector<base::Key>& keys, ScheduleConfig& schedule) {
  const auto when = [&schedule](RateSchedule one, RateSchedule other) {
    return [&schedule, one, other] { return schedule.name == one || schedule.name == other; };
  };
  const std::string decays = "train.schedule.name is exponential or step";
  base::Section section(keys, "train.schedule");
  section.choice("name", schedule.name, words_of(schedule.name), "schedule of the learning rate");
  section
      .key("warmup_steps", schedule.warmup_steps,
           "number of first steps over which the learning rate rises linearly")
      .at_least(0);
  section
      .key("gamma", schedule.gamma, "exponential, step: factor at every epoch, step or milestone")
      .above(0)
      .counts_when(decays, when(RateSchedule::exponential, RateSchedule::step));
  section
      .choice("per", schedule.per, words_of(schedule.per),
              "exponential, step: the unit of gamma and milestones")
      .counts_when(decays, when(RateSchedule::exponential, RateSchedule::step));
  section.key("final_learning_rate", schedule.final_learning_rate, "cosine: rate at the last step")
      .at_least(0)
      .counts_when("train.schedule.name is cosine",
                   when(RateSchedule::cosine, RateSchedule::cosine));
  section
      .key("milestones", schedule.milestones,
           "step: epochs (or steps) at which gamma is applied, in ascending order")
      .at_least(1)
      .empty_is("null")
      .counts_when("train.schedule.name is step", when(RateSchedule::step, RateSchedule::step));
}

}  // namespace

void add_train_keys(std::vector<base::Key>& keys, Config& config) {
  TrainConfig& train = config.train;
  base::Section section(keys, "train");
  section.key("epochs", train.epochs, "passes over the training rows").at_least(1).may_change();
  section.key("steps", train.steps, "training steps, instead of epochs").at_least(1).may_change();
  section.key("global_batch", train.global_batch, "G, the batch size over all ranks")
      .at_least(1)
      .counts_when("train.batch_per_replica is null", [&config] {
        // A resolved run stores all three values, and they agree.
        const auto each = config.train.batch_per_replica;
        const auto replicas = config.distributed.replicas;
        const std::int64_t all = config.train.global_batch;
        return !each || (replicas && all % *each == 0 && all / *each == *replicas);
      });
  section.key("batch_per_replica", train.batch_per_replica, "instead of global_batch: G = this * R")
      .at_least(1);

  OptimizerConfig& optimizer = train.optimizer;
  base::Section rule(keys, "train.optimizer");
  rule.key("name", optimizer.rule.name, "the update rule")
      .one_of(base::Registry<base::UpdateRule>::all().names());
  rule.key("learning_rate", optimizer.learning_rate, "rate after the warm-up").at_least(0);
  rule.key("weight_decay", optimizer.weight_decay, "applies to every parameter").at_least(0);
  base::add_own_keys(keys, "train.optimizer", "train.optimizer.name", optimizer.rule);

  section
      .key("freeze", train.freeze,
           "modules of the model that are not trained, by the names of their weights: [encoder, "
           "fc_mu, fc_var]; they normalise with their running statistics, in training too")
      .empty_is("[]")
      .for_older_runs("[]");

  section
      .key("learning_rate_batch", train.learning_rate_batch,
           "if set, the learning rate is learning_rate * G / this")
      .at_least(1);
  add_schedule_keys(keys, train.schedule);
  section
      .key("gradient_clip_norm", train.gradient_clip_norm,
           "scale gradients with a larger norm down to this norm")
      .above(0);
  section
      .key("skip_step_above_norm", train.skip_step_above_norm,
           "a step whose gradient norm exceeds this, or whose loss or gradient is not finite, is "
           "skipped on every rank and counted")
      .above(0);
  section
      .key("max_skipped_steps", train.max_skipped_steps,
           "number of steps skipped in a row after which the run ends and names the samples")
      .at_least(1);
  section
      .key("ema_decay", train.ema_decay,
           "if set, evaluate with an exponential moving average of the weights with this decay")
      .above(0)
      .below(1);
  base::Section early_stop(keys, "train.early_stop");
  early_stop
      .key("patience", train.early_stop.patience,
           "number of evaluations without a better metric after which the run ends; null: never")
      .at_least(1);
  early_stop.key("metric", train.early_stop.metric,
                 "the metric that must improve: validation_loss, validation_reconstruction_loss, "
                 "validation_mse, or any name that checkpoint.best takes");
  section.choice("precision", train.precision, words_of(train.precision),
                 "precision of convolutions and matrix products; fp64, fp32: of all computation; "
                 "tf32: on a GPU that supports it (else as fp32); bf16: with fp32 weights, sums "
                 "and losses (a CPU without AVX512_BF16 or AMX rounds operands and results and "
                 "multiplies in fp32, at nearly its speed); auto: bf16 where every rank has "
                 "instructions for it, else fp32, decided at the first start");
  section
      .key("channels_last", train.channels_last,
           "channels-last images and volumes inside the network")
      .may_change();
  section
      .key("cuda_graph", train.cuda_graph,
           "on a GPU: capture the step in a CUDA graph; auto: if possible")
      .empty_is("auto")
      .may_change();
  section
      .choice("recompute", train.recompute, words_of(train.recompute),
              "blocks: compute the activations inside the network's blocks again in backward "
              "instead of keeping them, so that a larger replica or model fits: about half of the "
              "memory of a step, one more forward pass, the same bits")
      .counts_when("model.name is " + networks_where([](const base::Network& network) {
                     return network.has_blocks;
                   }),
                   [&config] { return has_blocks(config.model); })
      .may_change();
  section
      .choice("convolutions", train.convolutions, words_of(train.convolutions),
              "how convolutions in fp32 and bf16 are computed on a CPU: by oneDNN, as matrix "
              "products of "
              "patches, or by loops of our own that read pixels where they lie; auto: each layer "
              "and direction by itself, with distributed.reproducible as a table of measurements "
              "says, otherwise, unless a step is small, as is fastest here at the run's first "
              "start. Equal to rounding; a GPU and fp64 always use LibTorch's, and so does bf16 "
              "instead of products where the CPU multiplies it")
      .for_older_runs("onednn");
}

void add_distributed_keys(std::vector<base::Key>& keys, DistributedConfig& distributed) {
  base::Section section(keys, "distributed");
  section
      .choice("device", distributed.device, words_of(distributed.device),
              "with auto, a node whose GPU cannot be used is an error, not a silent run on the CPU")
      .may_change();
  section
      .choice("backend", distributed.backend, words_of(distributed.backend),
              "library that transfers the gradients between ranks")
      .may_change();
  section
      .key("replicas", distributed.replicas,
           "R, the number of parts into which each step is split; null: the number of ranks at the "
           "run's first start, kept from then on")
      .at_least(1);
  section.choice("batch_norm", distributed.batch_norm, words_of(distributed.batch_norm),
                 "local: statistics per replica; sync: statistics over the global batch (a rank's "
                 "replicas run as one batch)");
  section.key("reproducible", distributed.reproducible,
              "produce the same bits on 1, 2, 4 and 8 ranks (with batch_norm local)");
  section
      .key("first_bucket_mib", distributed.first_bucket_mib,
           "MiB of gradients in the first bucket, and at most in the last: no computation hides "
           "its transfer")
      .above(0)
      .at_most(1 << 20)
      .may_change();
  section.key("bucket_mib", distributed.bucket_mib, "MiB of gradients sent together")
      .above(0)
      .at_most(1 << 20)
      .may_change();
  section.choice("compress", distributed.compress, words_of(distributed.compress),
                 "type to which gradients are rounded for the transfer between ranks");
  section
      .key("threads_per_rank", distributed.threads_per_rank,
           "CPU threads for tensor operations; auto: cores / ranks on the node, 1 if reproducible")
      .at_least(1)
      .at_most(1024)
      .empty_is("auto")
      .may_change();
  section
      .key("timeout_s", distributed.timeout_s,
           "seconds after which a collective of a training step is aborted and the missing ranks "
           "are named")
      .above(0)
      .at_most(1e8)
      .may_change();
  section
      .key(
          "slow_timeout_s", distributed.slow_timeout_s,
          "seconds: same for start, cache building, first steps, evaluation, pictures, checkpoints")
      .above(0)
      .at_most(1e8)
      .may_change();
  section
      .key("share_gpu", distributed.share_gpu, "allow more ranks than GPUs on a node (for tests)")
      .may_change();
}

}  // namespace vae_dist::config
