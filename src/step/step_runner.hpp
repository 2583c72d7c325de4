// Runs training steps: batch, tensors, step, agreed requests, and the step's results, which are
// read two steps late so that the host does not wait for the device. The training loop, `bench` and
// the lesson all use it, so the measured step is the step that trains.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "data/model_input.hpp"
#include "data/prefetching_loader.hpp"
#include "device/deferred_values.hpp"
#include "input/replica_plan.hpp"
#include "step/agreed_flags.hpp"
#include "step/learner.hpp"
#include "step/out_of_memory.hpp"
#include "step/resolved_objective.hpp"
#include "step/schedules.hpp"

namespace vae_dist::step {

/// The communicators of a rank, one for each purpose.
struct RankGroups {
  comm::CpuCommunicator& all;    ///< for collectives between steps
  comm::CpuCommunicator& flags;  ///< for AgreedFlags only
  comm::CpuCommunicator& node;   ///< the ranks that share this one's memory
};

/// The parts that a runner uses; all of them outlive the runner.
struct StepRunnerParts {
  const config::Config& config;
  const data::SampleDataset& train;
  const input::ReplicaPlan& plan;
  const ResolvedObjective& objective;
  const LearningRatePlan& learning_rate;
  c10::Device device;
  Learner& learner;
  RankGroups ranks;
};

/// A completed step and its results.
struct DoneStep {
  std::int64_t step = 0;  ///< number of steps up to and including it, since the run's first start
  std::int64_t epoch = 0;
  double learning_rate = 0, beta = 0;
  double data_wait_seconds = 0;       ///< wait for its batch
  double allreduce_wait_seconds = 0;  ///< wait for the part of the exchange left after backward
  double step_seconds = 0;            ///< since the previous step ended, or since restart_clock()
  std::int64_t read_bytes = 0;        ///< that this process has read from files so far
  StepValues values;
};

/// The phase of a rank, for a watchdog.
enum class StepPhase {
  waiting_for_data,
  first_steps,  ///< `stepping`, but longer, as algorithms are chosen and ranks connect
  stepping,
};

struct StepHooks {
  std::function<void(StepPhase)> enter = {};  ///< called when a phase begins
  std::function<StepRequests()> requests =
      {};  ///< returns this rank's requests; called after the step is started
  std::function<void(const DoneStep&)> read = {};  ///< receives the step of two steps ago
};

class StepRunner {
 public:
  /// Continues after `steps_done` steps. A collective.
  StepRunner(const StepRunnerParts& parts, std::int64_t steps_done);

  /// Runs one step and returns the requests of all ranks two steps ago. If memory runs out, throws
  /// Failure with a remedy. A collective.
  StepRequests step(const StepHooks& hooks);

  /// Passes all steps that have not been read yet to `read`. Waits for the device.
  void read_all(const std::function<void(const DoneStep&)>& read);

  /// Excludes the time since the last step from the next step's step_seconds.
  void restart_clock() { since_step_.restart(); }

  std::int64_t steps_done() const { return steps_done_; }

  /// Returns the last step without its values. Valid after a step.
  const DoneStep& last() const { return last_; }

  /// Returns the last steps with their values, oldest first, those that have not been read yet
  /// included. Waits for the device. Thread-safe.
  std::vector<DoneStep> latest();

 private:
  struct Started {
    DoneStep known;
    device::DeferredValues values;

    DoneStep done();
  };
  // Another thread may read the steps that this one has started.
  struct Latest {
    std::mutex mutex;
    std::deque<std::shared_ptr<Started>> steps;
    std::size_t unread = 0;  // at the end of `steps`
  };

  device::DeferredValues learn(const model::Sample& batch, double learning_rate);
  void note(const DoneStep& known, device::DeferredValues values);
  std::size_t unread() const;
  DoneStep take_oldest();

  StepRunnerParts parts_;
  data::InputFormat format_;
  std::int64_t steps_done_;
  std::unique_ptr<data::PrefetchingLoader> batches_;
  AgreedFlags flags_;
  std::unique_ptr<Latest> latest_ = std::make_unique<Latest>();
  DoneStep last_;
  std::int64_t slow_steps_;  // not yet done
  std::optional<MemoryUse> before_steps_;
  bool completed_a_step_ = false;
  base::Stopwatch since_step_;
};

}  // namespace vae_dist::step
