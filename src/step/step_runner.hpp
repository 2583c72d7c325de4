// One step of a training after the other: batch, tensors, step, what the ranks agree on, and what
// the step told, which is read two steps late, so that nobody waits for the device. The training
// loop, `bench` and the lesson make their steps by it, so a step that is measured is the step that
// trains.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "data/model_input.hpp"
#include "data/prefetching_loader.hpp"
#include "device/deferred_values.hpp"
#include "step/agreed_flags.hpp"
#include "step/learner.hpp"
#include "step/out_of_memory.hpp"
#include "step/replica_plan.hpp"
#include "step/resolved_objective.hpp"
#include "step/schedules.hpp"

namespace vae_dist::step {

/// What ranks talk through, each for its own purpose.
struct RankGroups {
  comm::HostCommunicator& host;   ///< for what happens between steps
  comm::HostCommunicator& flags;  ///< for the agreed flags alone
  comm::HostCommunicator& node;   ///< the ranks that share this one's memory
};

/// What steps are made of; all of it outlives the runner.
struct StepRunnerParts {
  const config::Config& config;
  const data::SampleDataset& train;
  const ReplicaPlan& plan;
  const ResolvedObjective& objective;
  const LearningRatePlan& learning_rate;
  c10::Device device;
  Learner& learner;
  RankGroups ranks;
};

/// A step and what it told.
struct DoneStep {
  std::int64_t step = 0;  ///< steps done with it, since the run's first start
  std::int64_t epoch = 0;
  double learning_rate = 0, beta = 0;
  double data_wait_seconds = 0;       ///< until its batch was there
  double allreduce_wait_seconds = 0;  ///< for what was left of the exchange after backward
  double step_seconds = 0;            ///< since the step before ended, or since restart_clock()
  std::int64_t read_bytes = 0;        ///< of files, by this process so far
  StepValues values;
};

/// What a rank is in, for whoever watches over it.
enum class StepPhase {
  waiting_for_data,
  first_steps,  ///< as `stepping`, but longer: algorithms are chosen, ranks connect
  stepping,
};

struct StepHooks {
  std::function<void(StepPhase)> enter = {};  ///< a phase begins
  std::function<Wishes()> wishes =
      {};  ///< what this rank wants, asked for once the step is under way
  std::function<void(const DoneStep&)> read = {};  ///< the step of two steps ago, once it is known
};

class StepRunner {
 public:
  /// Goes on after `steps_done` steps. A collective.
  StepRunner(const StepRunnerParts& parts, std::int64_t steps_done);

  /// One step. Returns what any rank wished two steps ago. Throws Failure that says what would help
  /// where memory runs out. A collective.
  Wishes step(const StepHooks& hooks);

  /// Gives the steps that have not been read yet to `read`; waits for the device.
  void read_all(const std::function<void(const DoneStep&)>& read);

  /// What happened since the last step is not the next one's time.
  void restart_clock() { since_step_.restart(); }

  std::int64_t steps_done() const { return steps_done_; }

  /// What is known of the last step, but for its values; after a step.
  const DoneStep& last() const { return last_; }

 private:
  struct Unread {
    DoneStep known;
    device::DeferredValues values;
  };

  StepOutcome learn(const model::Sample& batch, double learning_rate);
  DoneStep take_oldest();

  StepRunnerParts parts_;
  data::InputFormat format_;
  std::int64_t steps_done_;
  std::unique_ptr<data::PrefetchingLoader> batches_;
  AgreedFlags flags_;
  std::deque<Unread> unread_;
  DoneStep last_;
  std::int64_t slow_steps_;  // still to come
  std::optional<MemoryUse> before_steps_;
  bool completed_a_step_ = false;
  base::Stopwatch since_step_;
};

}  // namespace vae_dist::step
