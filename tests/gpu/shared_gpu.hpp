// For programs that mpirun starts on one GPU or several: this rank's place on them, and an end that
// ctest understands where there is none.
#pragma once

#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdio>
#include <memory>

#include "comm/mpi_world.hpp"
#include "run/choose_device.hpp"

namespace vae_dist {

/// What ctest takes for "skipped" (SKIP_RETURN_CODE).
inline constexpr int kNotRun = 77;

/// Says that nothing of `program` has been run, where there is no GPU; true then.
inline bool lacks_a_gpu(const char* program) {
  if (run::machine_has_gpu()) return false;
  std::fprintf(stderr, "%s needs a GPU, and there is none here: nothing of it has been run\n",
               program);
  return true;
}

/// This rank's GPU, shared with others where there are fewer GPUs than ranks, as
/// distributed.share_gpu has it. Makes it the current device.
inline device::DeviceChoice take_shared_gpu(const comm::MpiWorld& world) {
  config::DistributedConfig config;
  config.device = config::Device::cuda;
  config.share_gpu = true;
  const device::DeviceChoice choice = run::choose_device(config, run::node_facts(world));
  run::apply_device(choice, config::Precision::fp32, /*reproducible=*/true);  // tests compare bits
  return choice;
}

/// One stream for a communicator, as make_exchanges() takes it.
inline c10::Stream communication_stream(const device::DeviceChoice& device) {
  return c10::impl::VirtualGuardImpl(c10::kCUDA)
      .getStreamFromGlobalPool(device.device, /*isHighPriority=*/true);
}

inline void* native_stream(const c10::Stream& stream) { return stream.native_handle(); }

}  // namespace vae_dist
