#include "bench/measured_sum.hpp"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "base/clock.hpp"
#include "bench/over_ranks.hpp"
#include "comm/cpu_all_reduce.hpp"
#include "device/synchronize.hpp"

namespace vae_dist::bench {

MeasuredSum::MeasuredSum(comm::CpuCommunicator& ranks, c10::Device device)
    : ranks_(ranks), device_(device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  nccl_ = comm::make_nccl_communicator(ranks, stream_->native_handle());
}

std::vector<double> MeasuredSum::turns(std::int64_t bytes, int count) {
  at::Tensor values = at::ones({bytes / static_cast<std::int64_t>(sizeof(float))},
                               at::TensorOptions().device(device_));
  const comm::Buffer buffer{values.data_ptr(), values.numel(), comm::DataType::float32};
  std::vector<double> seconds;
  for (int turn = 0; turn <= count; ++turn) {
    values.fill_(1.0);
    device::synchronize(device_);
    ranks_.barrier();
    const base::Stopwatch watch;
    if (nccl_) {
      nccl_->all_reduce_sum(buffer);
      device::synchronize(device_);
    } else {
      comm::all_reduce_on_cpu(ranks_, buffer, comm::SumOrder::fast, comm::Wire::exact, scratch_);
    }
    if (turn > 0)
      seconds.push_back(
          watch.elapsed().count());  // the first turn connects ranks and has cold buffers
  }
  return over_ranks(ranks_, seconds).most;
}

double MeasuredSum::exchange_seconds(std::optional<int> peer, std::int64_t bytes, int count) {
  const at::TensorOptions options = at::TensorOptions().device(device_);
  const at::Tensor out = at::ones({bytes / static_cast<std::int64_t>(sizeof(float))}, options),
                   in = at::zeros_like(out);
  std::vector<double> turns;
  for (int turn = 0; turn <= count; ++turn) {
    device::synchronize(device_);
    ranks_.barrier();
    if (!peer) continue;
    const base::Stopwatch watch;
    comm::Communicator& way = nccl_ ? static_cast<comm::Communicator&>(*nccl_) : ranks_;
    way.exchange(*peer, {out.data_ptr(), out.numel(), comm::DataType::float32},
                 {in.data_ptr(), in.numel(), comm::DataType::float32});
    device::synchronize(device_);
    if (turn > 0) turns.push_back(watch.elapsed().count());
  }
  return peer ? median(turns) : 0;
}

}  // namespace vae_dist::bench
