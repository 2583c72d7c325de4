// A double-precision model of 8x8 grey images that runs within milliseconds.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "model/vanilla_vae.hpp"
#include "objective/gaussian.hpp"

namespace vae_dist::evaluate {

inline std::shared_ptr<model::LatentModel> small_model(
    const objective::GaussianSettings& gaussian = {}) {
  at::set_num_threads(1);
  model::NetworkOptions options;
  options.channels = 1;
  options.space = {8, 8};
  options.latent_dim = 3;
  options.hidden_dims = {4, 6};
  auto model = std::make_shared<model::VanillaVae>(
      options, model::make_likelihood("gaussian", {.own = gaussian, .channels = 1}));
  model->to(at::kDouble);
  return model;
}

/// Returns a model with the same weights and statistics. Ranks that are threads do not share a
/// model: each has its own, as processes do.
inline std::shared_ptr<model::LatentModel> copy_of(const model::LatentModel& original) {
  const at::NoGradGuard no_grad;
  const auto model = small_model();
  for (const auto& entry : original.named_parameters())
    model->named_parameters()[entry.key()].copy_(entry.value());
  for (const auto& entry : original.named_buffers())
    model->named_buffers()[entry.key()].copy_(entry.value());
  return model;
}

}  // namespace vae_dist::evaluate
