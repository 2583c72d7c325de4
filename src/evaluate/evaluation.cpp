#include "evaluate/evaluation.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace vae_dist {
namespace {

constexpr std::int64_t kSums = 3;  // reconstruction, KL, squared error: each summed over the block's samples

std::vector<std::uint8_t> read_block(const ImageDataset& dataset, std::int64_t first, std::int64_t count) {
  const auto image_bytes = dataset.image_bytes();
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count) * image_bytes);
  for (std::int64_t i = 0; i < count; ++i) dataset.read(first + i, std::span(pixels).subspan(static_cast<std::size_t>(i) * image_bytes, image_bytes));
  return pixels;
}

}  // namespace

Evaluation evaluate(VanillaVae& model, const ImageDataset& dataset, const EvaluationOptions& options, Communicator& host) {
  const at::NoGradGuard no_grad;
  const bool was_training = model->is_training();
  model->eval();

  const std::int64_t blocks = (options.samples + options.block - 1) / options.block;
  std::vector<double> sums(static_cast<std::size_t>(blocks * kSums));
  for (std::int64_t b = host.rank(); b < blocks; b += host.size()) {
    const std::int64_t first = b * options.block, count = std::min(options.block, options.samples - first);
    const at::Tensor images = model_input(read_block(dataset, first, count), options.format);
    const Posterior posterior = model->encode(images);
    const at::Tensor reconstruction = model->decode(posterior.mu);
    const double n = static_cast<double>(count);
    double* out = sums.data() + b * kSums;
    out[0] = gaussian_reconstruction(reconstruction.to(at::kDouble), images.to(at::kDouble), options.loss).item<double>() * n;
    out[1] = kl_divergence(posterior.mu.to(at::kDouble), posterior.log_var.to(at::kDouble)).item<double>() * n;
    out[2] = at::mse_loss(reconstruction.to(at::kDouble), images.to(at::kDouble)).item<double>() * n;
  }
  model->train(was_training);

  // Every entry is one rank's value plus zeros: exact.
  host.all_reduce_sum({sums.data(), static_cast<std::int64_t>(sums.size()), DataType::float64});
  Evaluation total;
  total.samples = options.samples;
  for (std::int64_t b = 0; b < blocks; ++b) {
    total.reconstruction += sums[static_cast<std::size_t>(b * kSums)];
    total.kld_nats += sums[static_cast<std::size_t>(b * kSums + 1)];
    total.mse += sums[static_cast<std::size_t>(b * kSums + 2)];
  }
  const auto n = static_cast<double>(options.samples), span = options.format.high - options.format.low;
  total.reconstruction /= n;
  total.kld_nats /= n;
  total.mse /= n * span * span;
  total.loss = total.reconstruction + options.kld_factor * total.kld_nats;
  return total;
}

}  // namespace vae_dist
