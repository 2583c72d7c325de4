// Sums the ranks' gradients while backward still computes the rest of them.
//
//     reducer.begin_step();
//     for each batch of this rank:
//       forward
//       reducer.batch_forwarded();     // the statistics of this batch are in their arena
//       backward                       // hooks bring gradients into their arena; in the last one
//       they start each bucket as soon as it is complete reducer.batch_done();
//     reducer.finish();                // the arenas hold the sums over all batches of all ranks
//
// Losses are divided by the number of batches of all ranks before backward, so the sum is the
// global mean.
//
// A parameter's .grad is a view of the arena, but not during backward: autograd would add each
// gradient to what is there, one kernel a parameter. Where there is nothing it leaves the tensor
// that backward made, and the hooks copy it into the arena (or add it, where batches are a chain):
// on a GPU all of a bucket at once, on the CPU each while a cache has it.
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
  std::int64_t batches = 1;   ///< that this rank runs one after the other
  bool reproducible = false;  ///< sum this rank's batches as a tree too, not as a chain
  comm::Wire wire =
      comm::Wire::exact;  ///< how gradients travel; statistics always travel as they are
  std::optional<bool> buckets_at_once;  ///< bring gradients into the arena a bucket at a time, not
                                        ///< each by itself; empty: on a GPU
};

/// What a reducer sums.
struct ReducerParts {
  const ParameterArena& parameters;          ///< outlives the reducer
  const NamedTensors& leaves;                ///< its tensors, in the arena's order
  at::Tensor statistics;                     ///< a small arena that travels with the gradients
  std::unique_ptr<BucketExchange> exchange;  ///< null: a world of one rank
};

class GradientReducer {
 public:
  GradientReducer(ReducerParts parts, const ReducerOptions& options);
  ~GradientReducer();  ///< takes its hooks off the parameters
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  void begin_step();
  void batch_forwarded();
  void batch_done();

  /// On return (on a GPU: behind it, in stream order) the arenas hold the sums. Throws Failure
  /// naming a parameter that got no gradient.
  void finish();

  /// What finish() really waited, by the clock in use: on the host that of the last step, on a GPU
  /// that of the latest step which it is known of.
  base::Seconds exposed_wait() const { return clock_->latest(); }

  /// Another clock for that: one of the device. It outlives its use.
  void use_clock(device::WaitClock& clock) { clock_ = &clock; }

  /// What this rank has handed to the exchange since begin_step(), in order: what must be the same
  /// in every step for one of them to stand for all. In a world of one, what it would have handed.
  const std::vector<base::ProgressWords::Collective>& sequence() const { return sequence_; }

  /// As BucketExchange::leave_marks.
  void leave_marks(device::ProgressMarks* marks) {
    if (exchange_) exchange_->leave_marks(marks);
  }
  bool exchanges() const { return exchange_ != nullptr; }  ///< not in a world of one

  std::uint64_t bytes_per_step() const {
    return bytes_per_step_;
  }  ///< that this rank hands to all-reduces in a step, as they travel
  const std::vector<Bucket>& buckets() const { return buckets_; }
  std::string describe_plan()
      const;  ///< "3 buckets of 300, 1200, 88 elements": equal on all ranks, or their sums mix
  std::size_t partial_arenas() const { return gradient_tree_ ? gradient_tree_->arenas() : 0; }

 private:
  struct Leaf {
    at::Tensor parameter, gradient;  // the latter a view of the arena
    std::shared_ptr<torch::autograd::Node> accumulator;
    std::uintptr_t hook = 0;
  };

  bool in_last_batch() const { return batch_ + 1 == options_.batches; }
  bool buckets_at_once() const {
    return options_.buckets_at_once.value_or(!parameters_.gradients().is_cpu());
  }
  // Batches without a tree are a chain: all of them add to the arena, as one recording of a batch
  // stands for several.
  bool adds_up() const { return options_.batches > 1 && !gradient_tree_; }
  void hand_over(const at::Tensor& sum, comm::Wire wire, const std::string& what);
  void arrived(std::size_t slot);
  void bring_into_arena();
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

  // Of the step under way.
  std::int64_t batch_ = 0;
  std::vector<std::size_t>
      missing_;                // gradients of each bucket that are not there yet, in this batch
  std::vector<bool> arrived_;  // by slot
  std::vector<at::Tensor> made_, into_;  // by backward, and where they belong
  std::size_t next_bucket_ = 0;          // buckets before it have been started
  std::vector<base::ProgressWords::Collective> sequence_;

  device::HostWaitClock host_clock_;
  device::WaitClock* clock_ = &host_clock_;
};

}  // namespace vae_dist::parallel
