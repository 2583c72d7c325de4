// The loss of a decoder whose outputs are the logits of values 0 and 1.
#pragma once

#include <ATen/core/Tensor.h>

namespace vae_dist::model {

/// Returns -log p(x | logits) of a Bernoulli likelihood in nats, summed over the values of a
/// sample: [B]. `logits`, `x`: [B, C, H, W]. Where kernels/bernoulli.hpp can, it computes the
/// gradient along with the value; it can be differentiated once, with respect to the logits.
at::Tensor bernoulli_loss(const at::Tensor& logits, const at::Tensor& x);

}  // namespace vae_dist::model
