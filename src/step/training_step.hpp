// One step of data-parallel training, from a rank's part of the global batch to updated weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "objective/objective.hpp"
#include "step/step_statistics.hpp"
#include "step/trained_part.hpp"

namespace vae_dist::step {

struct StepOptions {
  std::int64_t batches =
      1;  ///< batches this rank's part is run as: its replicas, or 1 with sync batch norm
  std::int64_t global_batches = 1;  ///< the same over all ranks: each batch's loss is divided by it
  std::int64_t batch_replicas =
      1;  ///< replicas in a batch: those of the rank with sync batch norm, else 1
  std::optional<double> clip_norm;  ///< gradients above this Euclidean norm are scaled down to it
  std::optional<double> skip_above_norm;
};

/// What a step tells, as one tensor on the device, so that reading it can wait: loss,
/// reconstruction, KL (global means), gradient norm (before clipping), 1 if the step was skipped,
/// then the objective's other terms (global means).
struct StepOutcome {
  at::Tensor values;
};

/// The same on the host.
struct StepValues {
  double loss = 0, reconstruction = 0, kld_nats = 0;  ///< global means
  double gradient_norm = 0;                           ///< before clipping
  bool skipped = false;
  std::vector<double> others;  ///< as Objective::other_terms() names them
};

/// From the numbers of StepOutcome::values, in their order.
StepValues step_values(const std::vector<double>& numbers);

/// What a step works with; all of it outlives the step.
struct StepParts {
  model::LatentModel& model;
  const objective::Objective& objective;
  StepStatistics& statistics;
  std::vector<TrainedPart*>
      trained;  ///< each reduces its gradients through something; the first one the statistics too
};

class TrainingStep {
 public:
  TrainingStep(const StepParts& parts, const StepOptions& options)
      : parts_(parts), options_(options) {}

  /// batch: this rank's samples, replica after replica. A loss or gradient norm that is not finite,
  /// or a norm above the limit, skips the step on every rank alike: weights, moments and running
  /// statistics stay untouched. Nothing here waits for the device.
  StepOutcome run(const model::Sample& batch, double learning_rate,
                  const objective::StepWeights& weights);

  /// The same with the learning rate as a scalar on the device ([] double), as the weights may be.
  StepOutcome run(const model::Sample& batch, const at::Tensor& learning_rate,
                  const objective::StepWeights& weights);

  // In its parts, for a step of which some are captured: begin(); then for each batch run_batch()
  // and batch_done(); then end().

  /// Nothing is summed up yet.
  void begin();

  /// Forward and backward of the next batch. In the last one buckets start.
  void run_batch(const model::Sample& batch, const objective::StepWeights& weights);
  void batch_done();

  /// Exchange, and what follows from the sums. learning_rate: a double, or a scalar on the device.
  template <typename Rate>
  StepOutcome end(const Rate& learning_rate);

  std::int64_t batches() const { return options_.batches; }

  /// As GradientReducer's, of all parts.
  std::vector<base::ProgressWords::Collective> sequence() const;
  void leave_marks(device::ProgressMarks* marks);
  bool exchanges() const { return parts_.trained.front()->reducer().exchanges(); }

 private:
  template <typename Rate>
  StepOutcome run_all(const model::Sample& batch, const Rate& learning_rate,
                      const objective::StepWeights& weights);

  StepParts parts_;
  StepOptions options_;
};

}  // namespace vae_dist::step
