// The space axes of a sample, outermost first: {W}, {H, W} or {D, H, W}. A vector has none.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vae_dist::model {

using Space = std::vector<std::int64_t>;

/// Returns the number of positions: 1 without axes.
std::int64_t positions_in(const Space& space);

/// Returns the sizes after a stride of 2: each halved, rounded up.
Space halved(const Space& space);

/// Returns {-1, channels, space...}: the sizes of a batch of any number of samples.
std::vector<std::int64_t> batch_shape(std::int64_t channels, const Space& space);

/// Returns the memory format of batches with these many space axes: with `channels_last`, images
/// and volumes keep a position's channels side by side. A series is contiguous in either case.
at::MemoryFormat memory_format(std::size_t dimensions, bool channels_last);

/// Returns `one` for a sample, [B], as a tensor that broadcasts against batches of `dimensions`
/// space axes: [B, 1, ...].
at::Tensor of_each_sample(const at::Tensor& one, std::size_t dimensions);

/// Returns `numbers`, [C], as a tensor that broadcasts against x: [B, C, space...].
at::Tensor of_each_channel(const at::Tensor& numbers, const at::Tensor& x);

/// Returns a volume x, [B, C, D, H, W] channels_last, as an image of the same memory, [B, C, D * H,
/// W] channels_last: for what computes with positions in any order. Returns any other x as it is.
at::Tensor volume_as_image(const at::Tensor& x);

/// Throws std::invalid_argument, naming what would serve, unless convolutions work on samples with
/// these axes: one, two or three.
void require_convolvable(const Space& space);

}  // namespace vae_dist::model
