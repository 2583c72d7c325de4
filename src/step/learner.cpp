#include "step/learner.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/list_of_ten.hpp"
#include "base/log.hpp"
#include "comm/agreement.hpp"
#include "device/own_stream.hpp"
#include "model/evaluation_mode.hpp"
#include "model/initial_weights.hpp"
#include "model/weights_in_use.hpp"
#include "optimizer/update_rules.hpp"
#include "parallel/replicate.hpp"
#include "step/resolved_objective.hpp"
#include "step/weights.hpp"

namespace vae_dist::step {
namespace {

std::shared_ptr<model::LatentModel> model_on_device(const config::Config& config,
                                                    const arrays::SampleShape& shape,
                                                    const device::DeviceChoice& device,
                                                    std::int64_t condition_values) {
  std::shared_ptr<model::LatentModel> model = make_model(config, shape, condition_values);
  try {
    model->freeze(config.train.freeze);
  } catch (const std::invalid_argument& error) {
    throw comm::AgreedError(base::ExitCode::bad_input, base::text("train.freeze: ", error.what()));
  }
  if (trained_parameters(*model).empty())
    throw comm::AgreedError(
        base::ExitCode::bad_input,
        config.train.freeze.empty()
            ? "nothing is left to train: no parameter of the model asks for a gradient. A network "
              "from Python is saved with requires_grad=True where it is to be trained, and without "
              "torch.jit.freeze"
            : "train.freeze leaves nothing to train: it freezes all parameters of the model");
  model->to(device.device);
  return model;
}

StepOptions step_options(const config::Config& config, const input::ReplicaPlan& plan) {
  StepOptions options;
  options.clip_norm = config.train.gradient_clip_norm;
  options.skip_above_norm = config.train.skip_step_above_norm;
  // With sync batch norm, replicas have no statistics of their own, so those of a rank run as one
  // batch.
  const bool sync = config.distributed.batch_norm == config::BatchNorm::sync;
  options.batches = sync ? 1 : plan.replicas_per_rank();
  options.global_batches = sync ? plan.world_size : plan.replicas;
  options.first_batch = plan.rank * options.batches;
  options.batch_replicas = sync ? plan.replicas_per_rank() : 1;
  return options;
}

parallel::ReducerOptions reducer_options(const config::Config& config,
                                         const input::ReplicaPlan& plan) {
  parallel::ReducerOptions options;
  options.caps.first_bytes =
      static_cast<std::int64_t>(config.distributed.first_bucket_mib * (1 << 20));
  options.caps.bytes = static_cast<std::int64_t>(config.distributed.bucket_mib * (1 << 20));
  options.batches =
      config.distributed.batch_norm == config::BatchNorm::sync ? 1 : plan.replicas_per_rank();
  options.reproducible = config.distributed.reproducible;
  options.wire =
      config.distributed.compress == config::Compress::bf16 ? comm::Wire::bf16 : comm::Wire::exact;
  return options;
}

comm::SumOrder sum_order(const config::Config& config) {
  return config.distributed.reproducible ? comm::SumOrder::tree : comm::SumOrder::fast;
}

std::vector<const objective::Regulariser*> critics_of(const objective::Objective& objective) {
  std::vector<const objective::Regulariser*> out;
  for (const objective::Regulariser& each : objective.options().regularisers)
    if (each.critic()) out.push_back(&each);
  return out;
}

ExchangeOptions exchange_options(const config::Config& config,
                                 const objective::Objective& objective) {
  const config::DistributedConfig& wanted = config.distributed;
  return {sum_order(config),
          {base::Seconds(wanted.slow_timeout_s), base::Seconds(wanted.timeout_s)},
          wanted.batch_norm == config::BatchNorm::sync,
          objective.looks_at_whole_batch(),
          static_cast<std::int64_t>(critics_of(objective).size())};
}

objective::ObjectiveOptions options_of(const LearnerRequest& wanted) {
  const std::int64_t samples = std::max(wanted.training_samples, wanted.plan.global_batch);
  return resolve_objective(wanted.config, std::max<std::int64_t>(1, samples), wanted.shape).options;
}

std::optional<WholeBatchPass> whole_batch_pass(const LearnerRequest& wanted,
                                               const objective::Objective& objective,
                                               const model::LatentModel& model,
                                               const StepOptions& options,
                                               const Exchanges& exchanges) {
  if (!objective.looks_at_whole_batch()) return std::nullopt;
  WholeBatchPlan plan;
  plan.global_batch = wanted.plan.global_batch;
  plan.first_sample = wanted.plan.first_sample();
  plan.batches = options.batches;
  plan.global_batches = options.global_batches;
  plan.replicas = wanted.plan.replicas_per_rank();
  plan.reproducible = wanted.config.distributed.reproducible;
  return std::optional<WholeBatchPass>(std::in_place, objective, model.likelihood(), plan,
                                       exchanges.whole_batch.get());
}

// Adam with the critic's own settings.
PartRequest part_of(const objective::Regulariser& regulariser, const config::Config& config,
                    std::int64_t index, const at::TensorOptions& options) {
  objective::Critic& critic = *regulariser.critic();
  // The critic's weights have a seed of their own, so that they are not those of the model's
  // layers.
  model::draw_initial_weights(critic.network(),
                              static_cast<std::uint64_t>(config.run.seed + 1 + index));
  critic.network().to(options.device(), options.dtype().toScalarType());
  PartRequest out;
  out.name = regulariser.terms.front().name;
  for (const auto& parameter : critic.network().named_parameters())
    out.parameters.emplace_back(parameter.key(), parameter.value());
  out.optimizer.rule.settings_of<optimizer::AdamSettings>("adam").betas = critic.betas();
  out.own_rate = critic.learning_rate();
  out.channels_last = config.train.channels_last;
  out.keeps_parameters = true;
  return out;
}

// All trained parameters of the model form one part, and those of each critic another.
std::vector<std::unique_ptr<TrainedPart>> parts_of(model::LatentModel& model,
                                                   const objective::Objective& objective,
                                                   const config::Config& config,
                                                   GradientMemory& memory) {
  const config::TrainConfig& train = config.train;
  PartRequest whole;
  whole.parameters = trained_parameters(model);
  whole.optimizer = train.optimizer;
  whole.ema_decay = train.ema_decay;
  whole.channels_last = train.channels_last;
  if (train.precision == config::Precision::bf16) whole.rounded = model::weights_of_products(model);
  whole.gradient_memory = [&memory](std::int64_t count, const at::TensorOptions& options) {
    return memory.zeros(count, options);
  };
  std::vector<std::unique_ptr<TrainedPart>> parts;
  parts.push_back(std::make_unique<TrainedPart>(whole));
  for (const objective::Regulariser* const critic : critics_of(objective))
    parts.push_back(std::make_unique<TrainedPart>(
        part_of(*critic, config, static_cast<std::int64_t>(parts.size()),
                parts.front()->parameters().values().options())));
  return parts;
}

std::vector<TrainedPart*> all_of(const std::vector<std::unique_ptr<TrainedPart>>& parts) {
  std::vector<TrainedPart*> out;
  for (const auto& part : parts) out.push_back(part.get());
  return out;
}

parallel::NamedTensors state_of(const std::vector<std::unique_ptr<TrainedPart>>& parts) {
  parallel::NamedTensors out;
  for (const auto& part : parts)
    for (auto& entry : part->state()) out.push_back(std::move(entry));
  return out;
}

bool is_of_average(const std::string& name) {
  return name.substr(name.rfind('/') + 1).starts_with(kAveragePrefix);
}

}  // namespace

Learner::Learner(const LearnerRequest& wanted, comm::CpuCommunicator& all_ranks,
                 comm::CollectiveLog& log)
    : device_(wanted.device.device),
      options_(step_options(wanted.config, wanted.plan)),
      samples_at_once_(wanted.plan.samples_per_rank() / options_.batches),
      weights_metadata_(weights_metadata(wanted.config, wanted.shape)),
      model_(model_on_device(wanted.config, wanted.shape, wanted.device, wanted.condition_values)),
      objective_(options_of(wanted), *model_),
      gradient_memory_(wanted.device, sum_order(wanted.config), all_ranks),
      parts_(parts_of(*model_, objective_, wanted.config, gradient_memory_)),
      statistics_(*model_, objective_, parts_.front()->parameters().values().options(),
                  options_.first_batch, options_.global_batches),
      exchanges_(make_exchanges(wanted.device, all_ranks,
                                exchange_options(wanted.config, objective_), gradient_memory_,
                                log)),
      whole_batch_(whole_batch_pass(wanted, objective_, *model_, options_, exchanges_)),
      gate_(wanted.device.device),
      step_({*model_, objective_, statistics_, all_of(parts_), &gate_,
             whole_batch_ ? &*whole_batch_ : nullptr},
            options_),
      all_ranks_(all_ranks),
      log_(log) {
  // Behind the objective, which may have asked a script with a batch of a size that no step has.
  model_->use_convolutions(convolution_choice(wanted.config.train.convolutions));
  parts_.front()->reduce_through(std::move(exchanges_.gradients), statistics_.sums(),
                                 reducer_options(wanted.config, wanted.plan));
  for (std::size_t i = 1; i < parts_.size(); ++i) {
    parallel::ReducerOptions options = reducer_options(wanted.config, wanted.plan);
    options.label = "critic";
    parts_[i]->reduce_through(
        exchanges_.critics.empty() ? nullptr : std::move(exchanges_.critics[i - 1]),
        at::empty({0}, statistics_.sums().options()), options);
  }
  if (wanted.config.distributed.batch_norm == config::BatchNorm::sync) {
    for (model::BatchNorm layer : model_->batch_norms())
      layer->set_sum_over_ranks([exchange = exchanges_.statistics.get()](at::Tensor& tensor) {
        if (!exchange) return;  // a single rank holds the whole batch
        exchange->start(tensor, comm::Wire::exact, "sum over ranks");
        exchange->finish();
      });
  }
  model_->train();
  if (!wanted.device.device.is_cuda()) return;
  use_recorder(device::make_graph_recorder(wanted.device.device));
  std::string reason = why_not_captured(wanted.config, wanted.device);
  if (reason.empty() && (model_->draws_numbers() || objective_.draws_numbers())) {
    reason = "network or loss draw random numbers, whose seed each step sets on the host";
    check_cuda_graph(wanted.config, reason);
  }
  if (numbers_go_to_device(wanted.config, wanted.device))
    step_through_recorder(reason.empty() && wants_capture(wanted.config, wanted.device));
  if (!reason.empty() && wanted.config.train.cuda_graph.value_or(true) && all_ranks.rank() == 0)
    log::info("steps are not captured in a CUDA graph: " + reason);
}

std::vector<WeightAverage*> Learner::averages() {
  std::vector<WeightAverage*> out;
  for (const auto& part : parts_)
    if (part->average()) out.push_back(part->average());
  return out;
}

std::vector<parallel::Bucket> Learner::buckets() const {
  std::vector<parallel::Bucket> out;
  for (const auto& part : parts_)
    out.insert(out.end(), part->reducer().buckets().begin(), part->reducer().buckets().end());
  return out;
}

std::string Learner::describe_plan() const {
  std::string out;
  for (const auto& part : parts_)
    out += (out.empty() ? "" : "; ") + part->reducer().describe_plan();
  return out;
}

std::uint64_t Learner::bytes_per_step() const {
  std::uint64_t bytes = 0;
  for (const auto& part : parts_) bytes += part->reducer().bytes_per_step();
  if (whole_batch_) bytes += whole_batch_->bytes_per_step();
  return bytes;
}

base::Seconds Learner::exposed_wait() const {
  base::Seconds wait{0};
  for (const auto& part : parts_) wait += part->reducer().exposed_wait();
  if (whole_batch_) wait += whole_batch_->exposed_wait();
  return wait;
}

void Learner::run_blank_batch() {
  const at::NoGradGuard no_grad;
  model::Sample blank = model_->example(samples_at_once_);
  blank.noise = at::zeros(
      {samples_at_once_, objective_.noise_per_sample(samples_at_once_ / options_.batch_replicas)},
      blank.x.options());
  const model::EvaluationMode evaluation(*model_);
  // In the global scope a step compares blocks of samples with all, never all with all, which would
  // take G * G numbers.
  if (whole_batch_)
    objective_.forward(*model_, blank, /*decode=*/true);
  else
    objective_.terms(*model_, blank, {}, options_.batch_replicas);
}

void Learner::record_steps(std::unique_ptr<device::WorkRecorder> recorder, bool capture) {
  captured_.reset();
  use_recorder(std::move(recorder));
  step_through_recorder(capture);
}

void Learner::use_recorder(std::unique_ptr<device::WorkRecorder> recorder) {
  recorder_ = std::move(recorder);
  if (device::WaitClock* const clock = recorder_->wait_clock())
    for (const auto& part : parts_) part->reducer().use_clock(*clock);
}

void Learner::step_through_recorder(bool capture) {
  captured_.emplace(step_, capture ? recorder_.get() : nullptr, all_ranks_, log_);
}

ParameterCount Learner::parameter_count() const {
  ParameterCount count;
  for (const at::Tensor& parameter : model_->parameters()) {
    count.all += parameter.numel();
    if (parameter.requires_grad()) count.trained += parameter.numel();
  }
  return count;
}

std::int64_t Learner::counted_steps() const {
  return static_cast<std::int64_t>(parts_.front()->optimizer().step_count().item<float>());
}

checkpoint::TensorFile Learner::weights(OnHost on_host) const {
  return collect_weights(*model_, weights_metadata_, on_host);
}

checkpoint::TensorFile Learner::optimizer_state(OnHost on_host) const {
  checkpoint::TensorFile file;
  for (const auto& [name, tensor] : state_of(parts_))
    file.tensors[name] = tensor.detach().to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false,
                                            /*copy=*/on_host == OnHost::copied);
  return file;
}

