// What is doubtful about the files that a configuration names, though it can be read.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace vae_dist::run {

/// A sentence for each file that data.train.file or data.validation.file lists twice (links count as what they lead to), and one where rows of validation are rows of training too, as
/// far as files, datasets, rows and splits tell. Looks at the disk, and into no file.
std::vector<std::string> source_warnings(const config::DataConfig& data);

}  // namespace vae_dist::run
