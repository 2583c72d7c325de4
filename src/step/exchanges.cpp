#include "step/exchanges.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace vae_dist::step {

Exchanges make_exchanges(const device::DeviceChoice& device, comm::HostCommunicator& host, comm::SumOrder order, const comm::NcclDeadlines& deadlines, GradientMemory& memory, comm::CollectiveLog& log) {
  const parallel::ExchangeLog gradients{log, "gradients"}, statistics{log, "batch norm"};
  Exchanges out;
  if (host.size() == 1) return out;
  if (device.device.is_cuda()) {
    // High priority: a bucket that is ready should not wait behind the kernels of backward.
    const c10::Stream stream = c10::impl::VirtualGuardImpl(c10::kCUDA).getStreamFromGlobalPool(device.device, /*isHighPriority=*/true);
    void* const native = stream.native_handle();
    std::unique_ptr<comm::NcclCommunicator> gradient_comm = comm::make_nccl_communicator(host, native, deadlines);
    memory.register_with(*gradient_comm);
    std::unique_ptr<comm::NcclCommunicator> statistics_comm = comm::make_nccl_communicator(host, native, deadlines);
    out.gradients = parallel::make_device_exchange(*gradient_comm, order, stream, gradients);
    out.statistics = parallel::make_device_exchange(*statistics_comm, order, stream, statistics);
    out.gradient_comm = std::move(gradient_comm);
    out.statistics_comm = std::move(statistics_comm);
  } else {
    std::unique_ptr<comm::HostCommunicator> gradient_comm = host.duplicate(), statistics_comm = host.duplicate();
    out.gradients = parallel::make_host_exchange(*gradient_comm, order, gradients);
    out.statistics = parallel::make_host_exchange(*statistics_comm, order, statistics);
    out.gradient_comm = std::move(gradient_comm);
    out.statistics_comm = std::move(statistics_comm);
  }
  return out;
}

}  // namespace vae_dist::step
