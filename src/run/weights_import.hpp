// Starts a run from foreign weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vae_dist::run {

struct WeightsToImport {
  std::filesystem::path file;     ///< in safetensors format
  std::string origin;             ///< names the file in messages
  bool allow_not_finite = false;  ///< accept NaN and infinite weights
};

struct ImportedWeights {
  std::filesystem::path checkpoint;
  std::string network;  ///< for display: the last layer of the decoder and the range of the images
};

/// Creates the run directory of the configuration, with a checkpoint of step 0 that holds the
/// weights and a fresh optimizer. Training with the same configuration continues from it. R stays
/// open until then unless the configuration sets it. Throws BadInput for a bad configuration or
/// file, weights that do not fit, weights that foreign_weights.hpp refuses, or a run that already
/// exists.
ImportedWeights import_weights(const WeightsToImport& given, const std::string& config_file,
                               const std::vector<std::string>& overrides);

}  // namespace vae_dist::run
