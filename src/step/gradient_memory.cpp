#include "step/gradient_memory.hpp"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <exception>

#include "base/log.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist::step {
namespace {

constexpr int kRegisters = 21900;  // NCCL 2.19: ncclMemAlloc, ncclCommRegister

// The tensor owns the memory, and waits for the device before it is freed: unlike the caching allocator's it is unmapped at once.
at::Tensor tensor_in(std::shared_ptr<void> memory, std::int64_t count, const at::TensorOptions& options) {
  const c10::Device device = options.device();
  void* const data = memory.get();
  const auto free = [owner = std::move(memory), device](void*) mutable {
    try {
      c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
    } catch (const std::exception&) {
      // A device in error does nothing more with it.
    }
    owner.reset();
  };
  return at::from_blob(data, {count}, free, options, device).zero_();
}

}  // namespace

GradientMemory::GradientMemory(const device::DeviceChoice& device, comm::SumOrder order, comm::HostCommunicator& host)
    : host_(host), wanted_(device.backend == "nccl" && order == comm::SumOrder::fast && comm::nccl_version_code() >= kRegisters) {}

at::Tensor GradientMemory::zeros(std::int64_t count, const at::TensorOptions& options) {
  if (wanted_) {
    std::shared_ptr<void> memory = comm::make_nccl_memory(static_cast<std::size_t>(count) * options.dtype().itemsize());
    if (everybody(memory != nullptr)) {
      at::Tensor tensor = tensor_in(std::move(memory), count, options);
      memory_ = parallel::buffer_of(tensor);
      return tensor;
    }
  }
  return at::zeros({count}, options);
}

void GradientMemory::register_with(comm::NcclCommunicator& comm) {
  const bool registered = memory_.count > 0 && everybody(comm.register_memory(memory_));
  if (memory_.count > 0 && !registered) comm.deregister_memory();
  log::info(registered ? "gradients lie in memory that is registered with NCCL, which may sum there in place" : "gradients lie in ordinary device memory, which NCCL copies from and to");
}

bool GradientMemory::everybody(bool mine) {
  std::int64_t count = mine;
  host_.all_reduce_sum({&count, 1, comm::DataType::int64});
  return count == host_.size();
}

}  // namespace vae_dist::step
