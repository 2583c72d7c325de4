// A run that begins with somebody else's weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vae_dist {

/// Makes the run directory of the configuration with a checkpoint of step 0 that holds the weights of `file` and a fresh optimizer. `file` is safetensors; `origin`
/// names it in messages. Training with the same configuration goes on from it; R stays open until then unless the configuration sets it. Returns the checkpoint.
/// Throws BadInput: a bad configuration or file, weights that do not fit (all misfits listed), a run that already exists.
std::filesystem::path import_weights(const std::filesystem::path& file, const std::string& origin, const std::string& config_file, const std::vector<std::string>& overrides);

}  // namespace vae_dist
