// Features of images from a convolutional network with random weights that are never trained, so
// everyone gets the same features.
//
// Naeem et al. 2020 (see coverage.hpp), section 3.3.2, find random embeddings fairer than
// ImageNet's for data that are not photographs. They also need no download. Distances between such
// features weigh edges and shapes; distances between pixels weigh areas.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vae_dist::evaluate {

inline constexpr std::int64_t kEmbeddingFeatures = 128;
inline constexpr std::int64_t kSmallestEmbeddedImage = 8;  ///< pixels, in height and width

/// Maps images [N, C, H, W] to features [N, 128] float32, on the images' device. The network
/// consists of 3x3 convolutions with stride 2, padding 1 and no bias, each followed by ReLU: as
/// many as bring the shorter side to 2 or 3 pixels, but at most 4; channels 32, 64, ..., 64, 32. A
/// final average pool to 2x2 roughly keeps the position of features. Weights ~ N(0, 2 / fan-in),
/// keyed by `seed` (Purpose::evaluation), layer and position, independent of any global generator.
/// Scaling the images scales the features alike; shifting the images does not shift them alike, so
/// compared sets must have the same range of values. Throws BadInput for images that are not
/// floating point [N, C, H, W], or smaller than 8x8.
at::Tensor random_embedding(const at::Tensor& images, std::uint64_t seed = 0);

}  // namespace vae_dist::evaluate
