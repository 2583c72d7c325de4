// What looks at the whole batch: free bits, the distance to the capacity, the optimal sigma, and
// the regularisers that are a function of means, a sum over pairs or a critic. None of these is a
// sum over samples, so a rank that computed them of its own samples would train another objective.
// They are functions of a few numbers of every sample instead, which the ranks collect first:
//
//   S    means over the samples of the whole batch (of the KL of each dimension, of the squared
//        error, of products of codes)
//   Z    rows: mu, log_var, z and a draw of the prior for each sample, in the order of the samples
//
// The loss is the mean over samples of what concerns a sample alone, plus W(S, Z). Its gradient is
// exact without a graph that spans ranks: dW/dS and dW/dZ are computed once, and each batch then
// backpropagates <dW/dS, S of the batch> and <dW/dZ, rows of the batch>, which by the chain rule
// add up to the gradient of the whole.
//
// step/whole_batch_pass.hpp collects S and Z over replicas and ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/latent_model.hpp"
#include "objective/regulariser.hpp"

namespace vae_dist::objective {

/// A batch on its way through the model.
struct Forward {
  model::Posterior posterior;
  at::Tensor z, prior;     ///< [B, L]; `prior` is undefined unless a regulariser asks for it
  model::Decoded decoded;  ///< empty if only the encoder ran

  Forward narrow(std::int64_t first, std::int64_t count) const;
};

/// What a batch contributes to the whole one.
struct BatchShare {
  at::Tensor means;              ///< [K], means over its samples; undefined if nothing needs them
  std::vector<at::Tensor> rows;  ///< [B, L] each: mu, log_var (unless the code is a point), z, the
                                 ///< prior's draws; empty if nothing needs them
};

/// W at the collected S and Z, and its derivative.
struct WholeBatch {
  at::Tensor loss;                        ///< W, a scalar
  at::Tensor reconstruction;              ///< a scalar; defined if the likelihood follows the error
  std::vector<at::Tensor> regularisers;   ///< the values, [terms] each, of those that look at the
                                          ///< whole batch, in the objective's order
  at::Tensor mean_gradients;              ///< dW/dS: [K]
  std::vector<at::Tensor> row_gradients;  ///< of the rows of one batch, [B, L] each, multiplied by
                                          ///< the number of batches, because a batch's loss is
                                          ///< divided by it
  CriticBatch critics;                    ///< those of one batch; defined if there is a critic
};

}  // namespace vae_dist::objective
