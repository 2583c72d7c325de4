#include "metrics/run_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cmath>
#include <exception>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/utf8.hpp"
#include "metrics/machine_series.hpp"
#include "metrics/metrics_endpoint.hpp"
#include "metrics/textfile.hpp"

namespace vae_dist::metrics {
namespace {

// Six bounds per decade, from 1 ms to 100 s: a quantile estimated from them is within a quarter of
// the true value.
const prometheus::Histogram::BucketBoundaries kStepBounds = {
    0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05,
    0.075, 0.1,    0.15,  0.2,   0.3,   0.5,    0.75, 1,     1.5,  2,    3,
    5,     7.5,    10,    15,    20,    30,     50,   75,    100};
// Waits are ideally close to zero, so these bounds start lower.
const prometheus::Histogram::BucketBoundaries kWaitBounds = {
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
    0.2,    0.5,    1,      2,     5,     10,    20,   50,   100};
const prometheus::Histogram::BucketBoundaries kCheckpointBounds = {
    0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};

// A gauge that appears with its first value.
class LazyGauge {
 public:
  LazyGauge(prometheus::Registry& registry, const prometheus::Labels& labels,
            const std::string& name, const std::string& help,
            const prometheus::Labels& extra_labels = {})
      : family_(prometheus::BuildGauge().Name(name).Help(help).Labels(labels).Register(registry)),
        its_own_(extra_labels) {}

  void set(double value) { gauge().Set(value); }
  void set_to_current_time() { gauge().SetToCurrentTime(); }

 private:
  prometheus::Gauge& gauge() {
    if (!gauge_) gauge_ = &family_.Add(its_own_);
    return *gauge_;
  }

  prometheus::Family<prometheus::Gauge>& family_;
  prometheus::Labels its_own_;
  prometheus::Gauge* gauge_ = nullptr;
};

// Returns the series of a term; empty if the term has none.
std::optional<LazyGauge> series_of(prometheus::Registry& registry, const prometheus::Labels& labels,
                                   const base::Term& term) {
  if (term.series.empty()) return std::nullopt;
  return LazyGauge(registry, labels, term.series, term.help,
                   {term.labels.begin(), term.labels.end()});
}

// Series that are equal on every rank. Only rank 0 has them.
struct GlobalSeries {
  GlobalSeries(prometheus::Registry& registry, const prometheus::Labels& labels,
               const RunFacts& facts)
      : of_run(labels),
        epoch(registry, labels, "vae_dist_epoch", "Epoch of the last step, counted from 0."),
        step(registry, labels, "vae_dist_step",
             "Steps since the start of training, including earlier parts of a resumed run."),
        collapsed(registry, labels, "vae_dist_collapsed",
                  "1 if the last evaluation shows posterior collapse or reconstructions hardly "
                  "better than the mean image, else 0."),
        best_step(registry, labels, "vae_dist_best_step",
                  "Step of the best evaluation on the validation rows, by checkpoint.best."),
        best_timestamp(registry, labels, "vae_dist_best_timestamp_seconds",
                       "Unix time at which this process last found a best evaluation, seconds."),
        evaluation_timestamp(registry, labels, "vae_dist_evaluation_timestamp_seconds",
                             "Unix time of the last evaluation, seconds."),
        checkpoint_timestamp(
            registry, labels, "vae_dist_checkpoint_timestamp_seconds",
            "Unix time at which this process last finished a checkpoint, seconds.") {
    for (const StepTerm& each : step_terms())
      step_gauges.push_back(series_of(registry, labels, each.term));
    for (const base::Term& term : facts.extra_terms)
      objective_gauges.push_back(series_of(registry, labels, term));
    for (const EvaluationTerm& each : evaluation_terms())
      evaluation_gauges.push_back(series_of(registry, labels, each.term));
    const auto fact = [&](const std::string& name, const std::string& help, std::int64_t value) {
      LazyGauge(registry, labels, name, help).set(static_cast<double>(value));
    };
    fact("vae_dist_steps_planned", "Steps after which training ends.", facts.steps_planned);
    fact("vae_dist_global_batch_samples", "Samples per step, over all ranks.", facts.global_batch);
    fact("vae_dist_ranks", "Processes that train this run.", facts.ranks);
    fact("vae_dist_replicas", "Parts into which a global batch is split.", facts.replicas);
    LazyGauge(registry, labels, "vae_dist_start_timestamp_seconds",
              "Unix time at which this process started to train, seconds.")
        .set_to_current_time();
    info(registry, labels, "vae_dist_build_info",
         "Always 1; the labels give the version and revision of the program, and its libraries.",
         facts.build);
    info(
        registry, labels, "vae_dist_run_info",
        "Always 1; the labels give the model, the likelihood, the device and the hosts of the run.",
        facts.run);
  }

