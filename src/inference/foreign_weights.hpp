// What weights that come from elsewhere have to pass before a run begins with them.
#pragma once

#include <string>

#include "checkpoint/safetensors.hpp"
#include "config/config.hpp"

namespace vae_dist::inference {

/// A tensor's name without what wrappers put into it, in whatever order they were wrapped:
/// `module.` (DataParallel, DDP) and `_orig_mod.` (torch.compile) anywhere, `model.` (Lightning) in
/// front. "module.model.encoder._orig_mod.0.0.weight" is "encoder.0.0.weight".
std::string bare_name(const std::string& name);

/// The tensors by their bare names. Throws BadInput where two of them then have the same: which is
/// meant can't be told. `origin` names the file.
checkpoint::TensorFile with_bare_names(checkpoint::TensorFile file, const std::string& origin);

/// Throws BadInput that names the tensors with values which are not finite, or not once they are
/// rounded to `type`, the model's.
void require_finite(const checkpoint::TensorFile& file, at::ScalarType type,
                    const std::string& origin);

/// Tensors do not tell what the decoder ends in, nor the range of the images, nor the activation:
/// two networks that differ in them alone take each other's weights and compute something else.
/// Throws BadInput where the file's metadata (see weights_metadata) contradict the configuration,
/// and where they are silent and model.output is auto; both with what to write into the
/// configuration.
void require_same_network(const checkpoint::TensorFile& file, const config::Config& config,
                          const std::string& origin);

}  // namespace vae_dist::inference
