// This rank's copy of the model and everything that trains it: trained parts, statistics, exchange.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "device/deferred_values.hpp"
#include "device/device_choice.hpp"
#include "input/replica_plan.hpp"
#include "objective/objective.hpp"
#include "step/captured_step.hpp"
#include "step/exchanges.hpp"
#include "step/make_model.hpp"
#include "step/out_of_memory.hpp"
#include "step/trained_part.hpp"
#include "step/update_gate.hpp"
#include "step/weights.hpp"

namespace vae_dist::step {

/// The arguments of a learner.
struct LearnerRequest {
  const config::Config& config;  ///< used only during construction
  arrays::SampleShape shape;
  input::ReplicaPlan plan = {};
  device::DeviceChoice device = {};
  std::int64_t condition_values = 0;  ///< Y of Sample::condition
  std::int64_t training_samples = 0;  ///< N; 0: a single global batch
};

class Learner {
 public:
  /// `all_ranks` and `log`, which records the sums of the exchanges, outlive the learner. A
  /// collective on `all_ranks`. Throws AgreedError if train.freeze names an unknown module or
  /// leaves nothing to train: the configuration, and so the error, is the same on all ranks. May
  /// throw the errors of make_nccl_communicator().
  Learner(const LearnerRequest& wanted, comm::CpuCommunicator& all_ranks, comm::CollectiveLog& log);
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  model::LatentModel& model() { return *model_; }
  const objective::Objective& objective() const { return objective_; }
  /// The averages of all parts; empty without `train.ema_decay`.
  std::vector<WeightAverage*> averages();

  /// The values of GradientReducer, for all parts together.
  std::vector<parallel::Bucket> buckets() const;
  std::string describe_plan() const;
  std::uint64_t bytes_per_step() const;
  base::Seconds exposed_wait() const;

  ParameterCount parameter_count() const;

  /// Returns how many steps the optimizer has counted, those of a run that this one began from
  /// included. Exact up to 2^24, where its float stops counting. Waits for the device.
  std::int64_t counted_steps() const;

  std::int64_t state_bytes() const;  ///< of state()

  /// Runs a step (TrainingStep::run()). Returns the values of its StepOutcome, which are to be read
  /// before DeferredRing::kRows further steps.
  device::DeferredValues step(const model::Sample& batch, double learning_rate,
                              const objective::StepWeights& weights) {
    return captured_ ? captured_->run(batch, learning_rate, weights)
                     : device::DeferredValues(step_.run(batch, learning_rate, weights).values);
  }

  /// Same as TrainingStep::prepare_with().
  void prepare_with(std::function<model::Sample(const model::Sample&)> prepare) {
    step_.prepare_with(std::move(prepare));
  }

  /// Runs steps through CapturedStep with this recorder from now on; if `capture` is false, they
  /// stay eager. A learner on a GPU does this by itself if numbers_go_to_device(); otherwise its
  /// recorder only measures waits.
  void record_steps(std::unique_ptr<device::WorkRecorder> recorder, bool capture);

  bool is_captured() const { return captured_ && captured_->is_captured(); }
  /// Same as CapturedStep::end_capture(). Used by code that measures the parts of a step.
  void end_capture() {
    if (captured_) captured_->end_capture();
  }

  /// Runs a batch of zeros, as large as those of a step, through the model in evaluation mode.
  /// Leaves no trace in the model: for what layers tell of their shapes.
  void run_blank_batch();

  /// The number of first steps that take longer than later ones: they choose algorithms, connect
  /// ranks, and the last of them may be captured.
  std::int64_t slow_steps() const { return CaptureRule::kEagerSteps + (captured_ ? 1 : 0); }

  /// Return copies on the host, for a checkpoint.
  checkpoint::TensorFile weights() const { return weights(OnHost::copied); }
  checkpoint::TensorFile optimizer_state() const { return optimizer_state(OnHost::copied); }

  /// Every change of the state passes through it. Who calls step() ends the update there.
  UpdateGate& gate() { return gate_; }

  /// The state after `step` steps, which nothing changes any more.
  struct LastState {
    std::int64_t step = 0;
    checkpoint::TensorFile weights, optimizer;  ///< share memory with the learner's on the CPU
    std::int64_t counted_steps = 0;             ///< see counted_steps()
  };

  /// Closes the gate and returns the state that the learner is left with, also while another thread
  /// hangs in step() or evaluates averaged weights. Returns nothing if a change was cut short or
  /// did not end in time, or if the device changed something meanwhile. To be called before
  /// communicators are aborted, behind whose sums a device continues with wrong values. Takes
  /// `limit` at most. Afterwards this process can only end.
  std::optional<LastState> last_state(base::Seconds limit);

  /// Restores the state of a checkpoint. Throws BadInput, listing the tensors that do not fit.
  void restore(const checkpoint::Checkpoint& checkpoint, const std::string& origin);

  /// Takes the weights of a checkpoint, possibly of another run. Throws BadInput as restore() does
  /// if they do not fit. Takes the optimizer's state only if all of it fits; otherwise the
  /// optimizer starts afresh. Takes the average of the weights only if all of it fits; otherwise
  /// the average starts at these weights. Returns whether the optimizer's state was taken.
  bool begin_with(const checkpoint::Checkpoint& checkpoint, const std::string& origin);

  /// Returns all tensors that the next step depends on, in a fixed order. They must be equal on all
  /// ranks.
  std::vector<at::Tensor> state() const;

  /// Copies rank 0's state to every rank and checks that the states are equal. A collective.
  void replicate(comm::CpuCommunicator& all_ranks) const;

 private:
  // Destroys the gradient reducers before the communicators, which are destroyed before the memory
  // that they use.
  struct Reductions {
    std::vector<std::unique_ptr<TrainedPart>>& parts;

    ~Reductions() {
      for (const auto& part : parts) part->end_reduction();
    }
  };

  checkpoint::TensorFile weights(OnHost on_host) const;
  checkpoint::TensorFile optimizer_state(OnHost on_host) const;
  std::optional<LastState> state_at(const UpdateGate::Closed& closed) const;
  std::optional<LastState> copy_beside_the_device();
  void use_recorder(std::unique_ptr<device::WorkRecorder> recorder);
  void step_through_recorder(bool capture);

  const c10::Device device_;
  const StepOptions options_;
  const std::int64_t samples_at_once_;
  std::map<std::string, std::string> weights_metadata_;
  std::shared_ptr<model::LatentModel> model_;
  objective::Objective objective_;
  GradientMemory gradient_memory_;
  std::vector<std::unique_ptr<TrainedPart>> parts_;
  StepStatistics statistics_;
  Exchanges exchanges_;
  Reductions reductions_{parts_};
  std::optional<WholeBatchPass> whole_batch_;
  UpdateGate gate_;
  TrainingStep step_;
  comm::CpuCommunicator& all_ranks_;
  comm::CollectiveLog& log_;
  std::unique_ptr<device::WorkRecorder> recorder_;
  std::optional<CapturedStep>
      captured_;  // declared last: graphs hold NCCL kernels, so they must go before communicators
};

}  // namespace vae_dist::step