  static void info(prometheus::Registry& registry, prometheus::Labels labels,
                   const std::string& name, const std::string& help,
                   const std::vector<std::pair<std::string, std::string>>& facts) {
    for (const auto& [label, value] : facts) labels.emplace(label, base::utf8_text(value));
    LazyGauge(registry, labels, name, help).set(1);
  }

  prometheus::Labels of_run;
  LazyGauge epoch, step, collapsed, best_step, best_timestamp, evaluation_timestamp,
      checkpoint_timestamp;
  std::optional<LazyGauge> best_value;  // its label is known with its first value
  std::vector<std::optional<LazyGauge>> step_gauges, objective_gauges,
      evaluation_gauges;  // in the order of their tables
};

struct RankSeries {
  RankSeries(prometheus::Registry& registry, const prometheus::Labels& labels,
             const RunFacts& facts)
      : step_seconds(histogram(registry, labels, "vae_dist_step_seconds",
                               "Time of a training step on this rank, seconds.", kStepBounds)),
        data_wait_seconds(histogram(
            registry, labels, "vae_dist_data_wait_seconds",
            "Time during a step that this rank waited for its batch, seconds.", kWaitBounds)),
        allreduce_wait_seconds(histogram(registry, labels, "vae_dist_allreduce_wait_seconds",
                                         "Time during a step that this rank waited for the "
                                         "all-reduce of the gradients, seconds.",
                                         kWaitBounds)),
        samples(counter(registry, labels, "vae_dist_samples_total",
                        "Samples this rank has trained on.")),
        steps(counter(registry, labels, "vae_dist_steps_total",
                      "Steps this rank has taken, including skipped ones.")),
        skipped_steps(counter(
            registry, labels, "vae_dist_skipped_steps_total",
            "Steps whose update was skipped: loss or gradient not finite, or above the limit.")),
        nonfinite_steps(counter(registry, labels, "vae_dist_nonfinite_steps_total",
                                "Steps whose loss or gradient norm was NaN or infinite.")),
        allreduce_bytes(
            counter(registry, labels, "vae_dist_allreduce_bytes_total",
                    "Bytes this rank has passed to the all-reduces of training steps.")),
        read_bytes(counter(registry, labels, "vae_dist_read_bytes_total",
                           "Bytes this rank has read from data files, as stored, including reads "
                           "served from the page cache.")) {
    counter(registry, labels, "vae_dist_restarts_total",
            "How often this run was restarted, from a checkpoint or (by its launcher) before the "
            "first checkpoint, including the start of this process.")
        .Increment(static_cast<double>(facts.restarts));
  }

  static prometheus::Histogram& histogram(prometheus::Registry& registry,
                                          const prometheus::Labels& labels, const std::string& name,
                                          const std::string& help,
                                          const prometheus::Histogram::BucketBoundaries& bounds) {
    return prometheus::BuildHistogram().Name(name).Help(help).Labels(labels).Register(registry).Add(
        {}, bounds);
  }

  static prometheus::Counter& counter(prometheus::Registry& registry,
                                      const prometheus::Labels& labels, const std::string& name,
                                      const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(registry).Add(
        {});
  }

  prometheus::Histogram &step_seconds, &data_wait_seconds, &allreduce_wait_seconds;
  prometheus::Counter &samples, &steps, &skipped_steps, &nonfinite_steps, &allreduce_bytes,
      &read_bytes;
};

// Series of the rank that writes checkpoints.
struct CheckpointSeries {
  CheckpointSeries(prometheus::Registry& registry, const prometheus::Labels& labels)
      : seconds(RankSeries::histogram(registry, labels, "vae_dist_checkpoint_seconds",
                                      "Time that writing a checkpoint took, seconds.",
                                      kCheckpointBounds)),
        written(RankSeries::counter(registry, labels, "vae_dist_checkpoints_total",
                                    "Checkpoints written by this process.")),
        failures(RankSeries::counter(registry, labels, "vae_dist_checkpoint_failures_total",
                                     "Checkpoints that this process could not write, for example "
                                     "because the disk was full.")) {}

  prometheus::Histogram& seconds;
  prometheus::Counter &written, &failures;
};

}  // namespace

struct RunMetrics::Series {
  Series(const MetricsIdentity& identity, const RunFacts& facts)
      : registry(std::make_shared<prometheus::Registry>()),
        rank(*registry, rank_labels(identity), facts),
        machine(std::make_shared<MachineSeries>(rank_labels(identity),
                                                base::utf8_text(identity.gpu), identity.read_gpu,
                                                identity.read_energy)) {
    if (identity.rank != 0) return;
    global.emplace(*registry, run_labels(identity), facts);
    checkpoint.emplace(*registry, rank_labels(identity));
  }

