#include "run/recorder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/text.hpp"
#include "base/user_name.hpp"
#include "config/load_config.hpp"
#include "config/values_in_effect.hpp"
#include "device/gpu_facts.hpp"
#include "device/nvml.hpp"
#include "metrics/log_records.hpp"
#include "metrics/textfile.hpp"
#include "run/metrics_address.hpp"

namespace vae_dist::run {
namespace {

std::optional<int> wanted_port(const config::MetricsConfig& config, int local_rank) {
  if (!config.port) return std::nullopt;
  return *config.port == 0 ? 0 : static_cast<int>(*config.port) + local_rank;
}

std::vector<metrics::ScrapeTarget> gather_targets(const std::string& address,
                                                  std::optional<int> port,
                                                  const comm::MpiWorld& world,
                                                  comm::CpuCommunicator& all_ranks) {
  std::vector<metrics::ScrapeTarget> targets;
  const std::vector<std::string> hosts =
      comm::all_gather_text(all_ranks, scrape_host(address, world.host()));
  const std::vector<std::string> ports =
      comm::all_gather_text(all_ranks, port ? std::to_string(*port) : "");
  for (int rank = 0; rank < all_ranks.size(); ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    if (!ports[r].empty()) targets.push_back({hosts[r], std::stoi(ports[r]), rank});
  }
  return targets;
}

// A package's meter must be read often, lest it wrap around twice (device/energy_meters.hpp).
constexpr base::Seconds kEnergyInterval{10};

std::shared_ptr<device::GpuSensors> sensors_of(c10::Device device) {
  return device.is_cuda() ? device::GpuSensors::open(device::gpu_facts(device).pci_bus_id)
                          : nullptr;
}

// Opens the meters that this rank counts: its GPU's, unless a rank below it shares that GPU, and on
// the first rank of a node those of its CPU packages. Null if there is none. A collective.
std::shared_ptr<device::EnergyMeters> meters_of(const RecordedRun& run, const comm::MpiWorld& world,
                                                comm::CpuCommunicator& all_ranks,
                                                const std::shared_ptr<device::GpuSensors>& gpu) {
  const std::string mine =
      gpu ? base::text(world.host(), " ", device::gpu_facts(run.device).pci_bus_id) : "";
  const std::vector<std::string> all = comm::all_gather_text(all_ranks, mine);
  const auto first = std::find(all.begin(), all.end(), mine) - all.begin();
  std::function<std::optional<double>()> read_gpu;
  if (gpu && first == world.rank()) read_gpu = [gpu] { return gpu->read().joules; };
  auto meters = std::make_shared<device::EnergyMeters>(
      read_gpu, world.local_rank() == 0 ? run.powercap : std::filesystem::path());
  return meters->exist() ? meters : nullptr;
}

// Processes started over ssh may not see the batch job in their environment, so rank 0's value
// counts for all. A collective.
metrics::MetricsIdentity identity_of(const RecordedRun& run, const comm::MpiWorld& world,
                                     comm::CpuCommunicator& all_ranks,
                                     const std::shared_ptr<device::GpuSensors>& gpu,
                                     const std::shared_ptr<device::EnergyMeters>& energy) {
  metrics::MetricsIdentity out{run.config.run.name, world.host(), world.rank(), world.local_rank()};
  out.user = base::user_name();
  out.job_id = comm::broadcast_text(all_ranks, batch_job());
  if (energy) out.read_energy = [energy] { return energy->read(); };
  if (run.device.is_cuda()) out.gpu = std::to_string(run.device.index());
  if (gpu) out.read_gpu = [gpu] { return gpu->read(); };
  return out;
}

std::vector<base::Term> all_terms(const std::vector<base::Term>& of_objective) {
  std::vector<base::Term> out;
  for (const metrics::StepTerm& each : metrics::step_terms()) out.push_back(each.term);
  out.insert(out.end(), of_objective.begin(), of_objective.end());
  for (const metrics::EvaluationTerm& each : metrics::evaluation_terms()) out.push_back(each.term);
  for (std::size_t i = 0; i < out.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (out[k].name == out[i].name)
        throw std::logic_error("two terms are named '" + out[i].name +
                               "': give the regulariser another name");
  return out;
}

}  // namespace

std::filesystem::path discovery_file(const config::Config& config) {
  const std::optional<std::string>& directory = config.metrics.service_discovery;
  if (!directory) return metrics::service_discovery_path(config.run.directory, config.run.name);
  return metrics::service_discovery_path(*directory, config.run.name, base::user_name());
}

std::filesystem::path textfile(const config::Config& config, int rank) {
  const std::optional<std::string>& directory = config.metrics.textfile;
  return directory ? metrics::textfile_path(*directory, base::user_name(), config.run.name, rank)
                   : std::filesystem::path();
}

Recorder::Recorder(const RecordedRun& run, const comm::MpiWorld& world,
                   comm::CpuCommunicator& all_ranks, JobOutcome& job_outcome)
    : Recorder(run, world, all_ranks, job_outcome, sensors_of(run.device)) {}

Recorder::Recorder(const RecordedRun& run, const comm::MpiWorld& world,
                   comm::CpuCommunicator& all_ranks, JobOutcome& job_outcome,
                   const std::shared_ptr<device::GpuSensors>& gpu)
    : all_ranks_(all_ranks),
      job_outcome_(job_outcome),
      is_writer_(world.rank() == 0),
      log_every_(run.config.log.every_steps),
      global_batch_(run.facts.global_batch),
      steps_planned_(run.facts.steps_planned),
      epochs_planned_(run.epochs_planned),
      first_step_(run.start.step),
      extra_terms_(run.facts.extra_terms),
      address_(metrics_address(run.config.metrics, world.local_size() < world.size())),
      energy_(meters_of(run, world, all_ranks, gpu)),
      metrics_(identity_of(run, world, all_ranks, gpu, energy_), run.facts, address_,
               wanted_port(run.config.metrics, world.local_rank()),
               textfile(run.config, world.rank())),
      progress_(is_writer_, run.start.step, run.facts.global_batch),
      hosts_(comm::all_gather_text(all_ranks, world.host())) {
  const std::vector<metrics::ScrapeTarget> targets =
      gather_targets(address_, metrics_.port(), world, all_ranks);
  if (!is_writer_) return;
  const RunDirectory directory(run.config.run);
  metrics::write_terms(directory.terms(), all_terms(extra_terms_));
  log_ = std::make_unique<metrics::StepLog>(directory.metrics(), run.start.step,
                                            run.start.awaits_evaluation != 0, run.last_steps);
  if (run.config.log.tensorboard.value_or(true))
    events_ = std::make_unique<metrics::EventLog>(
        directory.tensorboard(), metrics::EventHistory{directory.metrics(),
                                                       directory.pictures(),
                                                       run.start.step,
                                                       {config::kept_config_yaml(run.config),
                                                        config::values_in_effect(run.config)}});
  if (targets.empty()) return;
  discovery_ = std::make_unique<metrics::ServiceDiscoveryFile>(discovery_file(run.config),
                                                               run.config.run.name, targets);
}

void Recorder::step(const metrics::StepMetrics& s) {
  metrics_.record_step(s);
  job_outcome_.note(s);
  times_.steps += 1;
  times_.step += s.step_seconds;
  times_.data_wait += s.data_wait_seconds;
  times_.allreduce_wait += s.allreduce_wait_seconds;
  read_bytes_ = static_cast<double>(s.read_bytes);
  if (energy_ && since_energy_read_.elapsed() > kEnergyInterval) {
    energy_->read();
    since_energy_read_.restart();
  }
  if (!is_writer_) return;

  const bool due = is_due(s);
  if (due) write(metrics::step_record(s, extra_terms_, global_batch_));
  progress_.show({s, steps_planned_, epochs_planned_}, due);
}

bool Recorder::is_due(const metrics::StepMetrics& s) const {
  return s.step % log_every_ == 0 || s.step == 1 || s.step == steps_planned_;
}

void Recorder::write(const metrics::LogRecord& record) {
  log_->write(record);
  if (events_) events_->write(record);
}

std::string Recorder::line(const metrics::StepMetrics& step) const {
  return is_due(step) ? metrics::json_line(metrics::step_record(step, extra_terms_, global_batch_))
                      : "";
}

void Recorder::evaluation(std::int64_t step, std::int64_t epoch, const std::string& on,
                          const evaluate::Evaluation& result, double mean_image_mse,
                          std::optional<bool> collapsed) {
  metrics::EvaluationMetrics metrics{on == "validation", result.loss, result.reconstruction,
                                     result.kld_nats};
  if (result.reconstructs) {
    metrics.mse = result.mse;
    metrics.mean_image_mse = mean_image_mse;
  }
  metrics.final_loss = result.final_loss;
  metrics.elbo_nats = result.elbo_nats;
  metrics.bits_per_dim = result.bits_per_dim;
  if (result.active_units) metrics.active_units = static_cast<double>(*result.active_units);
  metrics.collapsed = collapsed;
  metrics_.record_evaluation(metrics);
  if (!is_writer_) return;
  metrics::LogRecord record = {
      {"step", step}, {"epoch", epoch}, {"evaluated", on}, {"samples", result.samples}};
  for (auto& term : metrics::evaluation_record(metrics)) record.push_back(std::move(term));
  for (const evaluate::Evaluation::LogP& estimate : result.log_p)
    record.emplace_back(base::text("log_p_of_", estimate.draws, "_draws"), estimate.nats);
  if (result.effective_samples) record.emplace_back("effective_samples", *result.effective_samples);
  for (const auto* terms : {&result.regularisers, &result.script_terms})
    for (const auto& [term, value] : *terms) record.emplace_back(term, value);
  if (!result.kld_per_dimension.empty())
    record.emplace_back("kld_per_dimension", result.kld_per_dimension);
  write(record);
}

void Recorder::log_energy(std::int64_t step) {
  const std::optional<double> counted = energy_ ? energy_->read().total() : std::nullopt;
  double mine = counted.value_or(std::numeric_limits<double>::quiet_NaN());
  std::vector<double> all(hosts_.size());
  all_ranks_.all_gather(
      {&mine, 1, comm::DataType::float64},
      {all.data(), static_cast<std::int64_t>(all.size()), comm::DataType::float64});
  joules_.reset();
  for (const double joules : all)
    if (!std::isnan(joules)) joules_ = joules_.value_or(0) + joules;
  if (!is_writer_ || !joules_) return;
  metrics::LogRecord record = {{"step", step}, {"joules", *joules_}};
  if (const std::int64_t samples = (step - first_step_) * global_batch_; samples > 0)
    record.emplace_back("joules_per_1000_samples", *joules_ / static_cast<double>(samples) * 1000);
  write(record);
}

void Recorder::best(const ValidationResult& best, bool is_new) {
  metrics_.record_best({best.measure.name, best.value, best.step}, is_new);
}

void Recorder::log_rank_times(std::int64_t step) {
  constexpr std::size_t kValues = 5;
  std::vector<double> mine = {times_.steps, times_.step, times_.data_wait, times_.allreduce_wait,
                              read_bytes_},
                      all(kValues * hosts_.size());
  times_ = {};
  all_ranks_.all_gather(
      {mine.data(), static_cast<std::int64_t>(mine.size()), comm::DataType::float64},
      {all.data(), static_cast<std::int64_t>(all.size()), comm::DataType::float64});
  if (!is_writer_ || all[0] == 0) return;
  std::vector<metrics::PlainRecord> ranks;
  for (std::size_t rank = 0; rank < hosts_.size(); ++rank) {
    const double* of_rank = &all[kValues * rank];
    ranks.push_back({{"rank", static_cast<std::int64_t>(rank)},
                     {"host", hosts_[rank]},
                     {"step_seconds", of_rank[1] / of_rank[0]},
                     {"data_wait_seconds", of_rank[2] / of_rank[0]},
                     {"allreduce_wait_seconds", of_rank[3] / of_rank[0]},
                     {"read_bytes", static_cast<std::int64_t>(of_rank[4])}});
  }
  log_->write({{"step", step}, {"ranks", ranks}});
}

}  // namespace vae_dist::run
