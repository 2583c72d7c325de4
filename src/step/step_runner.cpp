#include "step/step_runner.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "hdf5/read_bytes.hpp"
#include "input/batch_tensors.hpp"
#include "input/open_data.hpp"
#include "input/training_batches.hpp"
#include "step/step_range.hpp"

namespace vae_dist::step {
namespace {

// The log may lack the last steps that any rank has started: it is written two steps late, by a
// rank that may be a step behind.
constexpr std::size_t kLatestKept = 6;
static_assert(kLatestKept > AgreedFlags::kStepsLate + 1);
static_assert(kLatestKept < device::DeferredRing::kRows);

std::unique_ptr<data::PrefetchingLoader> batches_after(const StepRunnerParts& parts,
                                                       std::int64_t steps_done) {
  const std::int64_t noise = parts.learner.objective().noise_per_sample(
                         parts.plan.samples_per_replica()),
                     steps_per_epoch = parts.learning_rate.steps_per_epoch;
  return input::training_batches({parts.config, parts.train, parts.plan, noise, parts.device,
                                  parts.ranks.node, parts.ranks.all},
                                 steps_done / steps_per_epoch, steps_done % steps_per_epoch);
}

}  // namespace

StepRunner::StepRunner(const StepRunnerParts& parts, std::int64_t steps_done)
    : parts_(parts),
      format_(input::input_format(parts.config, parts.train, parts.device)),
      steps_done_(steps_done),
      batches_(batches_after(parts, steps_done)),
      flags_(parts.ranks.flags),
      slow_steps_(parts.learner.slow_steps()) {
  parts_.learner.gate().starts_after(steps_done);
  parts_.learner.prepare_with([format = format_](const model::Sample& stored) {
    return input::model_batch(stored, format);
  });
}

StepRequests StepRunner::step(const StepHooks& hooks) {
  DoneStep known;
  if (hooks.enter) hooks.enter(StepPhase::waiting_for_data);
  data::Batch on_host;  // on the CPU the step reads its memory
  model::Sample batch;
  {
    const StepRange range("data");
    const base::Stopwatch waiting;
    on_host = batches_->next();
    known.data_wait_seconds = waiting.elapsed().count();
    known.epoch = on_host.epoch;
    batch = input::stored_batch(on_host, format_);
  }

  if (hooks.enter) hooks.enter(slow_steps_ > 0 ? StepPhase::first_steps : StepPhase::stepping);
  if (slow_steps_ > 0) --slow_steps_;
  known.learning_rate = learning_rate(parts_.learning_rate, steps_done_);
  known.beta = parts_.objective.beta_at(steps_done_);
  device::DeferredValues values = learn(batch, known.learning_rate);
  // The step counts from here on. Ranks that are left alone may never get past the exchange below.
  known.step = ++steps_done_;
  known.allreduce_wait_seconds = parts_.learner.exposed_wait().count();
  known.read_bytes = hdf5::read_bytes_so_far();
  known.step_seconds = since_step_.restart().count();
  last_ = known;
  note(known, std::move(values));
  parts_.learner.gate().end_update(steps_done_);

  const StepRequests agreed = flags_.exchange(hooks.requests ? hooks.requests() : StepRequests{});
  if (unread() > AgreedFlags::kStepsLate) {
    const DoneStep done = take_oldest();
    if (hooks.read) hooks.read(done);
  }
  return agreed;
}

// Runs the step, and turns a lack of memory into an error with a remedy.
device::DeferredValues StepRunner::learn(const model::Sample& batch, double learning_rate) {
  if (!before_steps_) before_steps_ = memory_use(parts_.device);
  try {
    device::DeferredValues values =
        parts_.learner.step(batch, learning_rate, parts_.objective.weights_at(steps_done_));
    completed_a_step_ = true;
    return values;
  } catch (const std::exception& error) {
    parts_.learner.gate().cut_short();
    if (!is_out_of_memory(error)) throw;
    const config::Config& config = parts_.config;
    const MemoryNeed need{
        model_bytes(config, parts_.learner.parameter_count(), parts_.plan.replicas_per_rank()),
        taken_by_steps(*before_steps_, memory_use(parts_.device)), completed_a_step_,
        config::has_blocks(config.model) && config.train.recompute == config::Recompute::none};
    throw base::Failure(out_of_memory_text(error.what(), need, parts_.plan, config.distributed));
  }
}

DoneStep StepRunner::Started::done() {
  DoneStep done = known;
  done.values = step_values(values.get());
  return done;
}

void StepRunner::note(const DoneStep& known, device::DeferredValues values) {
  auto started = std::make_shared<Started>(Started{known, std::move(values)});
  const std::lock_guard lock(latest_->mutex);
  latest_->steps.push_back(std::move(started));
  ++latest_->unread;
  if (latest_->steps.size() > kLatestKept) latest_->steps.pop_front();
}

std::size_t StepRunner::unread() const {
  const std::lock_guard lock(latest_->mutex);
  return latest_->unread;
}

DoneStep StepRunner::take_oldest() {
  std::shared_ptr<Started> oldest;
  {
    const std::lock_guard lock(latest_->mutex);
    oldest = latest_->steps[latest_->steps.size() - latest_->unread];
  }
  const DoneStep done = oldest->done();
  const std::lock_guard lock(latest_->mutex);
  --latest_->unread;
  return done;
}

void StepRunner::read_all(const std::function<void(const DoneStep&)>& read) {
  while (unread() > 0) read(take_oldest());
}

std::vector<DoneStep> StepRunner::latest() {
  std::deque<std::shared_ptr<Started>> steps;
  {
    const std::lock_guard lock(latest_->mutex);
    steps = latest_->steps;
  }
  std::vector<DoneStep> out;
  for (const auto& started : steps) out.push_back(started->done());
  return out;
}

}  // namespace vae_dist::step
