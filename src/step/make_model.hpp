// From the configuration and the dataset's shape to a model with its initial weights.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "model/latent_model.hpp"
#include "model/network_options.hpp"
#include "parallel/parameter_arena.hpp"

namespace vae_dist::step {

/// What the decoder ends in: model.output, or, where that is auto, what belongs to the likelihood
/// and the range: identity (logits), sigmoid or tanh.
config::Output resolved_output(const config::Config& config);

model::NetworkOptions network_options(const config::Config& config, const data::SampleShape& shape);

/// The likelihood that `objective.likelihood` names.
std::shared_ptr<model::Likelihood> make_likelihood(const config::Config& config,
                                                   const data::SampleShape& shape);

/// The model that `model.name` names: type by train.precision, initial weights from run.seed, on
/// the CPU.
std::shared_ptr<model::LatentModel> make_model(const config::Config& config,
                                               const data::SampleShape& shape);

/// Parameters that are trained, in registration order.
parallel::NamedTensors trained_parameters(const model::LatentModel& model);

/// All parameters and buffers, by PyTorch's names.
parallel::NamedTensors named_state(const model::LatentModel& model);

}  // namespace vae_dist::step
