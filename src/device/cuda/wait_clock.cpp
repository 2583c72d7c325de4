#include "device/cuda/wait_clock.hpp"

#include <c10/cuda/CUDAStream.h>

#include "base/error.hpp"

namespace vae_dist::device {
namespace {

bool is_capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check_cuda(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
  return status == cudaStreamCaptureStatusActive;
}

void record(cudaEvent_t captured, cudaEvent_t event) {
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  // "External" makes the event a node of the graph, which each launch records. Without it, the
  // event would only order the captured work.
  if (is_capturing(stream))
    return check_cuda(cudaEventRecordWithFlags(captured, stream, cudaEventRecordExternal),
                      "cudaEventRecordWithFlags");
  check_cuda(cudaEventRecord(event, stream), "cudaEventRecord");
}

}  // namespace

void check_cuda(cudaError_t result, const char* call) {
  if (result == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // so that the next CUDA call does not report it
  throw base::Failure(base::text(call, " failed: ", cudaGetErrorString(result)));
}

CudaWaitClock::CudaWaitClock() {
  const auto create = [](Pair& pair) {
    check_cuda(cudaEventCreate(&pair.begin), "cudaEventCreate");
    check_cuda(cudaEventCreate(&pair.end), "cudaEventCreate");
  };
  for (Pair& pair : pairs_) create(pair);
  create(captured_);
}

CudaWaitClock::~CudaWaitClock() {
  const auto destroy = [](const Pair& pair) {
    cudaEventDestroy(pair.begin);
    cudaEventDestroy(pair.end);
  };
  for (const Pair& pair : pairs_) destroy(pair);
  destroy(captured_);
}

CudaWaitClock::Pair& CudaWaitClock::next_pair() {
  current_ = (current_ + 1) % kPairs;
  pairs_[current_].used = true;
  return pairs_[current_];
}

void CudaWaitClock::begin() { record(captured_.begin, pairs_[(current_ + 1) % kPairs].begin); }

void CudaWaitClock::end() {
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  record(captured_.end, pairs_[(current_ + 1) % kPairs].end);
  if (!is_capturing(stream)) next_pair();
}

// Reads the oldest pair: a newer pair may belong to an unfinished launch, with one event from that
// launch and the other from an earlier one.
base::Seconds CudaWaitClock::latest() {
  const Pair& oldest = pairs_[(current_ + 1) % kPairs];
  if (!oldest.used) return latest_;
  const cudaError_t state = cudaEventQuery(oldest.end);
  if (state == cudaErrorNotReady) {
    static_cast<void>(cudaGetLastError());  // not an error, but torch would report it as one
    return latest_;
  }
  check_cuda(state, "cudaEventQuery");
  float milliseconds = 0;
  check_cuda(cudaEventElapsedTime(&milliseconds, oldest.begin, oldest.end), "cudaEventElapsedTime");
  return latest_ = base::Seconds(1e-3 * milliseconds);
}

std::optional<CudaWaitClock::Nodes> CudaWaitClock::nodes_in(cudaGraph_t graph) const {
  std::size_t count = 0;
  check_cuda(cudaGraphGetNodes(graph, nullptr, &count), "cudaGraphGetNodes");
  std::vector<cudaGraphNode_t> nodes(count);
  check_cuda(cudaGraphGetNodes(graph, nodes.data(), &count), "cudaGraphGetNodes");
  Nodes out;
  for (const cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type = cudaGraphNodeTypeEmpty;
    check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
    if (type != cudaGraphNodeTypeEventRecord) continue;
    cudaEvent_t event = nullptr;
    check_cuda(cudaGraphEventRecordNodeGetEvent(node, &event), "cudaGraphEventRecordNodeGetEvent");
    if (event == captured_.begin) out.begin = node;
    if (event == captured_.end) out.end = node;
  }
  if (!out.begin || !out.end) return std::nullopt;
  return out;
}

void CudaWaitClock::before_launch(const Nodes& nodes, cudaGraphExec_t graph) {
  const Pair& pair = next_pair();
  check_cuda(cudaGraphExecEventRecordNodeSetEvent(graph, nodes.begin, pair.begin),
             "cudaGraphExecEventRecordNodeSetEvent");
  check_cuda(cudaGraphExecEventRecordNodeSetEvent(graph, nodes.end, pair.end),
             "cudaGraphExecEventRecordNodeSetEvent");
}

}  // namespace vae_dist::device