std::optional<Learner::LastState> Learner::last_state(base::Seconds limit) {
  const base::Stopwatch since;
  const std::optional<UpdateGate::Closed> closed = gate_.close(limit);
  if (!closed) return std::nullopt;
  if (device_.is_cpu()) return state_at(*closed);

  // A device that hangs may keep any call waiting, so another thread makes them.
  struct Copied {
    std::mutex mutex;
    std::condition_variable changed;
    bool ended = false;
    std::optional<LastState> state;
  };
  const auto copied = std::make_shared<Copied>();
  std::thread([this, copied] {
    std::optional<LastState> state;
    try {
      state = copy_beside_the_device();
    } catch (const std::exception& error) {
      log::warn(base::text("the weights could not be read from the device: ", error.what()));
    }
    const std::lock_guard lock(copied->mutex);
    copied->state = std::move(state);
    copied->ended = true;
    copied->changed.notify_all();
  }).detach();
  std::unique_lock lock(copied->mutex);
  copied->changed.wait_for(lock, limit - since.elapsed(), [&] { return copied->ended; });
  return std::move(copied->state);
}

// Changes that the host has started wait for the device. If it is idle, its marks say which of them
// have been made, and that none was made while the state was copied.
std::optional<Learner::LastState> Learner::copy_beside_the_device() {
  const device::UpdateMarks::Counts before = *gate_.counts();
  const std::optional<UpdateGate::Closed> at = gate_.after(before.ended);
  if (before.begun != before.ended || !at) return std::nullopt;
  const device::OwnStream beside(device_);
  std::optional<LastState> out = state_at(*at);
  return *gate_.counts() == before ? std::move(out) : std::nullopt;
}