  static prometheus::Labels rank_labels(const MetricsIdentity& identity) {
    prometheus::Labels labels = run_labels(identity);
    labels["rank"] = std::to_string(identity.rank);
    return labels;
  }

  // Prometheus rejects everything that a rank serves if a single label is not UTF-8.
  static prometheus::Labels run_labels(const MetricsIdentity& identity) {
    prometheus::Labels labels = {{"run", base::utf8_text(identity.run)},
                                 {"host", base::utf8_text(identity.host)}};
    if (!identity.user.empty()) labels["user"] = base::utf8_text(identity.user);
    if (!identity.job_id.empty()) labels["job_id"] = base::utf8_text(identity.job_id);
    return labels;
  }

  std::shared_ptr<prometheus::Registry> registry;
  RankSeries rank;
  std::shared_ptr<MachineSeries> machine;
  std::optional<GlobalSeries> global;
  std::optional<CheckpointSeries> checkpoint;
  std::optional<MetricsEndpoint> endpoint;
  std::optional<Textfile> textfile;

  std::vector<std::shared_ptr<prometheus::Collectable>> all() const { return {registry, machine}; }
};

RunMetrics::RunMetrics(const MetricsIdentity& identity, const RunFacts& facts,
                       const std::string& address, std::optional<int> port,
                       const std::filesystem::path& textfile)
    : series_(std::make_unique<Series>(identity, facts)) {
  if (!textfile.empty()) series_->textfile.emplace(textfile, series_->all());
  if (!port) return;
  try {
    series_->endpoint.emplace(address, *port, series_->all());
  } catch (const std::exception& error) {
    log::warn(base::text(error.what(),
                         ". Training continues without a metrics endpoint; check metrics.address, "
                         "choose another metrics.port, or set metrics.port to null"));
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
  if (!std::isfinite(step.loss) || !std::isfinite(step.gradient_norm))
    rank.nonfinite_steps.Increment();
  rank.allreduce_bytes.Increment(static_cast<double>(step.allreduce_bytes));
  rank.read_bytes.Increment(static_cast<double>(step.read_bytes) - rank.read_bytes.Value());

  if (!series_->global) return;
  GlobalSeries& global = *series_->global;
  global.step.set(static_cast<double>(step.step));
  global.epoch.set(static_cast<double>(step.epoch));
  for (std::size_t i = 0; i < step_terms().size(); ++i) {
    const StepTerm& term = step_terms()[i];
    if (global.step_gauges[i] && !(step.skipped && term.of_outcome))
      global.step_gauges[i]->set(step.*term.value);
  }
  if (step.skipped) return;
  for (std::size_t i = 0; i < global.objective_gauges.size(); ++i)
    if (global.objective_gauges[i]) global.objective_gauges[i]->set(step.extra_terms.at(i));
}

void RunMetrics::record_checkpoint(double seconds) {
  if (!series_->checkpoint) return;
  series_->checkpoint->seconds.Observe(seconds);
  series_->checkpoint->written.Increment();
  series_->global->checkpoint_timestamp.set_to_current_time();
}

void RunMetrics::record_failed_checkpoint() {
  if (series_->checkpoint) series_->checkpoint->failures.Increment();
}

void RunMetrics::record_evaluation(const EvaluationMetrics& evaluation) {
  if (!series_->global) return;
  GlobalSeries& global = *series_->global;
  for (std::size_t i = 0; i < evaluation_terms().size(); ++i) {
    const EvaluationTerm& term = evaluation_terms()[i];
    const std::optional<double>& value = evaluation.*term.value;
    if (global.evaluation_gauges[i] && value && (evaluation.validation || !term.of_validation))
      global.evaluation_gauges[i]->set(*value);
  }
  if (evaluation.collapsed) global.collapsed.set(*evaluation.collapsed ? 1 : 0);
  global.evaluation_timestamp.set_to_current_time();
}

void RunMetrics::record_best(const BestEvaluation& best, bool is_new) {
  if (!series_->global) return;
  GlobalSeries& global = *series_->global;
  if (!global.best_value)
    global.best_value.emplace(*series_->registry, global.of_run, "vae_dist_best_value",
                              "Value of the best evaluation on the validation rows; the label says "
                              "of which of its numbers (checkpoint.best).",
                              prometheus::Labels{{"measure", base::utf8_text(best.measure)}});
  global.best_value->set(best.value);
  global.best_step.set(static_cast<double>(best.step));
  if (is_new) global.best_timestamp.set_to_current_time();
}

}  // namespace vae_dist::metrics
