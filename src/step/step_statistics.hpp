// The sums of a step besides the gradients: loss terms, batch-norm statistics and the statistics of
// a codebook, over all batches of all ranks.
//
// Each training batch (a replica or, with `sync` batch norm, a rank's part of the global batch)
// leaves its mean and unbiased variance in the layers. They are added up with a weight of one over
// the number of batches, summed over the ranks along with the losses in one collective, and blended
// into the running statistics once per step. What the codebook collects (vector_quantizer.hpp) are
// sums over the global batch, which travel along and move the codebook at the same place.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/batch_norm.hpp"
#include "objective/objective.hpp"
#include "parallel/flat_arena.hpp"
#include "parallel/replica_buffers.hpp"

namespace vae_dist::step {

class StepStatistics {
 public:
  /// Rebinds the batch and running statistics of the model's batch-norm layers, and the biases that
  /// training leaves out before them, to views of flat arenas. All layers must have the same type
  /// and device. Loss, reconstruction, KL and the objective's extra terms are summed. `model` and
  /// `objective` outlive this object. global_batches: of all ranks; first_batch: the first of this
  /// rank's among them.
  StepStatistics(model::LatentModel& model, const objective::Objective& objective,
                 const at::TensorOptions& options, std::int64_t first_batch = 0,
                 std::int64_t global_batches = 1);

  /// Takes back what the network did to buffers of its own. To be called behind the backward pass
  /// of each batch, and behind a forward of a first pass.
  void take_back_own_buffers() { own_buffers_.take_back(); }

  /// Returns the buffers of the network's own as the completed steps have left them, also while a
  /// batch is under way.
  parallel::NamedTensors own_buffers() const { return own_buffers_.of_completed_steps(); }

  /// Clears the latest statistics, so that NaN in a batch does not affect the next step.
  void begin_step();

  /// Adds `weight` times the loss terms and the layers' current statistics, and what the codebook
  /// collects, with the number `code_draw` of this step. To be called after the forward pass of a
  /// batch. GradientReducer zeroes sums() at the start of a step.
  void add(const objective::LossTerms& loss, double weight, const objective::StepWeights& weights);

  /// The sums, for the exchange between ranks.
  const at::Tensor& sums() const { return sums_; }

  /// Computes the terms that are functions of the exchanged sums. To be called once a step.
  void complete_terms();

  /// Returns [3 + extra terms]: loss, reconstruction, KL, extra terms. After the exchange they are
  /// global means.
  at::Tensor terms() const;

  /// Blends the summed statistics into the running ones, unless `skip` ([1]) is 1.
  void blend_into_running(const at::Tensor& skip);

 private:
  void blend_layers(const at::Tensor& skip);
  std::int64_t term_count() const;
  at::Tensor of_layers() const;
  at::Tensor of_own_buffers() const;
  at::Tensor of_codes() const;

  std::vector<model::BatchNorm> layers_;
  model::Likelihood& likelihood_;
  const objective::Objective& objective_;
  parallel::ReplicaBuffers own_buffers_;  // of the network
  model::VectorQuantizer* const codes_;   // null if there are none, or if they are frozen
  const std::int64_t first_batch_, global_batches_;
  at::Tensor batch_number_;  // of the next batch among all, a scalar in double precision
  // Mean and variance of each layer, one slot each. A mean's slot in left_out_ holds the bias that
  // the layer's input lacked, or zeros.
  parallel::FlatArena latest_, running_, left_out_;
  bool leaves_out_ = false;
  at::Tensor sums_;  // [terms | layout of latest_ | own buffers | statistics of the codes]
};

}  // namespace vae_dist::step