std::optional<Learner::LastState> Learner::state_at(const UpdateGate::Closed& closed) const {
  const at::NoGradGuard no_grad;
  LastState out{closed.step, weights(OnHost::shared), optimizer_state(OnHost::shared),
                counted_steps()};
  for (const auto& [name, buffer] : statistics_.own_buffers())
    out.weights.tensors.at(name) = buffer.to(at::kCPU);
  if (!closed.averages_swapped) return out;
  for (const auto& part : parts_)
    for (const auto& [name, average] : part->averages_by_parameter())
      std::swap(out.weights.tensors.at(name), out.optimizer.tensors.at(average));
  return out;
}

void Learner::restore(const checkpoint::Checkpoint& checkpoint, const std::string& origin) {
  restore_weights(*model_, checkpoint.weights, origin);
  std::vector<std::string> misfits;
  for (auto& [name, tensor] : state_of(parts_)) {
    const auto found = checkpoint.optimizer.tensors.find(name);
    if (found == checkpoint.optimizer.tensors.end() || found->second.sizes() != tensor.sizes()) {
      misfits.push_back(name);
    } else {
      tensor.copy_(found->second);
    }
  }
  if (!misfits.empty())
    throw base::BadInput(
        base::text(origin, ": the optimizer's state is missing or does not fit the model:\n  ",
                   base::list_of_ten(misfits, "\n  ")));
}

