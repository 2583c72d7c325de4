// Features of images from a convolutional network whose weights are random and never trained: the
// same for everyone.
//
// Naeem et al. 2020 (see coverage.hpp), section 3.3.2, find random embeddings fairer than
// ImageNet's where the data are no photographs, and they need no download. Distances between such
// features weigh edges and shapes, where distances between pixels weigh areas.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vae_dist::evaluate {

inline constexpr std::int64_t kEmbeddingFeatures = 128;
inline constexpr std::int64_t kSmallestEmbeddedImage = 8;  ///< pixels, in height and width

/// [N, C, H, W] to [N, 128] float32, on the images' device. Convolutions 3x3 with stride 2, padding
/// 1 and no bias, each followed by ReLU: as many as bring the shorter side to 2 or 3 pixels, but at
/// most 4; channels 32, 64, ..., 64, 32; then an average pool to 2x2, so features keep roughly
/// where things are. Weights ~ N(0, 2 / fan-in), keyed by `seed` (Purpose::evaluation), layer and
/// place: nothing depends on a global generator. Scaling the images scales the features alike;
/// shifting them does not: sets that are compared must have the same range of values. Throws
/// BadInput for images that are not floating point [N, C, H, W], or smaller than 8x8.
at::Tensor random_embedding(const at::Tensor& images, std::uint64_t seed = 0);

}  // namespace vae_dist::evaluate
