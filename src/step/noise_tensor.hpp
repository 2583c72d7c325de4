// A batch's noise on the device.
#pragma once

#include <ATen/core/Tensor.h>

#include "data/batch.hpp"
#include "data/model_input.hpp"

namespace vae_dist::step {

/// [B, noise per sample] of format.type on format.device; queued as by queue_copy.
at::Tensor noise_tensor(const data::Batch& batch, const data::InputFormat& format);

}  // namespace vae_dist::step
