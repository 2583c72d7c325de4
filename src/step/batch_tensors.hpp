// A batch's images and noise on the device.
#pragma once

#include <ATen/core/Tensor.h>

#include "data/batch.hpp"
#include "data/model_input.hpp"

namespace vae_dist::step {

/// As model_input(), and mirrored there where the batch says so.
at::Tensor image_tensor(const data::Batch& batch, const data::InputFormat& format);

/// [B, noise per sample] of format.type on format.device; queued as by device/queue_copy.hpp.
at::Tensor noise_tensor(const data::Batch& batch, const data::InputFormat& format);

}  // namespace vae_dist::step
