// Between a model and named tensors in a file.
#pragma once

#include <map>
#include <string>

#include "checkpoint/safetensors.hpp"
#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::step {

/// What a file of weights says beside its tensors: the model's name, the images that it is for
/// (`channels`, `height`, `width`, `range`, `layout`), and what tensors do not tell of the network:
/// its `activation`, what the decoder ends in (`output`: sigmoid, tanh or identity), and the
/// `likelihood` that gives that its meaning.
std::map<std::string, std::string> weights_metadata(const config::Config& config,
                                                    const data::SampleShape& shape);

/// Copies on the host of all parameters and buffers by PyTorch's names.
checkpoint::TensorFile collect_weights(const model::LatentModel& model,
                                       std::map<std::string, std::string> metadata);

/// Copies tensors into `model` by name, converting the type. Throws BadInput that counts the names
/// that are missing, unknown or of another shape, and lists them in at most ten lines; then nothing
/// has been changed. `origin` names the file.
void restore_weights(model::LatentModel& model, const checkpoint::TensorFile& weights,
                     const std::string& origin);

/// Before a parameter's name: its moving average, among the optimizer's state.
inline constexpr const char* kAveragePrefix = "ema.";

/// The shape that weights_metadata noted. Throws BadInput when it is not there.
data::SampleShape image_shape_of(const checkpoint::TensorFile& weights, const std::string& origin);

}  // namespace vae_dist::step