bool Learner::begin_with(const checkpoint::Checkpoint& checkpoint, const std::string& origin) {
  restore_weights(*model_, checkpoint.weights, origin);
  const auto& saved = checkpoint.optimizer.tensors;
  // Incomplete moments would be worse than none: without its norm, Adamax's step is practically
  // unbounded.
  const auto take = [&](const parallel::NamedTensors& wanted) {
    for (const auto& [name, tensor] : wanted) {
      const auto found = saved.find(name);
      if (found == saved.end() || found->second.sizes() != tensor.sizes()) return false;
    }
    for (const auto& [name, tensor] : wanted) at::Tensor(tensor).copy_(saved.at(name));
    return true;
  };
  parallel::NamedTensors moments, of_averages;
  for (auto& entry : state_of(parts_))
    (is_of_average(entry.first) ? of_averages : moments).push_back(std::move(entry));
  if (!take(of_averages))
    for (WeightAverage* const average : averages()) average->reset_to_weights();
  return take(moments);
}

std::vector<at::Tensor> Learner::state() const {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : named_state(*model_)) tensors.push_back(tensor);
  for (const auto& [name, tensor] : state_of(parts_)) tensors.push_back(tensor);
  return tensors;
}

std::int64_t Learner::state_bytes() const {
  std::int64_t bytes = 0;
  for (const at::Tensor& tensor : state()) bytes += static_cast<std::int64_t>(tensor.nbytes());
  return bytes;
}

void Learner::replicate(comm::CpuCommunicator& all_ranks) const {
  if (all_ranks.size() == 1) return;
  parallel::broadcast_tensors(all_ranks, state());
  parallel::require_equal_tensors(all_ranks, "initial weights and optimizer state", state());
}

}  // namespace vae_dist::step
