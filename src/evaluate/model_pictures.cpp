#include "evaluate/model_pictures.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "evaluate/evaluation_mode.hpp"
#include "evaluate/keyed_noise.hpp"
#include "evaluate/read_samples.hpp"

namespace vae_dist::evaluate {
namespace {

// Bounds the memory of the activations.
constexpr std::int64_t kPicturesAtOnce = 256;

}  // namespace

std::vector<std::vector<std::uint8_t>> image_bytes(const at::Tensor& images, double low,
                                                   double high) {
  const at::Tensor bytes =
      ((images.detach().to(at::kCPU, at::kDouble) - low) * (255.0 / (high - low)))
          .round()
          .clamp(0, 255)
          .to(at::kByte)
          .permute({0, 2, 3, 1})
          .contiguous();
  std::vector<std::vector<std::uint8_t>> out;
  for (std::int64_t i = 0; i < bytes.size(0); ++i) {
    const at::Tensor image = bytes[i];
    const auto* data = image.const_data_ptr<std::uint8_t>();
    out.emplace_back(data, data + image.numel());
  }
  return out;
}

at::Tensor decoded_images(model::LatentModel& model, const at::Tensor& z) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& rows : z.split(kPicturesAtOnce))
    parts.push_back(model.likelihood().mean_image(model.decode(rows)).cpu());
  return at::cat(parts);
}

at::Tensor sample_prior(model::LatentModel& model, std::int64_t count, std::uint64_t seed,
                        double temperature, Prior prior) {
  const at::NoGradGuard no_grad;
  const EvaluationMode evaluation(model);
  at::Tensor z = keyed_noise(model, base::Purpose::prior, seed, 0, count);
  // The normal distribution function maps normal numbers to uniform ones.
  if (prior == Prior::box) z = at::erf(z / std::sqrt(2.0));
  return decoded_images(model, z * temperature);
}

Reconstructions reconstruct(model::LatentModel& model, const data::SampleDataset& dataset,
                            std::int64_t first, std::int64_t count, const data::InputFormat& format,
                            Latent latent, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const EvaluationMode evaluation(model);
  std::vector<at::Tensor> originals, reconstructions;
  for (std::int64_t done = 0; done < count; done += kPicturesAtOnce) {
    const std::int64_t part = std::min(kPicturesAtOnce, count - done);
    const model::Sample batch = read_batch(dataset, first + done, part, format);
    const model::Posterior posterior = model.encode(batch);
    const at::Tensor z =
        latent == Latent::mean
            ? posterior.mu
            : model::reparameterize(posterior, keyed_noise(model, base::Purpose::evaluation, seed,
                                                           first + done, part));
    originals.push_back(batch.x.cpu());
    reconstructions.push_back(model.likelihood().mean_image(model.decode(z, batch), batch).cpu());
  }
  return {at::cat(originals), at::cat(reconstructions)};
}

}  // namespace vae_dist::evaluate
