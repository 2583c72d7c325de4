// Warns about questionable settings of a run that can nevertheless be trained.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace vae_dist::run {

/// Returns a sentence for each file that data.train.file or data.validation.file lists twice (links
/// are resolved), and one if training and validation share rows, as far as files, datasets, rows
/// and splits tell. Accesses the disk but opens no file.
std::vector<std::string> source_warnings(config::DataConfig data);

}  // namespace vae_dist::run
