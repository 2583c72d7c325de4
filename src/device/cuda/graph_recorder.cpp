// Recorded work as CUDA graphs, through torch's own: its allocator gives a capture memory that is
// nobody else's for as long as the graph lives.
//
// NCCL in a capture. A polled (non-blocking) communicator runs each call in a thread of NCCL's:
// that thread, not the caller's, adds the kernel to the capturing stream, and asks CUDA for what a
// thread with a capture of its own must not. Hence
//   - cudaStreamCaptureModeThreadLocal: the default mode forbids such calls to every thread of the
//   process, NCCL's, the loader's (pinned memory) and the autograd engine's among them;
//   - an event is recorded behind a call only when ncclCommGetAsyncError has said ncclSuccess
//   (NcclCommunicator sees to that, here as outside): before, the kernel is not in the
//     graph, and what waits for the event would not wait for it.
// NCCL counts the graphs that hold its kernels, and ends a communicator when the last is gone:
// ncclCommDestroy and ncclCommAbort wait for that for ever. So recorded work is destroyed before
// the communicator (members of Learner, in this order). A process that ends on a failure cannot:
// another thread may be launching the graph. It aborts all the same: NCCL tells its kernels to give
// up first and waits afterwards, for the 3 s that abort_nccl_communicators() gives it.
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
    // What eager steps have freed is of no use to the graph, whose memory is its own.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    auto graph =
        std::make_unique<at::cuda::CUDAGraph>(/*keep_graph=*/true);  // kept: nodes are looked at
    try {
      graph->capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
      work();
      graph->capture_end();
    } catch (...) {
      give_up(*graph);
      throw;
    }
    return std::make_unique<CudaGraphWork>(std::move(graph), clock_);
  }

  WaitClock* wait_clock() override { return &clock_; }

 private:
  // torch ends a capture in one way only, which fails where the capture has. What it leaves open
  // then is closed here: allocations go to the capture's pool no more, and the pool counts one
  // graph less. What is recorded later has another: torch's allocator for the host takes no pool
  // that no graph holds. (Its generator goes on believing in the capture; nothing here asks it for
  // numbers.)
  void give_up(at::cuda::CUDAGraph& graph) {
    const auto done = [](auto&& call) {
      try {
        call();
        return true;
      } catch (const std::exception&) {
        static_cast<void>(cudaGetLastError());  // else the next kernel would be blamed
        return false;
      }
    };
    const c10::MempoolId_t pool = std::exchange(pool_, at::cuda::graph_pool_handle());
    if (done([&] { graph.capture_end(); })) return;
    const auto device = device_.index();
    done([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device, pool); });
    done([&] { c10::cuda::CUDACachingAllocator::releasePool(device, pool); });
    at::HostAllocator* const host = at::getHostAllocator(at::kCUDA);
    done([&] { host->end_allocate_to_pool(pool); });
    done([&] { host->release_pool(pool); });
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
