// Records work as CUDA graphs through torch's own class, whose allocator gives a capture memory
// that nothing else uses as long as the graph lives.
//
// NCCL during a capture: a polled (non-blocking) communicator runs each call in a thread of NCCL.
// That thread, not the caller's, adds the kernel to the capturing stream and makes CUDA calls that
// a thread with its own capture must not make. Therefore:
// - The mode is cudaStreamCaptureModeThreadLocal. The default mode forbids such calls to every
//   thread of the process, including those of NCCL, the loader (pinned memory) and autograd.
// - An event is recorded after a call only when ncclCommGetAsyncError has returned ncclSuccess
//   (NcclCommunicator ensures this, here as outside a capture). Before that, the kernel is not in
//   the graph, and work that waits for the event would not wait for the kernel.
//
// NCCL counts the graphs that hold its kernels and ends a communicator only when the last one is
// gone: until then ncclCommDestroy and ncclCommAbort block forever. Recorded work is therefore
// destroyed before the communicator (by the order of Learner's members). A process that ends on a
// failure cannot do this, because another thread may be launching the graph. It aborts anyway: NCCL
// first tells its kernels to give up and then waits, for the 3 s that abort_nccl_communicators()
// allows.
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <utility>

#include "device/cuda/wait_clock.hpp"
#include "device/work_recorder.hpp"

namespace vae_dist::device {
namespace {

class CudaGraphWork final : public RecordedWork {
 public:
  CudaGraphWork(std::unique_ptr<at::cuda::CUDAGraph> graph, CudaWaitClock& clock)
      : graph_(std::move(graph)), clock_(clock), waits_(clock.nodes_in(graph_->raw_cuda_graph())) {
    graph_->instantiate();
  }

  void launch() override {
    if (waits_) clock_.before_launch(*waits_, graph_->raw_cuda_graph_exec());
    graph_->replay();
  }

 private:
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
  CudaWaitClock& clock_;
  std::optional<CudaWaitClock::Nodes> waits_;
};

class CudaGraphRecorder final : public WorkRecorder {
 public:
  explicit CudaGraphRecorder(c10::Device device) : device_(device) {}

  std::unique_ptr<RecordedWork> record(const std::function<void()>& work) override {
    // The graph has its own memory and cannot use what eager steps have freed.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    auto graph =
        std::make_unique<at::cuda::CUDAGraph>(/*keep_graph=*/true);  // nodes are read later
    try {
      graph->capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
      work();
      graph->capture_end();
    } catch (...) {
      clean_up_failed_capture(*graph);
      throw;
    }
    return std::make_unique<CudaGraphWork>(std::move(graph), clock_);
  }

  WaitClock* wait_clock() override { return &clock_; }

 private:
  // Cleans up after a failed capture. torch has only one way to end a capture, and it fails if the
  // capture has failed. This function closes what torch then leaves open: allocations no longer go
  // to the capture's pool, and the pool counts one graph less. Later recordings use a new pool,
  // because torch's host allocator rejects a pool that no graph holds. (torch's random generator
  // still believes that the capture is running; nothing here draws numbers from it.)
  void clean_up_failed_capture(at::cuda::CUDAGraph& graph) {
    const auto done = [](auto&& call) {
      try {
        call();
        return true;
      } catch (const std::exception&) {
        static_cast<void>(cudaGetLastError());  // otherwise the next kernel would report it
        return false;
      }
    };
    const c10::MempoolId_t pool = std::exchange(pool_, at::cuda::graph_pool_handle());
    if (done([&] { graph.capture_end(); })) return;
    const auto device = device_.index();
    done([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device, pool); });
    done([&] { c10::cuda::CUDACachingAllocator::releasePool(device, pool); });
    at::HostAllocator* const host_allocator = at::getHostAllocator(at::kCUDA);
    done([&] { host_allocator->end_allocate_to_pool(pool); });
    done([&] { host_allocator->release_pool(pool); });
  }

  const c10::Device device_;
  CudaWaitClock clock_;
  c10::MempoolId_t pool_ = at::cuda::graph_pool_handle();
};

}  // namespace

std::unique_ptr<WorkRecorder> make_graph_recorder(c10::Device device) {
  return std::make_unique<CudaGraphRecorder>(device);
}

}  // namespace vae_dist::device
