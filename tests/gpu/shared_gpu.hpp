// Helpers for programs that mpirun starts on one or several GPUs: choose this rank's GPU, and let
// ctest skip the program if there is none.
#pragma once

#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdio>
#include <memory>

#include "comm/mpi_world.hpp"
#include "run/choose_device.hpp"

namespace vae_dist {

/// The exit code that ctest treats as "skipped" (SKIP_RETURN_CODE).
inline constexpr int kNotRun = 77;

/// Returns true, after printing that `program` was not run, if there is no GPU.
inline bool lacks_a_gpu(const char* program) {
  if (run::machine_has_gpu()) return false;
  std::fprintf(stderr, "%s needs a GPU, but this machine has none: no test was run\n", program);
  return true;
}

/// Selects this rank's GPU as with distributed.share_gpu (shared if there are fewer GPUs than
/// ranks) and makes it the current device.
inline device::DeviceChoice take_shared_gpu(const comm::MpiWorld& world) {
  config::DistributedConfig config;
  config.device = config::Device::cuda;
  config.share_gpu = true;
  const device::DeviceChoice choice = run::choose_device(config, run::node_facts(world));
  run::apply_device(choice, config::Precision::fp32, /*reproducible=*/true);  // tests compare bits
  return choice;
}

/// Returns a stream for a communicator, like the one that make_exchanges() uses.
inline c10::Stream communication_stream(const device::DeviceChoice& device) {
  return c10::impl::VirtualGuardImpl(c10::kCUDA)
      .getStreamFromGlobalPool(device.device, /*isHighPriority=*/true);
}

inline void* native_stream(const c10::Stream& stream) { return stream.native_handle(); }

}  // namespace vae_dist
