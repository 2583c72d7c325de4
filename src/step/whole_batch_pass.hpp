// Collects what the objective needs to know of the whole batch (objective/whole_batch.hpp) over the
// batches and ranks of a step, and gives each batch its share of the gradient.
//
//     pass.begin();
//     for each batch of this rank:  pass.write(share); pass.collected();
//     pass.agree(weights);
//     for each batch of this rank:  pass.next(); ... objective.terms(..., pass.of_batch())
//
// Means are summed over a rank's batches as gradients are, in a tree if the run is reproducible;
// rows are written to their places among zeros, so a sum over ranks gathers them exactly. The pairs
// of samples are shared out by replicas: a rank computes its own replicas' rows against all, in
// blocks of rows whose size depends on nothing but the batch, and the slopes for all rows are then
// summed over replicas and ranks. So nothing here depends on the number of ranks but the order of
// sums, and in the reproducible mode not even that.
//
// What is computed lies at fixed addresses, because recorded work reads and writes it; collected()
// and next() copy between them and run outside of recordings if a rank has several batches.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/progress_words.hpp"
#include "objective/objective.hpp"
#include "parallel/bucket_exchange.hpp"
#include "parallel/replica_tree.hpp"

namespace vae_dist::step {

/// The division of the whole batch, in samples.
struct WholeBatchPlan {
  std::int64_t global_batch = 1;    ///< G
  std::int64_t first_sample = 0;    ///< of this rank
  std::int64_t batches = 1;         ///< of this rank, of equal size
  std::int64_t global_batches = 1;  ///< of all ranks
  std::int64_t replicas = 1;        ///< of this rank
  bool reproducible = false;

  std::int64_t samples_per_batch() const { return global_batch / global_batches; }
  std::int64_t samples_per_rank() const { return samples_per_batch() * batches; }
};

class WholeBatchPass {
 public:
  /// `exchange` is null with a single rank. All arguments outlive the pass.
  WholeBatchPass(const objective::Objective& objective, const model::Likelihood& likelihood,
                 const WholeBatchPlan& plan, parallel::BucketExchange* exchange);

  /// Forgets the shares of the last step.
  void begin();

  /// Writes the share of the next batch. Without a gradient.
  void write(const objective::BatchShare& share);
  /// Puts the written share in its place.
  void collected();

  /// Exchanges the shares, and computes W and its derivative. Before it, collected() was called for
  /// every batch of the rank.
  void agree(const objective::StepWeights& weights);

  /// Makes the next batch that of of_batch(); the first one after agree().
  void next();
  const objective::WholeBatch& of_batch() const { return of_batch_; }

  /// The sums over ranks of a step, in order, with a single rank those that it would have started.
  std::vector<base::ProgressWords::Collective> sequence() const;
  void leave_marks(device::ProgressMarks* marks) {
    if (exchange_) exchange_->leave_marks(marks);
  }

  /// The bytes that this rank passes to sums in a step.
  std::uint64_t bytes_per_step() const;
  /// How long the host waited for the sums of the last step. On a GPU it does not wait.
  base::Seconds exposed_wait() const { return waited_; }

 private:
  void allocate(const objective::BatchShare& share);
  void sum_over_ranks(const at::Tensor& tensor, const char* what);
  void add_pairs(const objective::StepWeights& weights);
  std::vector<at::Tensor> fields_of(const at::Tensor& flat) const;

  const objective::Objective& objective_;
  const model::Likelihood& likelihood_;
  const WholeBatchPlan plan_;
  parallel::BucketExchange* const exchange_;

  std::int64_t means_ = 0, fields_ = 0, latent_ = 0;  // K; rows of a sample and their width
  bool allocated_ = false;
  at::Tensor written_;    // [K | fields * samples of a batch * L]: a batch's share
  at::Tensor collected_;  // [K | fields * G * L]
  at::Tensor slopes_;     // [fields * G * L | values of pairs]; undefined without pairs
  std::optional<parallel::ReplicaTree> means_tree_, slopes_tree_;
  base::Seconds waited_{0};
  std::int64_t batch_ = 0;          // that collected() or next() takes
  objective::CriticBatch critics_;  // of all samples
  objective::WholeBatch of_batch_;
};

}  // namespace vae_dist::step
