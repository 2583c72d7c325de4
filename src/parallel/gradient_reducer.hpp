// Sums gradients over the ranks while backward still computes the remaining ones.
//
//     reducer.begin_step();
//     for each batch of this rank:
//       forward
//       reducer.batch_forwarded();  // the statistics of this batch are in their arena
//       backward                    // hooks move gradients into their arena, and in the last
//                                   // batch start each bucket as soon as it is complete
//       reducer.batch_done();
//     reducer.finish();             // the arenas hold the sums over all batches of all ranks
//
// Losses are divided by the number of batches of all ranks before backward, so the sum is the
// global mean.
//
// A parameter's .grad is a view of the arena, except during backward. Autograd would add each
// gradient to an existing .grad with one kernel per parameter. With an empty .grad, it leaves the
// tensor that backward made, and the hooks copy that tensor into the arena, or add it if batches
// are accumulated: on a GPU a bucket at a time, on the CPU one by one while still in the cache. A
// gradient of another precision is converted on the way.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "device/wait_clock.hpp"
#include "parallel/bucket_exchange.hpp"
#include "parallel/bucket_plan.hpp"
#include "parallel/parameter_arena.hpp"
#include "parallel/replica_tree.hpp"

namespace torch::autograd {
struct Node;
}

namespace vae_dist::parallel {

struct ReducerOptions {
  BucketCaps caps;
  std::int64_t batches = 1;   ///< of this rank, run one after the other
  bool reproducible = false;  ///< sum this rank's batches as a tree too, not one after the other
  comm::Wire wire =
      comm::Wire::exact;  ///< the format of sent gradients; statistics are always sent exactly
  std::string label = "gradients";      ///< in what record_in() records
  std::optional<bool> buckets_at_once;  ///< move gradients into the arena a bucket at a time, not
                                        ///< one by one; empty: on a GPU only
};

/// The tensors that a reducer sums, and its exchange.
struct ReducerParts {
  const ParameterArena& parameters;  ///< outlives the reducer
  const NamedTensors& leaves;  ///< what backward gives gradients to, in the arena's order: the
                               ///< parameters, or copies of them (rounded_parameters.hpp)
  at::Tensor statistics;       ///< a small arena summed along with the gradients
  std::unique_ptr<BucketExchange> exchange;  ///< null: a world of one rank
};

class GradientReducer {
 public:
  GradientReducer(ReducerParts parts, const ReducerOptions& options);
  ~GradientReducer();  ///< removes its hooks from the parameters
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  void begin_step();
  void batch_forwarded();
  void batch_done();

  /// Waits until the arenas hold the sums; on a GPU the stream waits, not the host. Throws Failure
  /// naming the parameters that got no gradient.
  void finish();

  /// Returns how long finish() waited, by the current clock: on the host in the last step, on a GPU
  /// in the latest step whose wait is known.
  base::Seconds exposed_wait() const { return clock_->latest(); }

  /// Makes exposed_wait() use a clock of the device, which must outlive this use.
  void use_clock(device::WaitClock& clock) { clock_ = &clock; }

  /// The collectives that this rank has started since begin_step(), in order. They must be the same
  /// in every step before a step may be captured. With one rank: those that it would have started.
  const std::vector<base::ProgressWords::Collective>& sequence() const { return sequence_; }

  /// From now on also appends each collective to `issued`, which several reducers may share and
  /// which outlives this use: so the order among them is known too.
  void record_in(std::vector<base::ProgressWords::Collective>* issued) { issued_ = issued; }

  /// Same as BucketExchange::leave_marks().
  void leave_marks(device::ProgressMarks* marks) {
    if (exchange_) exchange_->leave_marks(marks);
  }
  bool exchanges() const { return exchange_ != nullptr; }  ///< false with one rank

  std::uint64_t bytes_per_step() const {
    return bytes_per_step_;
  }  ///< bytes per step that this rank passes to all-reduces, in the format sent
  const std::vector<Bucket>& buckets() const { return buckets_; }
  std::string describe_plan()
      const;  ///< "3 buckets of 300, 1200, 88 elements"; must be equal on all ranks
  std::size_t partial_arenas() const { return gradient_tree_ ? gradient_tree_->arenas() : 0; }

 private:
  struct Leaf {
    at::Tensor parameter, gradient;  // `gradient` is a view of the arena
    std::shared_ptr<torch::autograd::Node> accumulator;
    std::uintptr_t hook = 0;
  };

  bool in_last_batch() const { return batch_ + 1 == options_.batches; }
  bool buckets_at_once() const {
    return options_.buckets_at_once.value_or(!parameters_.gradients().is_cpu());
  }
  // Without a tree, every batch adds to the arena. This includes the first batch, because one
  // recording of a batch serves all of them.
  bool accumulates() const { return options_.batches > 1 && !gradient_tree_; }
  void start_exchange(const at::Tensor& sum, comm::Wire wire, const std::string& what);
  void arrived(std::size_t slot);
  void move_into_arena();
  void start_complete_buckets();

  const ParameterArena& parameters_;
  const at::Tensor statistics_;
  const std::unique_ptr<BucketExchange> exchange_;
  const ReducerOptions options_;
  const std::vector<Bucket> buckets_;
  std::vector<std::size_t> bucket_of_slot_;
  std::vector<Leaf> leaves_;
  std::optional<ReplicaTree> gradient_tree_, statistics_tree_;
  std::uint64_t bytes_per_step_ = 0;

  // State of the current step.
  std::int64_t batch_ = 0;
  std::vector<std::size_t> missing_;  // per bucket: gradients that this batch has not produced yet
  std::vector<bool> arrived_;         // by slot
  std::vector<at::Tensor> pending_gradients_,
      pending_targets_;          // backward's tensors, and their places in the arena
  std::size_t next_bucket_ = 0;  // buckets before it have been started
  std::vector<base::ProgressWords::Collective> sequence_;
  std::vector<base::ProgressWords::Collective>* issued_ = nullptr;

  device::HostWaitClock host_clock_;
  device::WaitClock* clock_ = &host_clock_;
};

}  // namespace vae_dist::parallel
