// A training step on a GPU that, after a few eager steps, becomes a single graph launch.
//
// A step of a small model consists of hundreds of kernels of a few microseconds each, and the host
// needs longer to launch them than the device to run them. So the first steps run as on the CPU
// (training_step.hpp). Then, if all ranks are ready, one step is recorded: forward, loss, backward,
// the exchange through NCCL, clipping, optimizer. From then on a step
//
//     copies batch, noise and numbers into the recorded buffers and launches the recording
//
// The recording makes the model's input of the stored bytes, and copies the step's results to the
// host, each launch to another row of a ring.
//
// A rank with several replicas zeroes the sums before it does so for each of them, and has two
// recordings: one for each replica but the last, and one for the last replica, including the
// exchange and everything after it. If the objective looks at the whole batch, there is a third one
// that collects a replica's share; the exchange of the shares runs between the launches. (A rank
// with one replica collects its share within the recording, the exchange included.) The inputs of a
// step must lie at fixed addresses: pixels, noise, and the step's numbers (learning rate, M_N *
// beta, C, and the row for its results). Eager steps read the numbers from the device too, so that
// both kinds compute the same bits. Random numbers come with the batch, so no generator state is
// recorded. The tree sum of earlier replicas runs between the launches, because it differs from
// launch to launch.
//
// A captured sum over ranks must be captured and launched on all ranks alike, so either all ranks
// capture or none does. They agree on this before and after recording, in a step that depends only
// on the number of steps. Otherwise eager steps continue, and one log line gives the reason.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>

#include "comm/collective_log.hpp"
#include "comm/communicator.hpp"
#include "device/deferred_values.hpp"
#include "device/progress_marks.hpp"
#include "device/work_recorder.hpp"
#include "step/capture_rule.hpp"
#include "step/training_step.hpp"

namespace vae_dist::step {

class CapturedStep {
 public:
  /// With a null `recorder`, steps stay eager, with their numbers on the device. All arguments
  /// outlive this object. Destroy this object before the communicator of the sums in `step`.
  CapturedStep(TrainingStep& step, device::WorkRecorder* recorder, comm::CpuCommunicator& all_ranks,
               comm::CollectiveLog& log);
  ~CapturedStep();
  CapturedStep(const CapturedStep&) = delete;
  CapturedStep& operator=(const CapturedStep&) = delete;

  /// Same as TrainingStep::run(), but with the same shapes in every step; the values returned are
  /// to be read before DeferredRing::kRows further steps. With a recorder, the call
  /// after CaptureRule::kEagerSteps steps is a collective on `all_ranks` and records the step. An
  /// error there means that no rank captures; only communicator failures and timeouts are rethrown.
  device::DeferredValues run(const model::Sample& batch, double learning_rate,
                             const objective::StepWeights& weights);

  bool is_captured() const { return last_ != nullptr; }

  /// Returns to eager steps permanently. To be called on all ranks at the same step, once the
  /// device has finished its queued work.
  void end_capture();

 private:
  device::DeferredValues run_eagerly(const model::Sample& batch, const at::Tensor& numbers);
  device::DeferredValues launch(const model::Sample& batch, const at::Tensor& numbers);
  void try_capture(const model::Sample& batch);
  void record(const model::Sample& batch);

  TrainingStep& step_;
  device::WorkRecorder* const recorder_;
  comm::CpuCommunicator& all_ranks_;
  comm::CollectiveLog& log_;
  CaptureRule rule_;
  bool decided_ = false;

  // The recordings, and the buffers that they read and write. Members are destroyed in reverse
  // order: recordings before their buffers.
  model::Sample batch_;  // of one replica
  at::Tensor numbers_;   // in the layout of numbers_on()
  std::unique_ptr<device::ProgressMarks> marks_;
  std::shared_ptr<base::ProgressWords> words_;
  std::optional<device::DeferredRing> outcomes_;
  std::int64_t row_ = 0;  // of outcomes_, that this step writes
  std::unique_ptr<device::RecordedWork> collect_, replica_, last_;
};

}  // namespace vae_dist::step
