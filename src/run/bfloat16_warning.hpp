// bf16 on a processor that only imitates it.
#pragma once

#include <string>

#include "config/config.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::run {

/// The paragraph that warns of `train.precision: bf16` on a CPU without instructions for it, whose `cpuinfo` this is (/proc/cpuinfo); empty where there
/// is nothing to warn of. Pure.
std::string bfloat16_warning(const config::TrainConfig& train, const device::DeviceChoice& device, const std::string& cpuinfo);

}  // namespace vae_dist::run
