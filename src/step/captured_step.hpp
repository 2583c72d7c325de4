// The training step of a GPU, which after a few steps becomes one launch.
//
// A step of a small model is hundreds of kernels of some microseconds each: the host needs longer
// to ask for them than the device to run them. So the first steps run as on the CPU
// (training_step.hpp); then, where all ranks are ready, one step is recorded: forward, loss,
// backward, the exchange through NCCL, clipping, optimizer. From then on a step is
//
//     zero the sums; for each replica of this rank: batch, noise and numbers into the buffers that
//     were recorded with; launch
//
// with two recordings where a rank has several replicas: one of a replica, one of the last, with
// the exchange and all that follows. What a step reads anew must lie in the same place each time:
// pixels, noise, and the step's numbers (learning rate, M_N * beta, C), which go to the device in
// the eager steps too, so that both compute the same bits. Random numbers come with the batch: no
// generator's state is recorded. What adds earlier replicas up as a tree stands between launches,
// as it is another at each of them.
//
// Whether a sum over ranks is captured must be the same on all of them, as must be each launch of
// it. So all capture or none: they agree at one step that depends on the number of steps alone,
// before and after recording. Otherwise training goes on as before, and one line says why.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "comm/collective_log.hpp"
#include "comm/communicator.hpp"
#include "device/progress_marks.hpp"
#include "device/work_recorder.hpp"
#include "step/capture_rule.hpp"
#include "step/training_step.hpp"

namespace vae_dist::step {

class CapturedStep {
 public:
  /// `recorder` null: steps stay eager, with their numbers on the device. All of them outlive this,
  /// which ends before the communicator that `step` sums through.
  CapturedStep(TrainingStep& step, device::WorkRecorder* recorder, comm::HostCommunicator& host,
               comm::CollectiveLog& log);
  ~CapturedStep();
  CapturedStep(const CapturedStep&) = delete;
  CapturedStep& operator=(const CapturedStep&) = delete;

  /// As TrainingStep::run, with the same shapes in every step. A collective on `host` once, after
  /// CaptureRule::kEagerSteps steps, where there is a recorder; what throws in it but for the
  /// communicator's own failures is a reason not to capture.
  StepOutcome run(const model::Sample& batch, double learning_rate,
                  const objective::StepWeights& weights);

  bool is_captured() const { return last_ != nullptr; }

  /// Back to eager steps, for good. The device has done what it was given; on all ranks at the same
  /// step.
  void end_capture();

 private:
  StepOutcome run_eagerly(const model::Sample& batch, const at::Tensor& numbers);
  StepOutcome launch(const model::Sample& batch, const at::Tensor& numbers);
  void capture_or_say_why_not(const model::Sample& batch);
  void record(const model::Sample& batch);

  TrainingStep& step_;
  device::WorkRecorder* const recorder_;
  comm::HostCommunicator& host_;
  comm::CollectiveLog& log_;
  CaptureRule rule_;
  bool decided_ = false;

  // What was recorded, and where it reads and writes. Members end in reverse order: recordings
  // before their buffers.
  model::Sample batch_;  // of one replica
  at::Tensor numbers_;   // as numbers_on() lays them out
  std::unique_ptr<device::ProgressMarks> marks_;
  std::shared_ptr<base::ProgressWords> words_;
  StepOutcome outcome_;
  std::unique_ptr<device::RecordedWork> replica_, last_;
};

}  // namespace vae_dist::step
