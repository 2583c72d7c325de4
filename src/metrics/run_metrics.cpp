#include "metrics/run_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cinttypes>
#include <cstdio>
#include <exception>

#include "base/log.hpp"
#include "base/text.hpp"
#include "metrics/metrics_endpoint.hpp"

namespace vae_dist {
namespace {

// Six bounds a decade, from 1 ms to 100 s: a quantile read from them is within a quarter of the truth.
const prometheus::Histogram::BucketBoundaries kStepBounds = {0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05,
                                                             0.075, 0.1,    0.15,  0.2,   0.3,   0.5,    0.75, 1,     1.5,  2,    3,
                                                             5,     7.5,    10,    15,    20,    30,     50,   75,    100};
// Waits may be close to nothing, which is what one hopes for.
const prometheus::Histogram::BucketBoundaries kWaitBounds = {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                                             0.2,    0.5,    1,      2,     5,     10,    20,   50,   100};
const prometheus::Histogram::BucketBoundaries kCheckpointBounds = {0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};

// A gauge that appears with its first value.
class LateGauge {
 public:
  LateGauge(prometheus::Registry& registry, const prometheus::Labels& labels, const std::string& name, const std::string& help)
      : family_(prometheus::BuildGauge().Name(name).Help(help).Labels(labels).Register(registry)) {}

  void set(double value) {
    if (!gauge_) gauge_ = &family_.Add({});
    gauge_->Set(value);
  }

  void set_to_current_time() {
    if (!gauge_) gauge_ = &family_.Add({});
    gauge_->SetToCurrentTime();
  }

 private:
  prometheus::Family<prometheus::Gauge>& family_;
  prometheus::Gauge* gauge_ = nullptr;
};

// What is equal on every rank; only rank 0 has it.
struct GlobalSeries {
  GlobalSeries(prometheus::Registry& registry, const prometheus::Labels& labels, const RunFacts& facts)
      : log_p_family(prometheus::BuildGauge()
                         .Name("vae_dist_log_p_nats")
                         .Help("Estimate of log p(x) of the last step from this many draws of the prior, nats a sample.")
                         .Labels(labels)
                         .Register(registry)),
        effective_samples(registry, labels, "vae_dist_effective_samples",
                          "Effective sample size of the last step's importance weights, mean over samples: 1 when a single draw has all the weight."),
        squared_error(registry, labels, "vae_dist_squared_error", "Mean squared error a value of the last step, which sets the optimal sigma."),
        loss(registry, labels, "vae_dist_loss",
             "Training loss of the last step: reconstruction + M_N * beta * KL (or what the objective has in its place), mean over the global batch."),
        reconstruction_loss(registry, labels, "vae_dist_reconstruction_loss",
                            "Reconstruction term of the last step, in the config's reduction (mean: squared error a pixel; sum: nats a sample)."),
        kld_nats(registry, labels, "vae_dist_kld_nats", "KL divergence of the last step, nats a sample, not weighted, positive."),
        kld_weight(registry, labels, "vae_dist_kld_weight", "M_N: the weight of the KL term, from the global batch, without beta."),
        beta(registry, labels, "vae_dist_beta", "beta of the last step: the schedule's factor on M_N * KL."),
        learning_rate(registry, labels, "vae_dist_learning_rate", "Learning rate of the last step, after schedule and warm-up."),
        gradient_norm(registry, labels, "vae_dist_gradient_norm", "L2 norm of the whole gradient at the last step, before clipping."),
        epoch(registry, labels, "vae_dist_epoch", "Epoch of the last step, counted from 0."),
        step(registry, labels, "vae_dist_step", "Steps since the start of training, earlier parts of a resumed run included."),
        validation_loss(registry, labels, "vae_dist_validation_loss", "Loss of the last evaluation on the validation rows."),
        checkpoint_timestamp(registry, labels, "vae_dist_checkpoint_timestamp_seconds",
                             "Unix time at which this process last finished a checkpoint."),
        checkpoint_seconds(prometheus::BuildHistogram()
                               .Name("vae_dist_checkpoint_seconds")
                               .Help("Time that writing a checkpoint took, seconds.")
                               .Labels(labels)
                               .Register(registry)
                               .Add({}, kCheckpointBounds)),
        checkpoints(prometheus::BuildCounter()
                        .Name("vae_dist_checkpoints_total")
                        .Help("Checkpoints written by this process.")
                        .Labels(labels)
                        .Register(registry)
                        .Add({})) {
    const auto fact = [&](const std::string& name, const std::string& help, std::int64_t value) {
      LateGauge(registry, labels, name, help).set(static_cast<double>(value));
    };
    fact("vae_dist_steps_planned", "Steps after which training ends.", facts.steps_planned);
    fact("vae_dist_global_batch_samples", "Samples a step, over all ranks.", facts.global_batch);
    fact("vae_dist_ranks", "Processes that train this run.", facts.ranks);
    fact("vae_dist_replicas", "Parts that a global batch is cut into.", facts.replicas);
  }

  prometheus::Family<prometheus::Gauge>& log_p_family;
  LateGauge effective_samples, squared_error, loss, reconstruction_loss, kld_nats, kld_weight, beta, learning_rate, gradient_norm, epoch, step, validation_loss,
      checkpoint_timestamp;
  prometheus::Histogram& checkpoint_seconds;
  prometheus::Counter& checkpoints;

