#include "evaluate/keyed_noise.hpp"

#include <ATen/ATen.h>

namespace vae_dist::evaluate {

at::Tensor keyed_noise(const model::LatentModel& model, base::Purpose purpose, std::uint64_t seed,
                       std::int64_t first, std::int64_t count, std::uint32_t draw) {
  const auto latent = static_cast<std::size_t>(model.latent_values());
  const base::PhiloxKey key = base::random_key(seed, purpose, 0);
  std::vector<float> draws(static_cast<std::size_t>(count) * latent);
  for (std::int64_t i = 0; i < count; ++i)
    base::fill_normal(key, static_cast<std::uint64_t>(first + i), draw,
                      std::span(draws).subspan(static_cast<std::size_t>(i) * latent, latent));
  const at::Tensor weight = model.parameters().front();
  return at::from_blob(draws.data(), {count, model.latent_values()}, at::kFloat)
      .to(weight.device(), weight.scalar_type(), false, /*copy=*/true);
}

}  // namespace vae_dist::evaluate
