// Conversion between a model and the named tensors of a file.
#pragma once

#include <map>
#include <string>

#include "checkpoint/safetensors.hpp"
#include "config/config.hpp"
#include "data/sample_dataset.hpp"
#include "model/latent_model.hpp"

namespace vae_dist::step {

/// Returns the metadata of a weights file: the model's name, the format of its samples
/// (`channels`, `space`: "64x64", of images also `height` and `width`, `range`, `layout`), and the
/// properties that the tensors do not reveal: the `activation`, the decoder's final activation
/// (`output`: sigmoid, tanh or identity), and the `likelihood`, which defines the meaning of the
/// output.
std::map<std::string, std::string> weights_metadata(const config::Config& config,
                                                    const arrays::SampleShape& shape);

/// Whether tensors that are already on the host are copied, too.
enum class OnHost { copied, shared };

/// Copies all parameters and buffers to the host, under PyTorch's names.
checkpoint::TensorFile collect_weights(const model::LatentModel& model,
                                       std::map<std::string, std::string> metadata,
                                       OnHost on_host = OnHost::copied);

/// Copies tensors into `model` by name, converting their type. If names are missing or unknown, or
/// shapes differ, changes nothing and throws BadInput, which counts these tensors and lists them in
/// at most ten lines. `origin` names the file.
void restore_weights(model::LatentModel& model, const checkpoint::TensorFile& weights,
                     const std::string& origin);

/// The prefix of a parameter's name for its moving average in the optimizer's state.
inline constexpr const char* kAveragePrefix = "ema.";

/// Returns the shape that weights_metadata() stored. Throws BadInput if it is missing.
arrays::SampleShape sample_shape_of(const checkpoint::TensorFile& weights,
                                    const std::string& origin);

}  // namespace vae_dist::step
