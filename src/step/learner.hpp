// Everything that learns: model, trained parts, statistics, exchange. One replica of the model, on
// this rank's device.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "device/device_choice.hpp"
#include "objective/objective.hpp"
#include "step/captured_step.hpp"
#include "step/exchanges.hpp"
#include "step/make_model.hpp"
#include "step/out_of_memory.hpp"
#include "step/replica_plan.hpp"
#include "step/trained_part.hpp"

namespace vae_dist::step {

/// What a learner is made of.
struct LearnerRequest {
  const config::Config& config;  ///< read while it is made
  data::SampleShape shape;
  ReplicaPlan plan = {};
  device::DeviceChoice device = {};
};

class Learner {
 public:
  /// `host` and `log`, in which its exchanges leave their traces, outlive the learner. A collective
  /// on `host`. Throws AgreedError, as the configuration is the same on all ranks, where
  /// train.freeze names nothing of the model, or leaves nothing to train; may throw what
  /// make_nccl_communicator() does.
  Learner(const LearnerRequest& wanted, comm::HostCommunicator& host, comm::CollectiveLog& log);
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  model::LatentModel& model() { return *model_; }
  const objective::Objective& objective() const { return objective_; }
  /// Of all parts; empty without `train.ema_decay`.
  std::vector<WeightAverage*> averages();

  /// Of all parts, as GradientReducer has them.
  std::vector<parallel::Bucket> buckets() const;
  std::string describe_plan() const;
  std::uint64_t bytes_per_step() const;
  base::Seconds exposed_wait() const;

  ParameterCount parameter_count() const;

  StepOutcome step(const model::Sample& batch, double learning_rate,
                   const objective::StepWeights& weights) {
    return captured_ ? captured_->run(batch, learning_rate, weights)
                     : step_.run(batch, learning_rate, weights);
  }

  /// Steps go through CapturedStep from now on, whose recorder this is; with `capture` false they
  /// stay eager. What a learner on a GPU does by itself, unless its numbers must not lie there
  /// (numbers_go_to_device): then the recorder only measures waits.
  void record_steps(std::unique_ptr<device::WorkRecorder> recorder, bool capture);

  bool is_captured() const { return captured_ && captured_->is_captured(); }
  /// As CapturedStep::end_capture: for who measures the parts of a step.
  void end_capture() {
    if (captured_) captured_->end_capture();
  }

  /// Steps at the start that take longer than others: they choose algorithms, connect ranks, and
  /// the last of them may be captured.
  std::int64_t slow_steps() const { return CaptureRule::kEagerSteps + (captured_ ? 1 : 0); }

  /// Copies on the host, for a checkpoint.
  checkpoint::TensorFile weights() const;
  checkpoint::TensorFile optimizer_state() const;

  /// Goes on from a checkpoint. Throws BadInput listing what does not fit.
  void restore(const checkpoint::Checkpoint& checkpoint, const std::string& origin);

  /// Begins with the weights of a checkpoint, of another run perhaps: they have to fit (BadInput as
  /// from restore()). The optimizer's state is taken only where all of it fits, the average of the
  /// weights likewise; what is not taken begins anew, the average at these weights. Returns whether
  /// the optimizer's was taken.
  bool begin_with(const checkpoint::Checkpoint& checkpoint, const std::string& origin);

  /// All tensors that the next step depends on, in a fixed order: what ranks must have equal.
  std::vector<at::Tensor> state() const;

  /// Makes every rank's state rank 0's and proves it. A collective.
  void replicate(comm::HostCommunicator& host);

 private:
  // Ends what sums gradients before the communicators, which end before the memory that they work
  // in.
  struct Reductions {
    std::vector<std::unique_ptr<TrainedPart>>& parts;

    ~Reductions() {
      for (const auto& part : parts) part->end_reduction();
    }
  };

  void use_recorder(std::unique_ptr<device::WorkRecorder> recorder);
  void step_through_recorder(bool capture);

  std::map<std::string, std::string> weights_metadata_;
  std::shared_ptr<model::LatentModel> model_;
  objective::Objective objective_;
  GradientMemory gradient_memory_;
  std::vector<std::unique_ptr<TrainedPart>> parts_;
  StepStatistics statistics_;
  Exchanges exchanges_;
  Reductions reductions_{parts_};
  TrainingStep step_;
  comm::HostCommunicator& host_;
  comm::CollectiveLog& log_;
  std::unique_ptr<device::WorkRecorder> recorder_;
  std::optional<CapturedStep>
      captured_;  // last: NCCL's communicators do not end before the graphs that hold their kernels
};

}  // namespace vae_dist::step
