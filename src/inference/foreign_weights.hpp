// Checks that weights from elsewhere have to pass before a run starts from them.
#pragma once

#include <string>

#include "checkpoint/safetensors.hpp"
#include "config/config.hpp"

namespace vae_dist::inference {

/// Returns a tensor's name without the prefixes of wrappers, whatever their order: `module.`
/// (DataParallel, DDP) and `_orig_mod.` (torch.compile) anywhere, `model.` (Lightning) in front.
/// "module.model.encoder._orig_mod.0.0.weight" becomes "encoder.0.0.weight".
std::string bare_name(const std::string& name);

/// Returns the tensors under their bare names. Throws BadInput if two of them get the same name,
/// because the intended one is unknown. `origin` names the file.
checkpoint::TensorFile with_bare_names(checkpoint::TensorFile file, const std::string& origin);

/// Throws BadInput, naming the tensors, if any values are not finite, or are not finite when
/// rounded to `type`, the model's type.
void require_finite(const checkpoint::TensorFile& file, at::ScalarType type,
                    const std::string& origin);

/// Checks what tensors do not reveal: the output function of the decoder, the range of the images,
/// and the activation. Two networks that differ only in these accept each other's weights but
/// compute something else. Throws BadInput if the file's metadata (see weights_metadata) contradict
/// the configuration, or if they are silent and model.output is auto. Both messages say what to
/// write into the configuration.
void require_same_network(const checkpoint::TensorFile& file, const config::Config& config,
                          const std::string& origin);

}  // namespace vae_dist::inference
