#include "evaluate/random_embedding.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "base/keyed_random.hpp"

namespace vae_dist::evaluate {
namespace {

constexpr std::uint64_t kEmbeddingKey =
    0x656d626564;                     // "embed": separates these draws from others for evaluation
constexpr std::int64_t kBlock = 256;  // images at once
constexpr std::int64_t kMaxLayers = 4, kWidth = 64, kEnds = 32, kPooled = 2;
static_assert(kEnds * kPooled * kPooled == kEmbeddingFeatures);

at::Tensor random_weight(std::uint64_t seed, std::int64_t layer, std::int64_t out,
                         std::int64_t in) {
  at::Tensor weight = at::empty({out, in, 3, 3}, at::kFloat);
  const std::int64_t fan_in = in * 9;
  // One sample per filter.
  for (std::int64_t filter = 0; filter < out; ++filter)
    base::fill_normal(
        base::random_key(seed, base::Purpose::evaluation, kEmbeddingKey),
        static_cast<std::uint64_t>(filter), static_cast<std::uint32_t>(layer),
        std::span(weight.data_ptr<float>() + filter * fan_in, static_cast<std::size_t>(fan_in)));
  return weight.mul_(std::sqrt(2.0 / static_cast<double>(fan_in)));
}

std::vector<at::Tensor> random_weights(std::uint64_t seed, std::int64_t channels,
                                       std::int64_t shorter_side) {
  const auto layers = std::min(
      static_cast<std::int64_t>(std::log2(static_cast<double>(shorter_side))) - 1, kMaxLayers);
  std::vector<at::Tensor> weights;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const std::int64_t out = layer == 0 || layer == layers - 1 ? kEnds : kWidth;
    weights.push_back(
        random_weight(seed, layer, out, layer == 0 ? channels : weights.back().size(0)));
  }
  return weights;
}

}  // namespace

at::Tensor random_embedding(const at::Tensor& images, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  if (images.dim() != 4 || !images.is_floating_point())
    throw base::BadInput("random embedding: images must be a floating point [N, C, H, W] tensor");
  if (std::min(images.size(2), images.size(3)) < kSmallestEmbeddedImage)
    throw base::BadInput(
        base::text("random embedding: images of ", images.size(2), "x", images.size(3),
                   " pixels are too small; they must have at least ", kSmallestEmbeddedImage, "x",
                   kSmallestEmbeddedImage, " pixels"));
  std::vector<at::Tensor> weights =
      random_weights(seed, images.size(1), std::min(images.size(2), images.size(3)));
  for (at::Tensor& weight : weights) weight = weight.to(images.device());
  std::vector<at::Tensor> features = {
      at::empty({0, kEmbeddingFeatures},
                images.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous))};
  for (std::int64_t first = 0; first < images.size(0); first += kBlock) {
    at::Tensor x = images.slice(0, first, first + kBlock).to(at::kFloat);
    for (const at::Tensor& weight : weights) x = at::conv2d(x, weight, {}, 2, 1).relu_();
    features.push_back(at::adaptive_avg_pool2d(x, {kPooled, kPooled}).flatten(1));
  }
  return at::cat(features);
}

}  // namespace vae_dist::evaluate
