#include "device/cuda/wait_clock.hpp"

#include <c10/cuda/CUDAStream.h>

namespace vae_dist::device {

bool CudaWaitClock::is_fine(cudaError_t result) {
  if (result == cudaSuccess) return true;
  static_cast<void>(cudaGetLastError());  // so that the next call of the step does not report it
  has_failed_ = true;
  return false;
}

bool CudaWaitClock::is_capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  return is_fine(cudaStreamIsCapturing(stream, &status)) && status == cudaStreamCaptureStatusActive;
}

void CudaWaitClock::record(cudaEvent_t captured, cudaEvent_t event) {
  if (has_failed_) return;
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  // "External" makes the event a node of the graph, which each launch records. Without it, the
  // event would only order the captured work.
  const bool captures = is_capturing(stream);
  if (has_failed_) return;
  is_fine(captures ? cudaEventRecordWithFlags(captured, stream, cudaEventRecordExternal)
                   : cudaEventRecord(event, stream));
}

CudaWaitClock::CudaWaitClock() {
  const auto create = [this](Pair& pair) {
    is_fine(cudaEventCreate(&pair.begin));
    is_fine(cudaEventCreate(&pair.end));
  };
  for (Pair& pair : pairs_) create(pair);
  create(captured_);
}

CudaWaitClock::~CudaWaitClock() {
  const auto destroy = [](const Pair& pair) {
    if (pair.begin) cudaEventDestroy(pair.begin);
    if (pair.end) cudaEventDestroy(pair.end);
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
  if (!has_failed_ && !is_capturing(stream)) next_pair();
}

// Reads the oldest pair: a newer pair may belong to an unfinished launch, with one event from that
// launch and the other from an earlier one.
base::Seconds CudaWaitClock::latest() {
  const Pair& oldest = pairs_[(current_ + 1) % kPairs];
  if (has_failed_ || !oldest.used) return latest_;
  const cudaError_t state = cudaEventQuery(oldest.end);
  if (state == cudaErrorNotReady) {
    static_cast<void>(cudaGetLastError());  // not an error, but torch would report it as one
    return latest_;
  }
  float milliseconds = 0;
  if (is_fine(state) && is_fine(cudaEventElapsedTime(&milliseconds, oldest.begin, oldest.end)))
    latest_ = base::Seconds(1e-3 * milliseconds);
  return latest_;
}

std::optional<CudaWaitClock::Nodes> CudaWaitClock::nodes_in(cudaGraph_t graph) {
  std::size_t count = 0;
  if (has_failed_ || !is_fine(cudaGraphGetNodes(graph, nullptr, &count))) return std::nullopt;
  std::vector<cudaGraphNode_t> nodes(count);
  if (!is_fine(cudaGraphGetNodes(graph, nodes.data(), &count))) return std::nullopt;
  Nodes out;
  for (const cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type = cudaGraphNodeTypeEmpty;
    if (!is_fine(cudaGraphNodeGetType(node, &type))) return std::nullopt;
    if (type != cudaGraphNodeTypeEventRecord) continue;
    cudaEvent_t event = nullptr;
    if (!is_fine(cudaGraphEventRecordNodeGetEvent(node, &event))) return std::nullopt;
    if (event == captured_.begin) out.begin = node;
    if (event == captured_.end) out.end = node;
  }
  if (!out.begin || !out.end) return std::nullopt;
  return out;
}

void CudaWaitClock::before_launch(const Nodes& nodes, cudaGraphExec_t graph) {
  if (has_failed_) return;
  const Pair& pair = next_pair();
  if (is_fine(cudaGraphExecEventRecordNodeSetEvent(graph, nodes.begin, pair.begin)))
    is_fine(cudaGraphExecEventRecordNodeSetEvent(graph, nodes.end, pair.end));
}

}  // namespace vae_dist::device
