// The files that a network from elsewhere is made of (base::Network::foreign_layers), and that of a
// loss from elsewhere (objective.script): a run keeps copies of them, so that it and its
// checkpoints can be used when the originals are gone or have been changed. Its checkpoints record
// the SHA-256 of each, because weights mean nothing in another program than the one that was
// trained, and a run goes on with the loss that it began with.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/training_state.hpp"
#include "config/config.hpp"

namespace vae_dist::inference {

/// Copies the files into `run_directory`/network, under the names of their keys, in place of what
/// an earlier start has left there, and returns their sums. To be called when a run begins; one
/// that goes on does so with the network that it began with. Throws BadInput if a file cannot be
/// copied.
checkpoint::FileSums keep_network_files(const config::Config& config,
                                        const std::filesystem::path& run_directory);

/// Makes the configuration name the copies that the run of a checkpoint keeps, where it does.
/// checkpoint: its directory, <run>/checkpoints/<step>.
void name_kept_network_files(config::Config& config, const std::filesystem::path& checkpoint);

/// Same, of the configuration that a checkpoint holds (config::KeptConfig), which is called `name`
/// in messages: a run that begins with the weights of another one, and with its configuration,
/// begins with its network too.
std::string yaml_of_kept_network_files(const std::string& yaml, const std::string& name,
                                       const std::filesystem::path& checkpoint);

/// Same, and throws BadInput, naming the file and the remedy, if a file is not the one of its sum.
/// A run that began before there were sums has none, and its files are taken as they are.
void use_kept_network_files(config::Config& config, const std::filesystem::path& checkpoint,
                            const checkpoint::FileSums& sums);

/// Returns the sum of each file by its key. Throws BadInput, naming the key, if one cannot be read.
checkpoint::FileSums sums_of_network_files(const config::Config& config);

/// What whoever continues a run should know: returns a sentence for each file that the
/// configuration names, but that is not the one of its sum, so that the run goes on without it.
std::vector<std::string> told_of_unused_network_files(const config::Config& config,
                                                      const std::filesystem::path& checkpoint,
                                                      const checkpoint::FileSums& sums);

/// What a run that begins with the weights of another one should know: returns a sentence for each
/// file that is not the one that the other run was trained with. Throws BadInput, as above, if such
/// a file is the copy that the other run keeps. checkpoint: the other run's, with its sums.
std::vector<std::string> told_of_other_network_files(const config::Config& config,
                                                     const std::filesystem::path& checkpoint,
                                                     const checkpoint::FileSums& sums);

}  // namespace vae_dist::inference
