// A batch's images and noise on the device.
#pragma once

#include <ATen/core/Tensor.h>

#include "data/batch.hpp"
#include "data/model_input.hpp"

namespace vae_dist::step {

/// Returns the images as model_input() does, and mirrors those that the batch marks as mirrored.
at::Tensor image_tensor(const data::Batch& batch, const data::InputFormat& format);

/// Returns the noise, [B, noise per sample], of format.type on format.device. The copy is queued as
/// in device/queue_copy.hpp.
at::Tensor noise_tensor(const data::Batch& batch, const data::InputFormat& format);

}  // namespace vae_dist::step
