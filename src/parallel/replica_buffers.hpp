// Buffers that a network changes by itself in training mode, such as the running statistics of a
// network from a file.
//
// A rank runs several replicas one after the other, and no replica may see what another one did.
// Each therefore begins with the values that the buffers had when the step began, and the step
// leaves behind these values plus the mean of all replicas' changes: the same at any number of
// ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/own_buffers.hpp"
#include "parallel/parameter_arena.hpp"

namespace vae_dist::parallel {

class ReplicaBuffers {
 public:
  explicit ReplicaBuffers(base::OwnBuffers<at::Tensor> buffers);

  /// The numbers that a step collects.
  std::int64_t size() const;

  /// Returns the buffers as the completed steps have left them, also while a replica changes them.
  NamedTensors of_completed_steps() const;

  /// To be called before the first replica of a step.
  void begin_step();

  /// Adds what the latest replica changed to `to`, [size()]. share: one over the number of replicas
  /// of all ranks.
  void add(const at::Tensor& to, double share);

  /// Takes back what the latest replica changed. To be called behind its backward pass, which may
  /// read the buffers.
  void take_back();

  /// Makes the changes of a step, [size()], summed over ranks, unless `skip` ([1]) is 1. In the
  /// first steps, throws BadInput if a counter changed differently in different replicas.
  void finish(const at::Tensor& sums, const at::Tensor& skip);

 private:
  template <typename Visit>
  void for_each(const at::Tensor& flat, Visit visit) const;

  // averaged, then summed, then counters. The changes of counters are averaged, as are their
  // squares, by which it is checked that all replicas make the same change
  NamedTensors buffers_;
  std::size_t averaged_, counters_;   // where the summed ones and the counters begin
  std::vector<at::Tensor> at_start_;  // of the step, or of the next one
  std::int64_t checked_steps_ = 0;
  std::atomic<bool> begun_ = false;
};

}  // namespace vae_dist::parallel