  // By the names that model/objective.hpp gives them.
  void record_other_term(const std::string& name, double value) {
    if (name == "effective_samples") effective_samples.set(value);
    if (name == "squared_error") squared_error.set(value);
    std::int64_t draws = 0;
    if (std::sscanf(name.c_str(), "log_p_of_%" SCNd64 "_draws", &draws) == 1) log_p_family.Add({{"draws", std::to_string(draws)}}).Set(value);
  }
};

struct RankSeries {
  RankSeries(prometheus::Registry& registry, const prometheus::Labels& labels)
      : step_seconds(histogram(registry, labels, "vae_dist_step_seconds", "Time of a training step on this rank, seconds.", kStepBounds)),
        data_wait_seconds(histogram(registry, labels, "vae_dist_data_wait_seconds",
                                    "Time of a step that this rank waited for its batch, seconds.", kWaitBounds)),
        allreduce_wait_seconds(histogram(registry, labels, "vae_dist_allreduce_wait_seconds",
                                         "Time of a step that this rank waited for the gradients' all-reduce, seconds.", kWaitBounds)),
        samples(counter(registry, labels, "vae_dist_samples_total", "Samples this rank has trained on.")),
        steps(counter(registry, labels, "vae_dist_steps_total", "Steps this rank has taken, skipped ones included.")),
        skipped_steps(counter(registry, labels, "vae_dist_skipped_steps_total",
                              "Steps whose update was skipped: loss or gradient not finite, or above the limit.")),
        allreduce_bytes(counter(registry, labels, "vae_dist_allreduce_bytes_total", "Bytes this rank has handed to all-reduces of a step.")) {}

  static prometheus::Histogram& histogram(prometheus::Registry& registry, const prometheus::Labels& labels, const std::string& name,
                                          const std::string& help, const prometheus::Histogram::BucketBoundaries& bounds) {
    return prometheus::BuildHistogram().Name(name).Help(help).Labels(labels).Register(registry).Add({}, bounds);
  }

  static prometheus::Counter& counter(prometheus::Registry& registry, const prometheus::Labels& labels, const std::string& name,
                                      const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(registry).Add({});
  }

  prometheus::Histogram &step_seconds, &data_wait_seconds, &allreduce_wait_seconds;
  prometheus::Counter &samples, &steps, &skipped_steps, &allreduce_bytes;
};

}  // namespace

struct RunMetrics::Series {
  Series(const MetricsIdentity& identity, const RunFacts& facts)
      : registry(std::make_shared<prometheus::Registry>()),
        rank(*registry, {{"run", identity.run}, {"host", identity.host}, {"rank", std::to_string(identity.rank)}}) {
    if (identity.rank == 0) global.emplace(*registry, prometheus::Labels{{"run", identity.run}, {"host", identity.host}}, facts);
  }

  std::shared_ptr<prometheus::Registry> registry;
  RankSeries rank;
  std::optional<GlobalSeries> global;
  std::optional<MetricsEndpoint> endpoint;
};

RunMetrics::RunMetrics(const MetricsIdentity& identity, const RunFacts& facts, const std::string& address, std::optional<int> port)
    : series_(std::make_unique<Series>(identity, facts)) {
  if (!port) return;
  try {
    series_->endpoint.emplace(address, *port, series_->registry);
  } catch (const std::exception& error) {
    log::warn(text(error.what(), ". Training goes on without; check metrics.address, choose another metrics.port, or set it to null"));
  }
}

RunMetrics::~RunMetrics() = default;

std::optional<int> RunMetrics::port() const {
  if (!series_->endpoint) return std::nullopt;
  return series_->endpoint->port();
}

void RunMetrics::record_step(const StepMetrics& step) {
  RankSeries& rank = series_->rank;
  rank.step_seconds.Observe(step.step_seconds);
  rank.data_wait_seconds.Observe(step.data_wait_seconds);
  rank.allreduce_wait_seconds.Observe(step.allreduce_wait_seconds);
  rank.samples.Increment(static_cast<double>(step.samples));
  rank.steps.Increment();
  if (step.skipped) rank.skipped_steps.Increment();
  rank.allreduce_bytes.Increment(static_cast<double>(step.allreduce_bytes));

  if (!series_->global) return;
  GlobalSeries& global = *series_->global;
  global.step.set(static_cast<double>(step.step));
  global.epoch.set(static_cast<double>(step.epoch));
  global.kld_weight.set(step.kld_weight);
  global.beta.set(step.beta);
  global.learning_rate.set(step.learning_rate);
  if (step.skipped) return;
  global.loss.set(step.loss);
  global.reconstruction_loss.set(step.reconstruction_loss);
  global.kld_nats.set(step.kld_nats);
  global.gradient_norm.set(step.gradient_norm);
  for (const auto& [name, value] : step.other_terms) global.record_other_term(name, value);
}

void RunMetrics::record_checkpoint(double seconds) {
  if (!series_->global) return;
  series_->global->checkpoint_seconds.Observe(seconds);
  series_->global->checkpoints.Increment();
  series_->global->checkpoint_timestamp.set_to_current_time();
}

void RunMetrics::record_validation(double loss) {
  if (series_->global) series_->global->validation_loss.set(loss);
}

}  // namespace vae_dist
