// Resolves the name of a run's checkpoint: "runs/mnist" (its newest), "runs/mnist@best",
// "runs/mnist@1000".
#pragma once

#include <filesystem>
#include <string>

namespace vae_dist::inference {

/// Returns the checkpoint directory of RUN@best (by the validation loss that the run recorded) or
/// RUN@STEP. Returns any other location unchanged, and also one that exists under that very name.
/// Throws BadInput, listing the run's checkpoints, if the run recorded no best one, or does not
/// have the checkpoint (any more).
std::filesystem::path named_checkpoint(const std::string& location);

/// Returns `location` with @best, for options that ask for it separately. Throws BadInput if
/// `location` already names a checkpoint.
std::string best_of(const std::string& location);

}  // namespace vae_dist::inference
