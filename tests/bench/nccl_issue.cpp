// Measures what it costs the host to queue a collective, with a polled NCCL communicator and with a
// blocking one, in turns, in one run:
//   mpirun -np 2 build/tests/bench/bench_nccl_issue
// Prints the median microseconds until a call returns (its kernel is in the stream then), and until
// the device has completed it. With one GPU, the ranks share it and communicate through sockets;
// then only the first of the two figures is meaningful for other machines.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include "../gpu/shared_gpu.hpp"
#include "base/clock.hpp"
#include "comm/nccl_communicator.hpp"
#include "parallel/tensor_buffer.hpp"

namespace {

using namespace vae_dist;

constexpr int kTurns = 51;

double median_us(std::vector<double> seconds) {
  std::nth_element(seconds.begin(),
                   seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2),
                   seconds.end());
  return 1e6 * seconds[seconds.size() / 2];
}

struct Cost {
  std::vector<double> issue, whole;
};

void measure(comm::NcclCommunicator& comm, const c10::Stream& stream,
             const std::function<void(comm::NcclCommunicator&)>& call, Cost& cost) {
  comm.barrier();
  const base::Stopwatch watch;
  call(comm);
  cost.issue.push_back(watch.elapsed().count());
  stream.synchronize();
  cost.whole.push_back(watch.elapsed().count());
}

}  // namespace

int main(int argc, char** argv) {
  if (lacks_a_gpu("bench_nccl_issue")) return kNotRun;
  comm::MpiWorld world(argc, argv);
  const device::DeviceChoice device = take_shared_gpu(world);
  const c10::Stream stream = communication_stream(device);
  const auto host = world.make_communicator();
  const auto polled =
      comm::make_nccl_communicator(*host, native_stream(stream), {}, comm::NcclCalls::polled);
  const auto blocking =
      comm::make_nccl_communicator(*host, native_stream(stream), {}, comm::NcclCalls::blocking);
  const int peer = world.rank() ^ 1;

  if (world.rank() == 0) {
    std::printf("NCCL %s, %d ranks, %s, medians of %d\n", comm::nccl_version().c_str(),
                world.size(), run::describe_device(device).c_str(), kTurns);
    std::printf("%24s %12s %12s %14s %14s\n", "", "polled us", "blocking us", "polled done",
                "blocking done");
  }
  for (const int kib : {4, 1024, 25 * 1024}) {
    at::Tensor values = at::zeros({std::int64_t{kib} * 256},
                                  at::TensorOptions(device.device).dtype(at::kFloat)),
               received = at::zeros_like(values);
    const std::vector<std::pair<const char*, std::function<void(comm::NcclCommunicator&)>>> calls =
        {{"all-reduce",
          [&](comm::NcclCommunicator& comm) { comm.all_reduce_sum(parallel::buffer_of(values)); }},
         {"send and receive", [&](comm::NcclCommunicator& comm) {
            if (peer < world.size())
              comm.exchange(peer, parallel::buffer_of(values), parallel::buffer_of(received));
          }}};
    for (const auto& [name, call] : calls) {
      for (comm::NcclCommunicator* comm : {polled.get(), blocking.get()}) {
        Cost connecting;
        measure(*comm, stream, call, connecting);
      }
      Cost of_polled, of_blocking;
      for (int turn = 0; turn < kTurns; ++turn) {
        measure(*polled, stream, call, of_polled);
        measure(*blocking, stream, call, of_blocking);
      }
      if (world.rank() == 0)
        std::printf("%9d KiB %10.16s %12.1f %12.1f %14.1f %14.1f\n", kib, name,
                    median_us(of_polled.issue), median_us(of_blocking.issue),
                    median_us(of_polled.whole), median_us(of_blocking.whole));
    }
  }
}
