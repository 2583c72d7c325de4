// What is doubtful about a run, though it can be done.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::run {

/// The paragraph that warns of `train.precision: bf16` on a CPU without instructions for it, whose
/// `cpuinfo` this is (/proc/cpuinfo); empty where there is nothing to warn of. Pure.
std::string bfloat16_warning(const config::TrainConfig& train, const device::DeviceChoice& device,
                             const std::string& cpuinfo);

// What is doubtful about the files that a configuration names, though it can be read.

/// A sentence for each file that data.train.file or data.validation.file lists twice (links count
/// as what they lead to), and one where rows of validation are rows of training too, as far as
/// files, datasets, rows and splits tell. Looks at the disk, and into no file.
std::vector<std::string> source_warnings(const config::DataConfig& data);

}  // namespace vae_dist::run
