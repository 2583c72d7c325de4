#include "evaluate/model_pictures.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/keyed_random.hpp"
#include "evaluate/keyed_noise.hpp"
#include "evaluate/read_samples.hpp"
#include "model/evaluation_mode.hpp"

namespace vae_dist::evaluate {
namespace {

// Bound the memory of the activations, which take some ten times that of the values.
constexpr std::int64_t kPicturesAtOnce = 256, kValuesAtOnce = std::int64_t{1} << 24;

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

namespace {

// Decodes z, [N, latent_values], a batch at a time, and returns show(decoded, index of the first)
// of all batches.
template <typename Show>
at::Tensor decode_in_batches(model::LatentModel& model, const at::Tensor& z,
                             const at::Tensor& condition, Show show) {
  model::Sample given;
  if (condition.defined())
    given.condition = condition.to(z.options()).expand({z.size(0), condition.size(1)});
  std::vector<at::Tensor> parts;
  for (std::int64_t done = 0; done < z.size(0); done += kPicturesAtOnce) {
    const std::int64_t count = std::min(kPicturesAtOnce, z.size(0) - done);
    parts.push_back(show(model.decode(z.narrow(0, done, count), given.narrow(done, count)), done));
  }
  return at::cat(parts);
}

}  // namespace

at::Tensor decoded_images(model::LatentModel& model, const at::Tensor& z,
                          const at::Tensor& condition) {
  return decode_in_batches(model, z, condition, [&](const model::Decoded& decoded, std::int64_t) {
    return model.likelihood().mean_image(decoded).cpu();
  });
}

at::Tensor drawn_values(const model::LatentModel& model, const model::Decoded& decoded,
                        const model::Sample& given, std::uint64_t seed, std::int64_t first) {
  // A generator for each sample, so that its draw does not depend on the others.
  const base::PhiloxKey key = base::random_key(seed, base::Purpose::prior, 1);
  std::vector<at::Tensor> drawn;
  for (std::int64_t i = 0; i < decoded.output.size(0); ++i) {
    const auto word = base::random_block(key, static_cast<std::uint64_t>(first + i), 0, 0);
    at::Generator generator =
        at::detail::createCPUGenerator(static_cast<std::uint64_t>(word[0]) << 32 | word[1]);
    drawn.push_back(model.likelihood().draw(decoded.narrow(i, 1), given.narrow(i, 1), generator));
  }
  return at::cat(drawn);
}

bool can_sample_prior(const model::LatentModel& model) { return model.codes() == nullptr; }

at::Tensor sample_prior(model::LatentModel& model, std::int64_t count, std::uint64_t seed,
                        double temperature, Prior prior, const at::Tensor& condition,
                        Values values) {
  if (!can_sample_prior(model))
    throw base::BadInput(
        "the model's latent is quantized (model.codes), and nothing has learned which codes occur "
        "together: codes that are drawn independently at every place decode to noise. Reconstruct, "
        "embed, interpolate and traverse work");
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation(model);
  at::Tensor z = keyed_noise(model, base::Purpose::prior, seed, 0, count);
  // The normal distribution function maps normal numbers to uniform ones.
  if (prior == Prior::box) z = at::erf(z / std::sqrt(2.0));
  if (values == Values::mean) return decoded_images(model, z * temperature, condition);
  return decode_in_batches(model, z * temperature, condition,
                           [&](const model::Decoded& decoded, std::int64_t first) {
                             return drawn_values(model, decoded, {}, seed, first);
                           });
}

std::int64_t samples_at_once(const arrays::SampleShape& shape) {
  return std::clamp<std::int64_t>(kValuesAtOnce / shape.values(), 1, kPicturesAtOnce);
}

at::Tensor reconstructed(model::LatentModel& model, const model::Sample& batch,
                         const at::Tensor& noise) {
  const model::Posterior posterior = model.encode(batch);
  const at::Tensor z = noise.defined() ? model::reparameterize(posterior, noise) : posterior.mu;
  return model.likelihood().mean_image(model.decode(z, batch), batch);
}

Reconstructions reconstruct(model::LatentModel& model, const data::SampleDataset& dataset,
                            std::int64_t first, std::int64_t count, const data::InputFormat& format,
                            Latent latent, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode evaluation(model);
  const std::int64_t at_once = samples_at_once(format.shape);
  std::vector<at::Tensor> originals, reconstructions;
  for (std::int64_t done = 0; done < count; done += at_once) {
    const std::int64_t part = std::min(at_once, count - done);
    const model::Sample batch = read_batch(dataset, first + done, part, format);
    at::Tensor noise;
    if (latent == Latent::sample)
      noise = keyed_noise(model, base::Purpose::evaluation, seed, first + done, part);
    originals.push_back(with_gaps(batch).cpu());
    reconstructions.push_back(reconstructed(model, batch, noise).cpu());
  }
  return {at::cat(originals), at::cat(reconstructions)};
}

}  // namespace vae_dist::evaluate
