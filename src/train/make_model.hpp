// From the configuration and the dataset's shape to a model with its initial weights, and the loss it is trained with.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "data/image_dataset.hpp"
#include "model/vae_loss.hpp"
#include "model/vanilla_vae.hpp"
#include "parallel/parameter_arena.hpp"

namespace vae_dist {

VanillaVaeOptions model_options(const Config& config, const ImageShape& shape);

/// The model in evaluation-neutral state: type by train.precision, initial weights from run.seed, on the CPU.
VanillaVae make_model(const Config& config, const ImageShape& shape);

/// PyTorch's own distributions (uniform in +-1/sqrt(fan_in) for weights and biases of convolutions and linear layers), drawn by keyed
/// numbers of (seed, init, index of the tensor), so they depend neither on the device nor on torch's generator.
void initialise_weights(VanillaVae& model, std::uint64_t seed);

/// Parameters that are trained, in registration order.
NamedTensors trained_parameters(const VanillaVae& model);

/// All parameters and buffers, by PyTorch's names.
NamedTensors named_state(const VanillaVae& model);

/// The objective with every rule resolved.
struct ResolvedObjective {
  LossOptions loss;
  KldWeightTerms kld_terms;
  double kld_weight = 0;  ///< M_N
  double beta = 1;
  std::string rule;       ///< for people: "reference: 0.00025 * 64 / 64"
};

ResolvedObjective resolve_objective(const Config& config, std::int64_t training_samples, const ImageShape& shape);

}  // namespace vae_dist
