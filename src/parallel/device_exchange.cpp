#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <vector>

#include "comm/tree_all_reduce.hpp"
#include "parallel/bucket_exchange.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist::parallel {
namespace {

class DeviceExchange final : public BucketExchange {
 public:
  DeviceExchange(comm::NcclCommunicator& comm, comm::SumOrder order, c10::Stream stream,
                 const ExchangeLog& log)
      : comm_(comm),
        order_(order),
        stream_(stream),
        log_(log),
        ready_(stream.device_type()),
        done_(stream.device_type()) {}

  void start(const at::Tensor& bucket, comm::Wire wire, const std::string& what) override {
    comm::check_wire(buffer_of(bucket).type, order_, wire);
    running_.push_back(log_.log.begin(log_.label + ": " + what, bucket.nbytes()));
    // The kernels that write the bucket are queued on the current stream.
    ready_.record(current_stream());
    ready_.block(stream_);
    const c10::StreamGuard on_stream(stream_);
    if (marks_) marks_->pass();
    sum(bucket, wire);
    if (marks_) marks_->pass();
  }

  void finish() override {
    done_.record(stream_);
    done_.block(current_stream());
    running_.clear();
  }

  void leave_marks(device::ProgressMarks* marks) override { marks_ = marks; }

 private:
  void sum(const at::Tensor& bucket, comm::Wire wire) {
    if (wire == comm::Wire::bf16) return sum_rounded(bucket);
    if (order_ == comm::SumOrder::fast) return comm_.all_reduce_sum(buffer_of(bucket));
    if (!scratch_.defined() || scratch_.numel() * 2 < bucket.numel() + 1)
      scratch_ = at::empty({(bucket.numel() + 1) / 2}, bucket.options());
    comm::tree_all_reduce_sum(comm_, buffer_of(bucket), buffer_of(scratch_),
                              [&](comm::Buffer into, comm::Buffer from) {
                                // The device is given explicitly: querying CUDA for the memory's
                                // device may not be allowed during a capture.
                                const auto tensor_in = [&](comm::Buffer b) {
                                  return at::for_blob(b.data, {b.count})
                                      .options(bucket.options())
                                      .target_device(bucket.device())
                                      .make_tensor();
                                };
                                tensor_in(into).add_(tensor_in(from));
                              });
  }

  // All buckets share one buffer, because the stream handles them one after the other.
  void sum_rounded(const at::Tensor& bucket) {
    if (!rounded_.defined() || rounded_.numel() < bucket.numel())
      rounded_ = at::empty({bucket.numel()}, bucket.options().dtype(at::kBFloat16));
    const at::Tensor part = rounded_.slice(0, 0, bucket.numel());
    part.copy_(bucket);
    comm_.all_reduce_sum(buffer_of(part));
    bucket.copy_(part);
  }

  c10::Stream current_stream() const {
    return c10::impl::VirtualGuardImpl(stream_.device_type()).getStream(stream_.device());
  }

  comm::NcclCommunicator& comm_;
  const comm::SumOrder order_;
  const c10::Stream stream_;
  const ExchangeLog log_;
  c10::Event ready_, done_;
  at::Tensor scratch_, rounded_;
  std::vector<comm::CollectiveLog::Running> running_;
  device::ProgressMarks* marks_ = nullptr;
};

}  // namespace

std::unique_ptr<BucketExchange> make_device_exchange(comm::NcclCommunicator& comm,
                                                     comm::SumOrder order, c10::Stream stream,
                                                     const ExchangeLog& log) {
  return std::make_unique<DeviceExchange>(comm, order, stream, log);
}

}  // namespace vae_dist::parallel
