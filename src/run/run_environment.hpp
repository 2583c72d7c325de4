// Records the software and hardware of a run in environment.json, for the report and for later
// reference, and the properties that all ranks must share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "device/device_choice.hpp"
#include "run/version.hpp"

namespace vae_dist::run {

struct RunEnvironment {
  ProgramBuild program;
  std::string torch, nccl;    ///< versions; nccl is empty on the CPU
  std::string hosts;          ///< "node1 (4 ranks), node2 (4 ranks)"
  std::string device;         ///< the device of rank 0 and the backend of the gradients
  std::int64_t restarts = 0;  ///< how often the run was restarted
  std::int64_t steps_planned = 0;
};

/// Collects the environment of this start. A collective. `file` is the environment.json of an
/// earlier start, if there is one. Its count of restarts continues if `goes_on`.
RunEnvironment run_environment(const ProgramBuild& program, const device::DeviceChoice& device,
                               const std::string& host_name, bool goes_on,
                               const std::filesystem::path& file, comm::CpuCommunicator& all_ranks);

/// Writes the environment as names and values for display. Throws Failure if the file cannot be
/// written.
void write_environment(const std::filesystem::path& file, const RunEnvironment& environment,
                       int ranks);

/// Returns "a (2 ranks), b (1 rank)", in order of first appearance. Pure.
std::string hosts_text(const std::vector<std::string>& host_of_rank);

// Descriptions of what a rank runs. All ranks must have equal ones.

/// Returns "vae_dist 0.1.0 (build 0123456789abcdef), torch 2.11.0". The text is the same for the
/// two programs of one build (ProgramBuild::id), which compute alike on the CPU. On a GPU, the
/// version of the loaded NCCL, the GPU model, the driver, cuDNN and the NCCL settings follow.
std::string environment_text(const std::string& build_id, const device::DeviceChoice& device);

/// Returns what the exact bits of a result depend on besides the program: "CPU AVX2, 1 thread",
/// with
/// ", bf16 in fp32" behind it if rounds_bfloat16(), or gpu_environment_text() on a GPU.
std::string arithmetic_text(const device::DeviceChoice& device, config::Precision precision);

}  // namespace vae_dist::run
