// What a run was made by and on: in environment.json, for the report and for whoever asks in a
// year; and what ranks must have in common.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "device/device_choice.hpp"
#include "run/version.hpp"

namespace vae_dist::run {

struct RunEnvironment {
  ProgramBuild program;
  std::string torch, nccl;    ///< versions; nccl empty on the CPU
  std::string hosts;          ///< "node1 (4 ranks), node2 (4 ranks)"
  std::string device;         ///< of rank 0, and what carries gradients
  std::int64_t restarts = 0;  ///< how often the run was started again
};

/// A collective. `file` is the environment.json of an earlier start, if there was one: what it
/// counts goes on where `goes_on`.
RunEnvironment run_environment(const ProgramBuild& program, const device::DeviceChoice& device,
                               const std::string& host_name, bool goes_on,
                               const std::filesystem::path& file, comm::HostCommunicator& host);

/// Names and values as they are to be shown. Throws Failure where the file cannot be written.
void write_environment(const std::filesystem::path& file, const RunEnvironment& environment,
                       int ranks);

/// "a (2 ranks), b (1 rank)", in order of first appearance. Pure.
std::string hosts_text(const std::vector<std::string>& host_of_rank);

// What a rank runs: program and libraries, as a text that all ranks must agree on.

/// "vae_dist 0.1.0 (build 0123456789abcdef), torch 2.11.0": the same of the two programs of a build
/// (ProgramBuild::id), which compute alike on the CPU. On a GPU NCCL's version as loaded, the GPU's
/// model, driver, cuDNN and NCCL's settings follow.
std::string environment_text(const std::string& build_id, const device::DeviceChoice& device);

/// What the bits of a result depend on besides the program: "CPU AVX2, 1 thread", or what
/// gpu_environment_text() says.
std::string arithmetic_text(const device::DeviceChoice& device);

}  // namespace vae_dist::run
