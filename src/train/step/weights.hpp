// Between a model and named tensors in a file.
#pragma once

#include "checkpoint/safetensors.hpp"
#include "config/config.hpp"
#include "data/image_dataset.hpp"
#include "model/latent_model.hpp"

namespace vae_dist {

/// Copies on the host of all parameters and buffers by PyTorch's names, with the model's name and the image's shape as metadata, so that a weights file
/// says which images it is for.
TensorFile collect_weights(const LatentModel& model, const std::string& model_name, const ImageShape& shape);

/// Copies tensors into `model` by name, converting the type. Throws BadInput that lists, all at once, every name that is missing, unknown
/// or of another shape; then nothing has been changed. `origin` names the file.
void restore_weights(LatentModel& model, const TensorFile& weights, const std::string& origin);

/// Before a parameter's name: its moving average, among the optimizer's state.
inline constexpr const char* kAveragePrefix = "ema.";

/// The shape that collect_weights noted. Throws BadInput when it is not there.
ImageShape image_shape_of(const TensorFile& weights, const std::string& origin);

}  // namespace vae_dist
