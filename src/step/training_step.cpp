#include "step/training_step.hpp"

#include <ATen/ATen.h>

#include "model/weights_in_use.hpp"
#include "step/step_range.hpp"

namespace vae_dist::step {

StepValues step_values(const std::vector<double>& numbers) {
  StepValues out{numbers.at(0), numbers.at(1),      numbers.at(2),
                 numbers.at(3), numbers.at(4) != 0, {}};
  out.extra_terms.assign(numbers.begin() + 5, numbers.end());
  return out;
}

namespace {

// Returns the norm over the parts that follow the learning rate of the run. A critic, which has a
// rate of its own, is neither clipped nor skipped by the norm of the model, nor the other way
// round.
at::Tensor gradient_norm(const std::vector<TrainedPart*>& parts) {
  std::vector<at::Tensor> norms;
  for (const TrainedPart* part : parts)
    if (!part->own_rate()) norms.push_back(part->parameters().gradients().norm());
  return norms.size() == 1 ? norms[0] : at::stack(norms).norm();
}

// Whether no part's gradient is infinite or NaN: a step is taken or skipped as a whole.
at::Tensor all_finite(const std::vector<TrainedPart*>& parts, const at::Tensor& norm) {
  at::Tensor good = at::isfinite(norm);
  for (const TrainedPart* part : parts)
    if (part->own_rate())
      good = good.logical_and(at::isfinite(part->parameters().gradients().norm()));
  return good;
}

}  // namespace

TrainingStep::TrainingStep(const StepParts& parts, const StepOptions& options)
    : parts_(parts), options_(options) {
  for (TrainedPart* part : parts_.trained)
    if (const parallel::RoundedParameters* const rounded = part->rounded())
      copies_.insert(copies_.end(), rounded->copies().begin(), rounded->copies().end());
}

StepOutcome TrainingStep::run(const model::Sample& batch, double learning_rate,
                              const objective::StepWeights& weights) {
  return run_all(batch, learning_rate, weights);
}

StepOutcome TrainingStep::run(const model::Sample& batch, const at::Tensor& learning_rate,
                              const objective::StepWeights& weights) {
  return run_all(batch, learning_rate, weights);
}

template <typename Rate>
StepOutcome TrainingStep::run_all(const model::Sample& batch, const Rate& learning_rate,
                                  const objective::StepWeights& weights) {
  begin();
  const std::vector<model::Sample> parts = batch.chunk(options_.batches);
  if (has_first_pass()) {
    for (const model::Sample& part : parts) {
      collect_batch(part, weights);
      collected();
    }
    agree(weights);
  }
  for (const model::Sample& part : parts) {
    next_batch();
    run_batch(part, weights);
    batch_done();
  }
  return end(learning_rate);
}

void TrainingStep::begin() {
  issued_.clear();
  collected_batches_ = run_batches_ = 0;
  for (TrainedPart* part : parts_.trained) {
    part->reducer().record_in(&issued_);
    part->reducer().begin_step();
    if (parallel::RoundedParameters* const rounded = part->rounded()) rounded->refresh();
  }
  parts_.statistics.begin_step();
  if (parts_.whole_batch) parts_.whole_batch->begin();
}

// The same numbers in a first pass as in the second.
void TrainingStep::draw_numbers_of(std::int64_t index, const objective::StepWeights& weights) {
  if (!parts_.model.draws_numbers() && !parts_.objective.draws_numbers()) return;
  parts_.model.draw_from(weights.network_seed,
                         (options_.first_batch + index) * options_.batch_replicas);
}

void TrainingStep::collect_batch(const model::Sample& batch,
                                 const objective::StepWeights& weights) {
  const StepRange range("first pass");
  const at::NoGradGuard no_grad;
  const model::UseCopies in_use(parts_.model, copies_);
  const model::SilentForward silent(parts_.model);
  draw_numbers_of(collected_batches_++, weights);
  const model::Sample sample = prepare_ ? prepare_(batch) : batch;
  const objective::Forward forward =
      parts_.objective.forward(parts_.model, sample, /*decode=*/false);
  parts_.whole_batch->write(parts_.objective.share(forward, sample));
  parts_.statistics.take_back_own_buffers();
}

objective::LossTerms TrainingStep::terms_of(const model::Sample& sample,
                                            const objective::StepWeights& weights) {
  const objective::Objective& objective = parts_.objective;
  if (!parts_.whole_batch)
    return objective.terms(parts_.model, sample, weights, options_.batch_replicas);
  WholeBatchPass& whole = *parts_.whole_batch;
  objective::Forward forward = objective.forward(parts_.model, sample, /*decode=*/has_first_pass());
  const objective::BatchShare share = objective.share(forward, sample);
  if (!has_first_pass()) {
    whole.write(share);
    whole.collected();
    whole.agree(weights);
    whole.next();
    for (auto& [what, bytes] : whole.sequence()) issued_.push_back({"objective: " + what, bytes});
    if (!forward.decoded.output.defined()) forward.decoded = parts_.model.decode(forward.z, sample);
  }
  return objective.terms(parts_.model, forward, share, sample, weights, whole.of_batch(),
                         options_.batch_replicas);
}

void TrainingStep::run_batch(const model::Sample& batch, const objective::StepWeights& weights) {
  // Backward too: it may run a forward again (model/recompute.hpp).
  const model::UseCopies in_use(parts_.model, copies_);
  draw_numbers_of(run_batches_++, weights);
  const double share = 1.0 / static_cast<double>(options_.global_batches);
  const objective::LossTerms terms = [&] {
    const StepRange range("forward");
    return terms_of(prepare_ ? prepare_(batch) : batch, weights);
  }();
  parts_.statistics.add(terms, share, weights);
  for (TrainedPart* part : parts_.trained) part->reducer().batch_forwarded();
  const StepRange range("backward");
  // Critics have a loss of their own, which has no gradient for the model.
  ((terms.critics.defined() ? terms.loss + terms.critics : terms.loss) * share).backward();
  parts_.statistics.take_back_own_buffers();
}

template <typename Rate>
StepOutcome TrainingStep::end(const Rate& learning_rate) {
  {
    const StepRange range("exchange");
    for (TrainedPart* part : parts_.trained) part->reducer().finish();
  }

  // From here on, every rank computes the same results from the same sums.
  const StepRange range("optimizer");
  const at::NoGradGuard no_grad;
  parts_.statistics.complete_terms();
  const at::Tensor terms = parts_.statistics.terms();
  const at::Tensor norm = gradient_norm(parts_.trained);
  // A script's loss may be sound where the program's reconstruction and KL, which it does without,
  // are not.
  const std::int64_t needed = parts_.objective.is_standard() ? 3 : 1;
  at::Tensor good =
      all_finite(parts_.trained, norm).logical_and(at::isfinite(terms.slice(0, 0, needed)).all());
  if (options_.skip_above_norm) good = good.logical_and(norm <= *options_.skip_above_norm);
  const at::Tensor skip = good.logical_not().to(at::kFloat).view(1);

  // Clips as torch.nn.utils.clip_grad_norm_ does, but never scales by NaN: nothing overwrites the
  // gaps between gradients, so a NaN there would stay forever.
  const at::Tensor factor =
      options_.clip_norm ? at::where(good, (*options_.clip_norm / (norm + 1e-6)).clamp_max(1.0),
                                     at::ones_like(norm))
                         : at::Tensor();
  if (parts_.gate) {
    parts_.gate->begin_change();
    parts_.gate->mark_begin();
  }
  for (TrainedPart* part : parts_.trained) {
    if (part->own_rate()) {
      part->optimizer().step(*part->own_rate(), skip);
    } else {
      if (factor.defined()) part->parameters().gradients().mul_(factor);
      part->optimizer().step(learning_rate, skip);
    }
    if (WeightAverage* const average = part->average())
      average->update(part->optimizer().step_count(), skip);
  }
  parts_.statistics.blend_into_running(skip);
  if (parts_.gate) parts_.gate->mark_end();
  return {at::cat(
      {terms.slice(0, 0, 3), norm.view(1), skip.to(terms.scalar_type()), terms.slice(0, 3)})};
}

void TrainingStep::batch_done() {
  for (TrainedPart* part : parts_.trained) part->reducer().batch_done();
}

void TrainingStep::leave_marks(device::ProgressMarks* marks) {
  if (parts_.whole_batch && !has_first_pass()) parts_.whole_batch->leave_marks(marks);
  for (TrainedPart* part : parts_.trained) part->reducer().leave_marks(marks);
}

template StepOutcome TrainingStep::end(const double&);
template StepOutcome TrainingStep::end(const at::Tensor&);

}  // namespace vae_dist::step
