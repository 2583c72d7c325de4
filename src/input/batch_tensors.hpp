// A batch's tensors on the device: first as the file stores them, so that few bytes travel, then as
// the model sees them. The second half queues operations of the device only, so that a captured
// step includes it.
#pragma once

#include <ATen/core/Tensor.h>

#include "data/batch.hpp"
#include "data/model_input.hpp"
#include "model/sample.hpp"

namespace vae_dist::input {

/// Returns the batch on format.device: x as data::stored_pixels() returns it, the noise, [B, noise
/// per sample] in fp32, and which samples are to be mirrored. Copies are queued as in
/// device/queue_copy.hpp; on the CPU the result shares the batch's memory.
model::Sample stored_batch(const data::Batch& batch, const data::InputFormat& format);

/// Returns what the model sees of a batch, or of a part of it, that stored_batch() returned: the
/// images as data::model_input() does, mirrored where they are to be, and the noise in format.type.
model::Sample model_batch(const model::Sample& stored, const data::InputFormat& format);
}  // namespace vae_dist::input
