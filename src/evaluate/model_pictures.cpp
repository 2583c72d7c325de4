#include "evaluate/model_pictures.hpp"

#include <ATen/ATen.h>

#include "base/keyed_random.hpp"

namespace vae_dist {
namespace {

// Evaluation mode for as long as it lives.
class EvaluationMode {
 public:
  explicit EvaluationMode(VanillaVae& model) : model_(model), was_training_(model->is_training()) { model_->eval(); }
  ~EvaluationMode() { model_->train(was_training_); }

 private:
  VanillaVae& model_;
  bool was_training_;
};

// [count, latent] on the model's device: row i is drawn for sample first + i.
at::Tensor keyed_normal(VanillaVae& model, Purpose purpose, std::uint64_t seed, std::int64_t first, std::int64_t count) {
  const auto latent = static_cast<std::size_t>(model->options().latent_dim);
  const PhiloxKey key = random_key(seed, purpose, 0);
  std::vector<float> draws(static_cast<std::size_t>(count) * latent);
  for (std::int64_t i = 0; i < count; ++i)
    fill_normal(key, static_cast<std::uint64_t>(first + i), 0, std::span(draws).subspan(static_cast<std::size_t>(i) * latent, latent));
  const at::Tensor weight = model->parameters().front();
  return at::from_blob(draws.data(), {count, model->options().latent_dim}, at::kFloat).to(weight.device(), weight.scalar_type(), false, /*copy=*/true);
}

// Many images at once would need many activations at once.
constexpr std::int64_t kDecodedAtOnce = 256;

}  // namespace

std::vector<std::vector<std::uint8_t>> image_bytes(const at::Tensor& images, double low, double high) {
  const at::Tensor bytes = ((images.detach().to(at::kCPU, at::kDouble) - low) * (255.0 / (high - low))).round().clamp(0, 255).to(at::kByte).permute({0, 2, 3, 1}).contiguous();
  std::vector<std::vector<std::uint8_t>> out;
  for (std::int64_t i = 0; i < bytes.size(0); ++i) {
    const at::Tensor image = bytes[i];
    const auto* data = image.const_data_ptr<std::uint8_t>();
    out.emplace_back(data, data + image.numel());
  }
  return out;
}

at::Tensor sample_prior(VanillaVae& model, std::int64_t count, std::uint64_t seed, double temperature) {
  const at::NoGradGuard no_grad;
  const EvaluationMode evaluation(model);
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < count; first += kDecodedAtOnce) {
    const std::int64_t part = std::min(kDecodedAtOnce, count - first);
    parts.push_back(model->decode(keyed_normal(model, Purpose::prior, seed, first, part) * temperature).cpu());
  }
  return at::cat(parts);
}

Reconstructions reconstruct(VanillaVae& model, const ImageDataset& dataset, std::int64_t first, std::int64_t count, const InputFormat& format, Latent latent,
                            std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const EvaluationMode evaluation(model);
  const std::size_t image_size = dataset.image_bytes();
  std::vector<at::Tensor> originals, reconstructions;
  for (std::int64_t done = 0; done < count; done += kDecodedAtOnce) {
    const std::int64_t part = std::min(kDecodedAtOnce, count - done);
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(part) * image_size);
    for (std::int64_t i = 0; i < part; ++i) dataset.read(first + done + i, std::span(pixels).subspan(static_cast<std::size_t>(i) * image_size, image_size));
    const at::Tensor images = model_input(pixels, format);
    const Posterior posterior = model->encode(images);
    const at::Tensor z = latent == Latent::mean ? posterior.mu
                                                : VanillaVaeImpl::reparameterize(posterior.mu, posterior.log_var, keyed_normal(model, Purpose::evaluation, seed, first + done, part));
    originals.push_back(images.cpu());
    reconstructions.push_back(model->decode(z).cpu());
  }
  return {at::cat(originals), at::cat(reconstructions)};
}

}  // namespace vae_dist
