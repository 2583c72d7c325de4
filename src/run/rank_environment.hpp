// What a rank runs: program and libraries, as a text that all ranks must agree on.
#pragma once

#include <string>

#include "device/device_choice.hpp"

namespace vae_dist::run {

/// "vae_dist 0.1.0 (build 0123456789abcdef), torch 2.11.0": the same of the two programs of a build (ProgramBuild::id), which compute alike on the CPU. On a GPU NCCL's version as
/// loaded, the GPU's model, driver, cuDNN and NCCL's settings follow.
std::string environment_text(const std::string& build_id, const device::DeviceChoice& device);

/// What the bits of a result depend on besides the program: "CPU AVX2, 1 thread", or what gpu_environment_text() says.
std::string arithmetic_text(const device::DeviceChoice& device);

}  // namespace vae_dist::run
