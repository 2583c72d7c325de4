// A tensor's memory as a communicator sees it.
#pragma once

#include <ATen/core/Tensor.h>

#include "comm/communicator.hpp"

namespace vae_dist::parallel {

/// Returns the memory of a contiguous uint8, int64, bf16, fp32 or fp64 tensor. Throws
/// std::invalid_argument for any other tensor.
comm::Buffer buffer_of(const at::Tensor& tensor);

}  // namespace vae_dist::parallel
