// Which checkpoint of a run is meant: "runs/mnist" (its newest), "runs/mnist@best",
// "runs/mnist@1000".
#pragma once

#include <filesystem>
#include <string>

namespace vae_dist::inference {

/// The checkpoint's directory that RUN@best (by the validation loss that the run noted) or RUN@STEP
/// means; any other place, and whatever is there under that very name, is returned as it is. Throws
/// BadInput: a run that noted no best, or has no such checkpoint (any more), with those that it
/// has.
std::filesystem::path named_checkpoint(const std::string& place);

/// `place` with @best, for options that ask for it apart. Throws BadInput where `place` names a
/// checkpoint already.
std::string best_of(const std::string& place);

}  // namespace vae_dist::inference
