// Memory for batches from which a GPU copies by itself.
#pragma once

#include <c10/core/Device.h>

#include "data/batch_memory.hpp"

namespace vae_dist {

/// For batches that go to `device`: pinned for a GPU, plain for the CPU. Pinned memory comes from torch's caching allocator, which knows the copies that were queued from it
/// (model_input, queue_copy): it may be given back at once, and is given out again when they are done.
BatchMemory batch_memory_for(c10::Device device);

}  // namespace vae_dist
