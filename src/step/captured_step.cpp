#include "step/captured_step.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "device/queue_copy.hpp"
#include "model/torch_error.hpp"

namespace vae_dist::step {
namespace {

// Returns the step's numbers as one tensor on the device, so that a single copy transfers them.
at::Tensor numbers_on(c10::Device device, double learning_rate,
                      const objective::StepWeights& weights, std::int64_t row) {
  std::vector<double> numbers = {learning_rate, weights.kld_factor, weights.capacity_nats,
                                 static_cast<double>(row), weights.code_draw};
  numbers.insert(numbers.end(), weights.ramps.begin(), weights.ramps.end());
  return device::queue_copy(at::tensor(numbers, at::kDouble), device);
}

at::Tensor rate_in(const at::Tensor& numbers) { return numbers[0]; }

objective::StepWeights weights_in(const at::Tensor& numbers) {
  objective::StepWeights out;
  out.kld_factor_on_device = numbers[1];
  out.capacity_nats_on_device = numbers[2];
  out.code_draw_on_device = numbers[4];
  if (numbers.numel() > 5) out.ramps_on_device = numbers.slice(0, 5);
  return out;
}

at::Tensor row_in(const at::Tensor& numbers) { return numbers.slice(0, 3, 4); }

// After a failed call NCCL refuses all further calls, so training cannot continue with eager steps.
const std::string kWhileCapturing =
    " (This happened while a step was being captured in a CUDA graph. To train without capture, "
    "set train.cuda_graph=false.)";

// Returns the first line of the error's message, without torch's backtrace.
std::string reason_in(const std::exception& error) {
  const std::string whole = model::said_by(error);
  const std::string line = whole.substr(0, whole.find('\n'));
  return line.empty() ? "an error without a message" : line;
}

}  // namespace

CapturedStep::CapturedStep(TrainingStep& step, device::WorkRecorder* recorder,
                           comm::CpuCommunicator& all_ranks, comm::CollectiveLog& log)
    : step_(step), recorder_(recorder), all_ranks_(all_ranks), log_(log) {}

CapturedStep::~CapturedStep() {
  if (words_) log_.follow(nullptr);
}

device::DeferredValues CapturedStep::run(const model::Sample& batch, double learning_rate,
                                         const objective::StepWeights& weights) {
  row_ = (row_ + 1) % device::DeferredRing::kRows;
  const at::Tensor numbers = numbers_on(batch.x.device(), learning_rate, weights, row_);
  if (recorder_ && !decided_ && rule_.is_due()) {
    numbers_ = at::empty_like(numbers);
    try_capture(batch);
  }
  return is_captured() ? launch(batch, numbers) : run_eagerly(batch, numbers);
}

device::DeferredValues CapturedStep::run_eagerly(const model::Sample& batch,
                                                 const at::Tensor& numbers) {
  const StepOutcome outcome = step_.run(batch, rate_in(numbers), weights_in(numbers));
  rule_.saw(step_.sequence());
  if (recorder_ && !decided_ && !outcomes_)
    outcomes_.emplace(outcome.values.numel(), batch.x.device());
  return device::DeferredValues(outcome.values);
}

device::DeferredValues CapturedStep::launch(const model::Sample& batch, const at::Tensor& numbers) {
  if (step_.batches() > 1) step_.begin();  // otherwise it is part of the recording
  numbers_.copy_(numbers);
  std::vector<model::Sample> parts = batch.chunk(step_.batches());
  const auto take = [this](model::Sample& part) {
    const std::vector<at::Tensor*> from = part.fields(), into = batch_.fields();
    for (std::size_t field = 0; field < into.size(); ++field)
      if (into[field]->defined()) into[field]->copy_(*from[field]);
  };
  if (collect_) {
    for (model::Sample& part : parts) {
      take(part);
      collect_->launch();
      step_.collected();
    }
    step_.agree(weights_in(numbers_));
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    take(parts[i]);
    step_.next_batch();
    if (i + 1 < parts.size()) {
      replica_->launch();
      step_.batch_done();
    } else {
      if (UpdateGate* const gate = step_.gate()) gate->begin_change();
      if (words_) words_->launching();
      last_->launch();
    }
  }
  return outcomes_->written(row_);
}

void CapturedStep::try_capture(const model::Sample& batch) {
  decided_ = true;
  std::string reasons = joined_reasons(comm::all_gather_text(all_ranks_, rule_.objection()));
  if (reasons.empty()) {
    std::string error;
    try {
      record(batch);
    } catch (const base::CommunicationFailure& failed) {
      throw base::CommunicationFailure(failed.what() + kWhileCapturing, failed.where());
    } catch (const base::Error& failed) {
      if (failed.code() == base::ExitCode::timed_out)
        throw base::Error(failed.code(), failed.what() + kWhileCapturing, failed.where());
      error = reason_in(failed);
    } catch (const std::exception& failed) {
      error = reason_in(failed);
    }
    reasons = joined_reasons(comm::all_gather_text(all_ranks_, error));
    if (!reasons.empty()) end_capture();
  }
  if (all_ranks_.rank() != 0) return;
  if (reasons.empty()) {
    log::info(base::text(
        "from here on a step is one CUDA graph",
        replica_
            ? base::text(" for a rank's last replica, preceded by launches of another CUDA graph "
                         "for the earlier replicas, of which there are ",
                         step_.batches() - 1,
                         collect_ ? "; a third one has collected what the objective reads of the "
                                    "whole batch from each of them"
                                  : "")
            : ""));
  } else {
    log::warn(
        base::text("the step cannot be captured in a CUDA graph (train.cuda_graph), so training "
                   "continues kernel by kernel: ",
                   reasons));
  }
}

void CapturedStep::record(const model::Sample& batch) {
  const std::vector<base::ProgressWords::Collective> sequence = step_.sequence();
  batch_ = batch.chunk(step_.batches()).front().each([](const at::Tensor& field) {
    return at::empty_like(field);
  });
  if (step_.batches() > 1) {
    step_.begin();
    if (step_.has_first_pass()) {
      collect_ = recorder_->record([this] { step_.collect_batch(batch_, weights_in(numbers_)); });
      step_.next_batch();
    }
    replica_ = recorder_->record([this] { step_.run_batch(batch_, weights_in(numbers_)); });
    // Advances to the last batch, in which buckets start. The sums that this produces are discarded
    // when the next step begins.
    for (std::int64_t i = 1; i < step_.batches(); ++i) step_.batch_done();
  }
  if (step_.exchanges())
    marks_ = std::make_unique<device::ProgressMarks>(static_cast<std::int64_t>(sequence.size()),
                                                     batch.x.device());
  step_.leave_marks(marks_.get());
  last_ = recorder_->record([this] {
    if (marks_) marks_->begin();
    if (step_.batches() == 1) step_.begin();
    step_.run_batch(batch_, weights_in(numbers_));
    const StepOutcome outcome = step_.end(rate_in(numbers_));
    outcomes_->write(outcome.values, row_in(numbers_));
  });
  step_.leave_marks(nullptr);
  if (!marks_) return;
  words_ = std::make_shared<base::ProgressWords>(sequence, marks_->word());
  log_.follow(words_);
}

void CapturedStep::end_capture() {
  decided_ = true;
  step_.leave_marks(nullptr);
  last_.reset();
  replica_.reset();
  collect_.reset();
  outcomes_.reset();
  if (words_) log_.follow(nullptr);
  words_.reset();
  marks_.reset();
  batch_ = model::Sample();
  numbers_ = at::Tensor();
}

}  // namespace vae_dist::step
