#include "step/exchanges.hpp"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <exception>

#include "base/attempt.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/agreement.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist::step {

Exchanges make_exchanges(const device::DeviceChoice& device, comm::CpuCommunicator& all_ranks,
                         const ExchangeOptions& options, GradientMemory& memory,
                         comm::CollectiveLog& log) {
  const parallel::ExchangeLog gradients{log, "gradients"}, statistics{log, "batch norm"},
      whole_batch{log, "objective"}, critics{log, "critic"};
  Exchanges out;
  if (all_ranks.size() == 1) return out;
  if (device.device.is_cuda()) {
    // High priority, so that a ready bucket does not wait for the kernels of backward.
    const c10::Stream stream = c10::impl::VirtualGuardImpl(c10::kCUDA)
                                   .getStreamFromGlobalPool(device.device, /*isHighPriority=*/true);
    void* const native = stream.native_handle();
    auto gradient_comm = comm::make_nccl_communicator(all_ranks, native, options.deadlines);
    memory.register_with(*gradient_comm);
    out.gradients =
        parallel::make_device_exchange(*gradient_comm, options.order, stream, gradients);
    out.gradient_comm = std::move(gradient_comm);
    const auto add = [&](const parallel::ExchangeLog& its_log, auto& comm, auto& exchange) {
      auto made = comm::make_nccl_communicator(all_ranks, native, options.deadlines);
      exchange = parallel::make_device_exchange(*made, options.order, stream, its_log);
      comm = std::move(made);
    };
    if (options.statistics) add(statistics, out.statistics_comm, out.statistics);
    if (options.whole_batch) add(whole_batch, out.whole_batch_comm, out.whole_batch);
    for (std::int64_t i = 0; i < options.critics; ++i)
      add(critics, out.critic_comms.emplace_back(), out.critics.emplace_back());
  } else {
    const auto add = [&](const parallel::ExchangeLog& its_log, auto& comm, auto& exchange,
                         std::shared_ptr<comm::NodeSum> node_sum = nullptr) {
      auto made = all_ranks.duplicate();
      exchange = parallel::make_cpu_exchange(*made, options.order, its_log, std::move(node_sum));
      comm = std::move(made);
    };
    add(gradients, out.gradient_comm, out.gradients, memory.node_sum());
    if (options.statistics) add(statistics, out.statistics_comm, out.statistics);
    if (options.whole_batch) add(whole_batch, out.whole_batch_comm, out.whole_batch);
    for (std::int64_t i = 0; i < options.critics; ++i)
      add(critics, out.critic_comms.emplace_back(), out.critics.emplace_back());
  }
  return out;
}

namespace {

constexpr int kRegisters = 21900;  // NCCL 2.19 added ncclMemAlloc and ncclCommRegister

// Makes a tensor that owns the memory. The memory is unmapped as soon as it is freed, unlike the
// caching allocator's, so the deleter waits for the device first.
at::Tensor tensor_in(std::shared_ptr<void> memory, std::int64_t count,
                     const at::TensorOptions& options) {
  const c10::Device device = options.device();
  void* const data = memory.get();
  const auto free = [owner = std::move(memory), device](void*) mutable {
    // A device in an error state no longer uses the memory.
    base::attempt(
        [&] { c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index()); });
    owner.reset();
  };
  return at::from_blob(data, {count}, free, options, device).zero_();
}

}  // namespace

GradientMemory::GradientMemory(const device::DeviceChoice& device, comm::SumOrder order,
                               comm::CpuCommunicator& all_ranks)
    : all_ranks_(all_ranks),
      wanted_(device.backend == device::Backend::nccl && order == comm::SumOrder::fast &&
              comm::nccl_version_code() >= kRegisters),
      shared_(device.backend != device::Backend::nccl && device.device.is_cpu() &&
              all_ranks.size() > 1 && all_ranks.on_one_node()) {}

at::Tensor GradientMemory::zeros(std::int64_t count, const at::TensorOptions& options) {
  if (wanted_) {
    std::shared_ptr<void> memory =
        comm::make_nccl_memory(static_cast<std::size_t>(count) * options.dtype().itemsize());
    if (everybody(memory != nullptr)) {
      at::Tensor tensor = tensor_in(std::move(memory), count, options);
      memory_ = parallel::buffer_of(tensor);
      return tensor;
    }
  }
  if (shared_) {
    try {
      node_sum_ = std::make_shared<comm::NodeSum>(
          all_ranks_, static_cast<std::size_t>(count) * options.dtype().itemsize());
      return at::from_blob(
                 node_sum_->data(), {count}, [owner = node_sum_](void*) {}, options)
          .zero_();
    } catch (const comm::AgreedError& error) {  // on all ranks
      log::info(base::text("gradients are summed by messages: ", error.what()));
    }
  }
  return at::zeros({count}, options);
}

void GradientMemory::register_with(comm::NcclCommunicator& comm) {
  const bool registered = memory_.count > 0 && everybody(comm.register_memory(memory_));
  if (memory_.count > 0 && !registered) comm.deregister_memory();
  log::info(
      registered
          ? "gradients are in memory registered with NCCL, which can sum them in place"
          : "gradients are in ordinary device memory, so NCCL copies them to its own buffers");
}

bool GradientMemory::everybody(bool mine) {
  std::int64_t count = mine;
  all_ranks_.all_reduce_sum({&count, 1, comm::DataType::int64});
  return count == all_ranks_.size();
}

}  // namespace vae_dist::step
