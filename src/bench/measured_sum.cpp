#include "bench/measured_sum.hpp"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "base/clock.hpp"
#include "bench/over_ranks.hpp"
#include "bench/synchronize.hpp"
#include "comm/host_all_reduce.hpp"

namespace vae_dist {

MeasuredSum::MeasuredSum(Communicator& ranks, c10::Device device) : ranks_(ranks), device_(device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  nccl_ = make_nccl_communicator(ranks, stream_->native_handle());
}

std::vector<double> MeasuredSum::turns(std::int64_t bytes, int count) {
  at::Tensor values = at::ones({bytes / static_cast<std::int64_t>(sizeof(float))}, at::TensorOptions().device(device_));
  const Buffer buffer{values.data_ptr(), values.numel(), DataType::float32};
  std::vector<double> seconds;
  for (int turn = 0; turn <= count; ++turn) {
    values.fill_(1.0);
    synchronize(device_);
    ranks_.barrier();
    const Stopwatch watch;
    if (nccl_) {
      nccl_->all_reduce_sum(buffer);
      synchronize(device_);
    } else {
      all_reduce_on_host(ranks_, buffer, SumOrder::fast, Wire::exact, scratch_);
    }
    if (turn > 0) seconds.push_back(watch.elapsed().count());  // the first one connects ranks and has cold buffers
  }
  return over_ranks(ranks_, seconds).most;
}

}  // namespace vae_dist
