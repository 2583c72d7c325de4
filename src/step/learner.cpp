#include "step/learner.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/list_of_ten.hpp"
#include "base/log.hpp"
#include "parallel/replicate.hpp"
#include "step/resolved_objective.hpp"
#include "step/weights.hpp"

namespace vae_dist::step {
namespace {

std::shared_ptr<model::LatentModel> model_on_device(const config::Config& config, const data::SampleShape& shape, const device::DeviceChoice& device) {
  std::shared_ptr<model::LatentModel> model = make_model(config, shape);
  model->to(device.device);
  return model;
}

StepOptions step_options(const config::Config& config, const ReplicaPlan& plan) {
  StepOptions options;
  options.clip_norm = config.train.gradient_clip_norm;
  options.skip_above_norm = config.train.skip_step_above_norm;
  // With global statistics the replicas of a rank need no statistics of their own: they run as one batch.
  const bool sync = config.distributed.batch_norm == "sync";
  options.batches = sync ? 1 : plan.replicas_per_rank();
  options.global_batches = sync ? plan.world_size : plan.replicas;
  options.batch_replicas = sync ? plan.replicas_per_rank() : 1;
  return options;
}

parallel::ReducerOptions reducer_options(const config::Config& config, const ReplicaPlan& plan) {
  parallel::ReducerOptions options;
  options.caps.first_bytes = static_cast<std::int64_t>(config.distributed.first_bucket_mib * (1 << 20));
  options.caps.bytes = static_cast<std::int64_t>(config.distributed.bucket_mib * (1 << 20));
  options.batches = config.distributed.batch_norm == "sync" ? 1 : plan.replicas_per_rank();
  options.reproducible = config.distributed.reproducible;
  options.wire = config.distributed.compress == "bf16" ? comm::Wire::bf16 : comm::Wire::exact;
  return options;
}

comm::SumOrder sum_order(const config::Config& config) { return config.distributed.reproducible ? comm::SumOrder::tree : comm::SumOrder::fast; }

comm::NcclDeadlines deadlines(const config::DistributedConfig& config) { return {base::Seconds(config.slow_timeout_s), base::Seconds(config.timeout_s)}; }

// What goes with each parameter, under its name: the optimizer's moments and the average.
template <typename Visit>
void for_each_moment(const parallel::ParameterArena& parameters, const Optimizer& optimizer, const std::optional<WeightAverage>& average, Visit visit) {
  for (std::size_t i = 0; i < parameters.slots().size(); ++i) {
    const std::string& name = parameters.slots()[i].name;
    for (const auto& [kind, arena] : optimizer.moments()) visit(kind + "." + name, arena.view(i));
    if (average) visit(kAveragePrefix + name, average->arena().view(i));
  }
  visit("step", optimizer.step_count());
}

}  // namespace

Learner::Learner(const config::Config& config, const data::SampleShape& shape, const ReplicaPlan& plan, const device::DeviceChoice& device, comm::HostCommunicator& host, comm::CollectiveLog& log)
    : weights_metadata_(weights_metadata(config, shape)),
      model_(model_on_device(config, shape, device)),
      objective_(objective_options(config.objective), *model_),
      gradient_memory_(device, sum_order(config), host),
      parameters_(trained_parameters(*model_), config.train.channels_last,
                  [this](std::int64_t count, const at::TensorOptions& options) { return gradient_memory_.zeros(count, options); }),
      statistics_(model_->batch_norms(), model_->likelihood(), objective_.other_terms(), parameters_.values().options()),
      optimizer_(make_optimizer(parameters_, config.train.optimizer)),
      average_(config.train.ema_decay ? std::optional<WeightAverage>(std::in_place, parameters_, *config.train.ema_decay) : std::nullopt),
      exchanges_(make_exchanges(device, host, sum_order(config), deadlines(config.distributed), gradient_memory_, log)),
      reducer_(parameters_, trained_parameters(*model_), statistics_.sums(), std::move(exchanges_.gradients), reducer_options(config, plan)),
      step_(*model_, objective_, parameters_, statistics_, reducer_, *optimizer_, average(), step_options(config, plan)),
      host_(host),
      log_(log) {
  if (config.distributed.batch_norm == "sync") {
    for (model::BatchNorm2d layer : model_->batch_norms())
      layer->set_sum_over_ranks([exchange = exchanges_.statistics.get()](at::Tensor& tensor) {
        if (!exchange) return;  // one rank has the whole batch
        exchange->start(tensor, comm::Wire::exact, "sum over ranks");
        exchange->finish();
      });
  }
  model_->train();
  if (!device.device.is_cuda()) return;
  use_recorder(device::make_graph_recorder(device.device));
  if (numbers_go_to_device(config, device)) step_through_recorder(wants_capture(config, device));
  const std::string reason = why_not_captured(config, device);
  if (!reason.empty() && config.train.cuda_graph.value_or(true) && host.rank() == 0) log::info("steps are not captured in a CUDA graph: " + reason);
}

void Learner::record_steps(std::unique_ptr<device::WorkRecorder> recorder, bool capture) {
  captured_.reset();
  use_recorder(std::move(recorder));
  step_through_recorder(capture);
}

void Learner::use_recorder(std::unique_ptr<device::WorkRecorder> recorder) {
  recorder_ = std::move(recorder);
  if (device::WaitClock* const clock = recorder_->wait_clock()) reducer_.use_clock(*clock);
}

void Learner::step_through_recorder(bool capture) {
  captured_.emplace(step_, reducer_, capture ? recorder_.get() : nullptr, host_, log_);
}

std::int64_t Learner::parameter_count() const {
  std::int64_t count = 0;
  for (const at::Tensor& parameter : model_->parameters()) count += parameter.numel();
  return count;
}

checkpoint::TensorFile Learner::weights() const { return collect_weights(*model_, weights_metadata_); }

checkpoint::TensorFile Learner::optimizer_state() const {
  checkpoint::TensorFile file;
  for_each_moment(parameters_, *optimizer_, average_, [&](const std::string& name, const at::Tensor& tensor) {
    file.tensors[name] = tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  });
  return file;
}

void Learner::restore(const checkpoint::Checkpoint& checkpoint, const std::string& origin) {
  restore_weights(*model_, checkpoint.weights, origin);
  std::vector<std::string> misfits;
  for_each_moment(parameters_, *optimizer_, average_, [&](const std::string& name, at::Tensor tensor) {
    const auto found = checkpoint.optimizer.tensors.find(name);
    if (found == checkpoint.optimizer.tensors.end() || found->second.sizes() != tensor.sizes()) {
      misfits.push_back(name);
      return;
    }
    tensor.copy_(found->second);
  });
  if (!misfits.empty()) throw base::BadInput(base::text(origin, ": the optimizer's state is missing or does not fit the model:\n  ", base::list_of_ten(misfits, "\n  ")));
}

bool Learner::begin_with(const checkpoint::Checkpoint& checkpoint, const std::string& origin) {
  restore_weights(*model_, checkpoint.weights, origin);
  const auto& saved = checkpoint.optimizer.tensors;
  // A part of the moments would be worse than none: Adamax's step without its norm is as good as unbounded.
  const auto take = [&](const std::vector<std::pair<std::string, at::Tensor>>& wanted) {
    for (const auto& [name, tensor] : wanted) {
      const auto found = saved.find(name);
      if (found == saved.end() || found->second.sizes() != tensor.sizes()) return false;
    }
    for (const auto& [name, tensor] : wanted) at::Tensor(tensor).copy_(saved.at(name));
    return true;
  };
  std::vector<std::pair<std::string, at::Tensor>> moments, averages;
  for_each_moment(parameters_, *optimizer_, average_, [&](const std::string& name, const at::Tensor& tensor) { (name.starts_with(kAveragePrefix) ? averages : moments).emplace_back(name, tensor); });
  if (average_ && !take(averages)) average_->begin_at_weights();
  return take(moments);
}

std::vector<at::Tensor> Learner::state() const {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : named_state(*model_)) tensors.push_back(tensor);
  for_each_moment(parameters_, *optimizer_, average_, [&](const std::string&, const at::Tensor& tensor) { tensors.push_back(tensor); });
  return tensors;
}

void Learner::replicate(comm::HostCommunicator& host) {
  if (host.size() == 1) return;
  parallel::broadcast_tensors(host, state());
  parallel::require_equal_tensors(host, "initial weights and optimizer state", state());
}

}  // namespace vae_dist::step
