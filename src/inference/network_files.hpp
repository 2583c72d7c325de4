// The files that a network from elsewhere is made of (base::Network::foreign_layers), and that of a
// loss from elsewhere (objective.script): a run keeps copies of them, so that it and its
// checkpoints can be used when the originals are gone or have been changed.
#pragma once

#include <filesystem>

#include "config/config.hpp"

namespace vae_dist::inference {

/// Copies the files into `run_directory`/network, under the names of their keys, in place of what
/// an earlier start has left there. To be called when a run begins; one that goes on does so with
/// the network that it began with. Throws BadInput if a file cannot be copied.
void keep_network_files(const config::Config& config, const std::filesystem::path& run_directory);

/// Makes the configuration name the files that the run keeps, where it does.
void use_kept_network_files(config::Config& config, const std::filesystem::path& run_directory);

}  // namespace vae_dist::inference
