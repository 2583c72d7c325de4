// Makes a model with its initial weights from the configuration and the dataset's shape.
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

/// Returns the decoder's final activation: model.output or, if that is auto, the one that suits the
/// likelihood and the range: identity (logits), sigmoid or tanh.
config::Output resolved_output(const config::Config& config);

/// `condition_values`: Y, of what the model is told beside each sample (Sample::condition).
model::NetworkOptions network_options(const config::Config& config,
                                      const arrays::SampleShape& shape,
                                      std::int64_t condition_values = 0);

/// Returns the one way that train.convolutions names, or the pure table for auto.
std::shared_ptr<kernels::ConvolutionChoice> convolution_choice(config::Convolutions wanted);

/// Makes the likelihood that `objective.likelihood` names.
std::shared_ptr<model::Likelihood> make_likelihood(const config::Config& config,
                                                   const arrays::SampleShape& shape);

/// Makes the model that `model.name` names, on the CPU. train.precision sets its type, and run.seed
/// its initial weights. Throws BadInput if the network refuses its settings
/// (std::invalid_argument).
std::shared_ptr<model::LatentModel> make_model(const config::Config& config,
                                               const arrays::SampleShape& shape,
                                               std::int64_t condition_values = 0);

/// Returns the trained parameters, in registration order.
parallel::NamedTensors trained_parameters(const model::LatentModel& model);

/// Returns all parameters and buffers, under PyTorch's names.
parallel::NamedTensors named_state(const model::LatentModel& model);

}  // namespace vae_dist::step
