#include "step/exchanges.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace vae_dist::step {

Exchanges make_exchanges(const device::DeviceChoice& device, comm::Communicator& host, comm::SumOrder order, const comm::NcclDeadlines& deadlines, GradientMemory& memory, comm::CollectiveLog& log) {
  const parallel::ExchangeLog gradients{log, "gradients"}, statistics{log, "batch norm"};
  Exchanges out;
  if (host.size() == 1) return out;
  if (device.device.is_cuda()) {
    // High priority: a bucket that is ready should not wait behind the kernels of backward.
    const c10::Stream stream = c10::impl::VirtualGuardImpl(c10::kCUDA).getStreamFromGlobalPool(device.device, /*isHighPriority=*/true);
    void* const native = stream.native_handle();
    std::unique_ptr<comm::NcclCommunicator> gradient_comm = comm::make_nccl_communicator(host, native, deadlines);
    memory.register_with(*gradient_comm);
    out.gradient_comm = std::move(gradient_comm);
    out.statistics_comm = comm::make_nccl_communicator(host, native, deadlines);
    out.gradients = parallel::make_device_exchange(*out.gradient_comm, order, stream, gradients);
    out.statistics = parallel::make_device_exchange(*out.statistics_comm, order, stream, statistics);
  } else {
    out.gradient_comm = host.duplicate();
    out.statistics_comm = host.duplicate();
    out.gradients = parallel::make_host_exchange(*out.gradient_comm, order, gradients);
    out.statistics = parallel::make_host_exchange(*out.statistics_comm, order, statistics);
  }
  return out;
}

}  // namespace vae_dist::step
