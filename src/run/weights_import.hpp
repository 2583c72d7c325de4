// A run that begins with somebody else's weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vae_dist::run {

struct WeightsToImport {
  std::filesystem::path file;     ///< safetensors
  std::string origin;             ///< names it in messages
  bool allow_not_finite = false;  ///< NaN and infinite weights are taken as they are
};

struct ImportedWeights {
  std::filesystem::path checkpoint;
  std::string network;  ///< for people: what the decoder ends in, and the range of the images
};

/// Makes the run directory of the configuration with a checkpoint of step 0 that holds the weights
/// and a fresh optimizer. Training with the same configuration goes on from it; R stays open until
/// then unless the configuration sets it. Throws BadInput: a bad configuration or file, weights
/// that do not fit, what foreign_weights.hpp refuses, a run that already exists.
ImportedWeights import_weights(const WeightsToImport& weights, const std::string& config_file,
                               const std::vector<std::string>& overrides);

}  // namespace vae_dist::run
