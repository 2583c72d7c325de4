// The keys of train and distributed: how it is trained.
#include "config/key_rows.hpp"

namespace vae_dist::config {
namespace {

void add_schedule_keys(std::vector<base::Key>& keys, ScheduleConfig& schedule) {
  const auto when = [&schedule](RateSchedule one, RateSchedule other) {
    return [&schedule, one, other] { return schedule.name == one || schedule.name == other; };
  };
  const std::string decays = "train.schedule.name is exponential or step";
  base::Section section(keys, "train.schedule");
  section.choice("name", schedule.name, words_of(schedule.name), "of the learning rate");
  section
      .key("warmup_steps", schedule.warmup_steps,
           "the learning rate rises linearly over these first steps")
      .at_least(0);
  section
      .key("gamma", schedule.gamma, "exponential, step: factor at every epoch, step or milestone")
      .above(0)
      .counts_when(decays, when(RateSchedule::exponential, RateSchedule::step));
  section
      .choice("per", schedule.per, words_of(schedule.per),
              "exponential, step: what gamma and milestones count")
      .counts_when(decays, when(RateSchedule::exponential, RateSchedule::step));
  section
      .key("final_learning_rate", schedule.final_learning_rate, "cosine: reached at the last step")
      .at_least(0)
      .counts_when("train.schedule.name is cosine",
                   when(RateSchedule::cosine, RateSchedule::cosine));
  section
      .key("milestones", schedule.milestones,
           "step: epochs (or steps) at which gamma is applied, rising")
      .at_least(1)
      .empty_is("null")
      .counts_when("train.schedule.name is step", when(RateSchedule::step, RateSchedule::step));
}

}  // namespace

void add_train_keys(std::vector<base::Key>& keys, Config& config) {
  TrainConfig& train = config.train;
  base::Section section(keys, "train");
  section.key("epochs", train.epochs, "passes over the training rows").at_least(1).may_change();
  section.key("steps", train.steps, "instead of epochs").at_least(1).may_change();
  section.key("global_batch", train.global_batch, "G: over all ranks")
      .at_least(1)
      .counts_when("train.batch_per_replica is null", [&config] {
        // A resolved run states all three, and they agree.
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
  rule.key("learning_rate", optimizer.learning_rate, "at the end of the warm-up").at_least(0);
  rule.key("weight_decay", optimizer.weight_decay, "applies to every parameter").at_least(0);
  base::add_own_keys(keys, "train.optimizer", "train.optimizer.name", optimizer.rule);

  section
      .key("freeze", train.freeze,
           "modules of the model that stay as they are, as their weights are called: [encoder, "
           "fc_mu, fc_var]; in training, too, they normalise by their running statistics")
      .empty_is("[]")
      .for_older_runs("[]");

  section
      .key("learning_rate_batch", train.learning_rate_batch,
           "if set, the learning rate used is learning_rate * G / this")
      .at_least(1);
  add_schedule_keys(keys, train.schedule);
  section
      .key("gradient_clip_norm", train.gradient_clip_norm,
           "a gradient whose norm is larger is scaled down to it")
      .above(0);
  section
      .key("skip_step_above_norm", train.skip_step_above_norm,
           "a step whose loss or gradient is not finite, or whose gradient norm is larger, is "
           "skipped on every rank and counted")
      .above(0);
  section
      .key("max_skipped_steps", train.max_skipped_steps,
           "in a row: then the run ends, naming the samples")
      .at_least(1);
  section
      .key("ema_decay", train.ema_decay,
           "keep an exponential moving average of the weights and evaluate with it")
      .above(0)
      .below(1);
  base::Section early_stop(keys, "train.early_stop");
  early_stop
      .key("patience", train.early_stop.patience,
           "evaluations without a better metric after which the run ends; null: never")
      .at_least(1);
  early_stop.choice("metric", train.early_stop.metric, words_of(train.early_stop.metric),
                    "what has to get smaller");
  section.choice("precision", train.precision, words_of(train.precision),
                 "of convolutions and matrix products: fp64 and fp32 of all, tf32 on a GPU that "
                 "has it (else as fp32), bf16 with fp32 weights, sums and losses (for GPUs, and "
                 "CPUs with AVX512_BF16 or AMX)");
  section.key("channels_last", train.channels_last, "memory format of images inside the network")
      .may_change();
  section
      .key("cuda_graph", train.cuda_graph,
           "on a GPU: capture the step in a CUDA graph; auto: where that is possible")
      .empty_is("auto")
      .may_change();
}

void add_distributed_keys(std::vector<base::Key>& keys, DistributedConfig& distributed) {
  base::Section section(keys, "distributed");
  section
      .choice("device", distributed.device, words_of(distributed.device),
              "auto on a node that has a GPU which can't be used is an error, not a silent CPU run")
      .may_change();
  section
      .choice("backend", distributed.backend, words_of(distributed.backend),
              "what carries the gradients")
      .may_change();
  section
      .key("replicas", distributed.replicas,
           "R: parts that a step is cut into; null: the number of ranks at the run's first start, "
           "kept from then on")
      .at_least(1);
  section.choice(
      "batch_norm", distributed.batch_norm, words_of(distributed.batch_norm),
      "statistics per replica, or over the global batch (a rank's replicas run as one batch)");
  section.key("reproducible", distributed.reproducible,
              "the same bits at 1, 2, 4, 8 ranks (with batch_norm local)");
  section
      .key("first_bucket_mib", distributed.first_bucket_mib,
           "MiB of gradients sent first, and at most as many last: nothing hides these")
      .above(0)
      .at_most(1 << 20)
      .may_change();
  section.key("bucket_mib", distributed.bucket_mib, "MiB of gradients sent together")
      .above(0)
      .at_most(1 << 20)
      .may_change();
  section.choice("compress", distributed.compress, words_of(distributed.compress),
                 "what gradients are rounded to on their way between ranks");
  section
      .key("threads_per_rank", distributed.threads_per_rank,
           "CPU threads for tensor work; auto: cores / ranks on the node, 1 when reproducible")
      .at_least(1)
      .at_most(1024)
      .empty_is("auto")
      .may_change();
  section
      .key("timeout_s", distributed.timeout_s,
           "seconds: a collective of a training step that takes longer is aborted, and the missing "
           "ranks are named")
      .above(0)
      .at_most(1e8)
      .may_change();
  section
      .key("slow_timeout_s", distributed.slow_timeout_s,
           "seconds: start, building the cache, first steps, evaluation, pictures, checkpoints")
      .above(0)
      .at_most(1e8)
      .may_change();
  section
      .key("share_gpu", distributed.share_gpu, "allow more ranks than GPUs on a node (for tests)")
      .may_change();
}

}  // namespace vae_dist::config
