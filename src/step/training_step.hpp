// One step of data-parallel training, from a rank's part of the global batch to updated weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "objective/objective.hpp"
#include "step/step_statistics.hpp"
#include "step/trained_part.hpp"
#include "step/update_gate.hpp"
#include "step/whole_batch_pass.hpp"

namespace vae_dist::step {

struct StepOptions {
  std::int64_t batches =
      1;  ///< batches of this rank: one per replica, or a single one with sync batch norm
  std::int64_t global_batches = 1;  ///< batches of all ranks; divides each batch's loss
  std::int64_t first_batch = 0;     ///< of this rank, among those of all ranks
  std::int64_t batch_replicas =
      1;  ///< replicas in a batch: with sync batch norm those of the rank, else 1
  std::optional<double> clip_norm;  ///< gradients above this Euclidean norm are scaled down to it
  std::optional<double> skip_above_norm;
};

/// The results of a step as one tensor on the device, so that they can be read later: loss,
/// reconstruction, KL (global means), gradient norm (before clipping), 1 if the step was skipped,
/// then the objective's extra terms (global means).
struct StepOutcome {
  at::Tensor values;
};

/// The results of a step on the host.
struct StepValues {
  double loss = 0, reconstruction = 0, kld_nats = 0;  ///< global means
  double gradient_norm = 0;                           ///< before clipping
  bool skipped = false;
  std::vector<double> extra_terms;  ///< in the order of Objective::extra_terms()
};

/// Converts the numbers of StepOutcome::values, in their order.
StepValues step_values(const std::vector<double>& numbers);

/// The parts that a step uses; all of them outlive the step.
struct StepParts {
  model::LatentModel& model;
  const objective::Objective& objective;
  StepStatistics& statistics;
  std::vector<TrainedPart*>
      trained;  ///< each has a gradient reducer; that of the first also sums the statistics
  /// If there is one, run() and end() begin a change of the state, which the caller ends.
  UpdateGate* gate = nullptr;
  WholeBatchPass* whole_batch = nullptr;  ///< if the objective looks at the whole batch
};

class TrainingStep {
 public:
  TrainingStep(const StepParts& parts, const StepOptions& options);

  /// Runs one step. batch: this rank's samples, replica after replica. If the loss or the gradient
  /// norm is not finite, or the norm is above the limit, every rank skips the step: weights,
  /// moments and running statistics stay unchanged. Does not wait for the device.
  StepOutcome run(const model::Sample& batch, double learning_rate,
                  const objective::StepWeights& weights);

  /// Same, with the learning rate as a scalar on the device ([] double). The weights may be on the
  /// device too.
  StepOutcome run(const model::Sample& batch, const at::Tensor& learning_rate,
                  const objective::StepWeights& weights);

  // The parts of run(), for CapturedStep: begin(); if has_first_pass(), collect_batch() and
  // collected() for each batch, and agree(); then next_batch(), run_batch() and batch_done() for
  // each batch, then end().

  /// Resets the sums, and rounds the weights if layers compute with rounded ones.
  void begin();

  /// From now on batches are given as they are stored, and `prepare` makes the model's input of
  /// them, with operations of the device only.
  void prepare_with(std::function<model::Sample(const model::Sample&)> prepare) {
    prepare_ = std::move(prepare);
  }

  /// Whether a step has a first pass: the objective looks at the whole batch, and this rank has
  /// several batches. A rank with one batch collects its share in the middle of run_batch().
  bool has_first_pass() const { return parts_.whole_batch && options_.batches > 1; }

  /// Runs the next batch forward, without a gradient and without reporting statistics, as far as
  /// its share of the whole batch needs it.
  void collect_batch(const model::Sample& batch, const objective::StepWeights& weights);
  void collected() { parts_.whole_batch->collected(); }
  /// Exchanges what was collected.
  void agree(const objective::StepWeights& weights) { parts_.whole_batch->agree(weights); }
  /// To be called before each run_batch().
  void next_batch() {
    if (has_first_pass()) parts_.whole_batch->next();
  }

  /// Runs forward and backward of the next batch. The last batch starts the buckets.
  void run_batch(const model::Sample& batch, const objective::StepWeights& weights);
  void batch_done();

  /// Finishes the exchange and updates the weights. learning_rate: a double, or a scalar on the
  /// device.
  template <typename Rate>
  StepOutcome end(const Rate& learning_rate);

  std::int64_t batches() const { return options_.batches; }
  UpdateGate* gate() const { return parts_.gate; }

  /// The collectives of the step, in the order in which it has started them and with the names of
  /// the log, without those of a first pass. They must be the same in every step before a step may
  /// be captured. With one rank: those that it would have started.
  const std::vector<base::ProgressWords::Collective>& sequence() const { return issued_; }

  /// Same as in GradientReducer.
  void leave_marks(device::ProgressMarks* marks);
  bool exchanges() const { return parts_.trained.front()->reducer().exchanges(); }

 private:
  template <typename Rate>
  StepOutcome run_all(const model::Sample& batch, const Rate& learning_rate,
                      const objective::StepWeights& weights);

  // Makes a network that draws numbers draw those of batch `index` of this rank.
  void draw_numbers_of(std::int64_t index, const objective::StepWeights& weights);
  objective::LossTerms terms_of(const model::Sample& batch, const objective::StepWeights& weights);

  StepParts parts_;
  StepOptions options_;
  std::int64_t collected_batches_ = 0, run_batches_ = 0;  // of the current step
  std::vector<base::ProgressWords::Collective> issued_;
  std::function<model::Sample(const model::Sample&)> prepare_;
  std::vector<std::pair<at::Tensor, at::Tensor>> copies_;  // of all parts' rounded parameters
};

}  // namespace vae_dist::step
