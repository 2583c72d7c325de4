#include "step/exchanges.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace vae_dist {

Exchanges make_exchanges(const DeviceChoice& device, Communicator& host, SumOrder order, const NcclDeadlines& deadlines, GradientMemory& memory, CollectiveLog& log) {
  const ExchangeLog gradients{log, "gradients"}, statistics{log, "batch norm"};
  Exchanges out;
  if (host.size() == 1) return out;
  if (device.device.is_cuda()) {
    // High priority: a bucket that is ready should not wait behind the kernels of backward.
    const c10::Stream stream = c10::impl::VirtualGuardImpl(c10::kCUDA).getStreamFromGlobalPool(device.device, /*isHighPriority=*/true);
    void* const native = stream.native_handle();
    std::unique_ptr<NcclCommunicator> gradient_comm = make_nccl_communicator(host, native, deadlines);
    memory.register_with(*gradient_comm);
    out.gradient_comm = std::move(gradient_comm);
    out.statistics_comm = make_nccl_communicator(host, native, deadlines);
    out.gradients = make_device_exchange(*out.gradient_comm, order, stream, gradients);
    out.statistics = make_device_exchange(*out.statistics_comm, order, stream, statistics);
  } else {
    out.gradient_comm = host.duplicate();
    out.statistics_comm = host.duplicate();
    out.gradients = make_host_exchange(*out.gradient_comm, order, gradients);
    out.statistics = make_host_exchange(*out.statistics_comm, order, statistics);
  }
  return out;
}

}  // namespace vae_dist
