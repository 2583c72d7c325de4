// A communicator for host buffers on top of one for device memory: it copies buffers to the GPU
// before each collective and back after it. The checks of tests/comm/collective_checks.hpp, which
// use host memory, can thus test NCCL too.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>

#include "comm/communicator.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist {

class StagedCommunicator final : public comm::Communicator {
 public:
  /// `stream` is the stream of `device_comm`; both outlive this.
  StagedCommunicator(comm::Communicator& device_comm, c10::Stream stream)
      : comm_(device_comm), stream_(stream) {}

  int rank() const override { return comm_.rank(); }
  int size() const override { return comm_.size(); }
  const char* name() const override { return comm_.name(); }

  void broadcast(comm::Buffer buffer, int root) override {
    in_place(buffer, [&](comm::Buffer staged) { comm_.broadcast(staged, root); });
  }

  void all_reduce_sum(comm::Buffer buffer) override {
    in_place(buffer, [&](comm::Buffer staged) { comm_.all_reduce_sum(staged); });
  }

  void all_gather(comm::Buffer in, comm::Buffer out) override {
    const c10::StreamGuard on_stream(stream_);
    const at::Tensor staged_in = staged(in);
    at::Tensor staged_out = staged(out);
    comm_.all_gather(parallel::buffer_of(staged_in), parallel::buffer_of(staged_out));
    on_host(out).copy_(staged_out);
  }

  void exchange(int peer, comm::Buffer send, comm::Buffer receive) override {
    const c10::StreamGuard on_stream(stream_);
    const at::Tensor staged_send = staged(send);
    at::Tensor staged_receive = staged(receive);
    comm_.exchange(peer, parallel::buffer_of(staged_send), parallel::buffer_of(staged_receive));
    on_host(receive).copy_(staged_receive);
  }

  void barrier() override { comm_.barrier(); }
  void abort() noexcept override { comm_.abort(); }

 private:
  static at::ScalarType scalar_type(comm::DataType type) {
    switch (type) {
      case comm::DataType::uint8:
        return at::kByte;
      case comm::DataType::bfloat16:
        return at::kBFloat16;
      case comm::DataType::int64:
        return at::kLong;
      case comm::DataType::float32:
        return at::kFloat;
      case comm::DataType::float64:
        return at::kDouble;
    }
    return at::kByte;
  }

  static at::Tensor on_host(const comm::Buffer& buffer) {
    return at::from_blob(buffer.data, {buffer.count}, scalar_type(buffer.type));
  }
  at::Tensor staged(const comm::Buffer& buffer) const {
    return on_host(buffer).to(stream_.device());
  }

  template <typename Collective>
  void in_place(comm::Buffer buffer, Collective collective) {
    const c10::StreamGuard on_stream(stream_);
    at::Tensor copy = staged(buffer);
    collective(parallel::buffer_of(copy));
    on_host(buffer).copy_(copy);
  }

  comm::Communicator& comm_;
  const c10::Stream stream_;
};

}  // namespace vae_dist
