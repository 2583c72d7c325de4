// Measures waits with events on a GPU, for which the host never waits.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <optional>
#include <vector>

#include "device/wait_clock.hpp"

namespace vae_dist::device {

/// Each wait uses the next of a few pairs of events, so that one pair can be read some steps later
/// while others are still pending. In a capture, begin() and end() become event-record nodes;
/// before each launch of the graph these nodes get the next pair.
///
/// A measurement must not end a run, so nothing here throws: after a call of CUDA that has failed,
/// latest() keeps its value. If the GPU itself has failed, the next call of the step says so.
class CudaWaitClock final : public WaitClock {
 public:
  CudaWaitClock();
  ~CudaWaitClock() override;
  CudaWaitClock(const CudaWaitClock&) = delete;
  CudaWaitClock& operator=(const CudaWaitClock&) = delete;

  void begin() override;
  void end() override;
  base::Seconds latest() override;

  /// The nodes of a graph that record begin() and end(). nodes_in() returns nothing if it has none.
  struct Nodes {
    cudaGraphNode_t begin = nullptr, end = nullptr;
  };
  std::optional<Nodes> nodes_in(cudaGraph_t graph);

  void before_launch(const Nodes& nodes, cudaGraphExec_t graph);

 private:
  // Returns whether a call has succeeded, and measures no more otherwise.
  bool is_fine(cudaError_t result);
  bool is_capturing(cudaStream_t stream);
  void record(cudaEvent_t captured, cudaEvent_t event);

  struct Pair {
    cudaEvent_t begin = nullptr, end = nullptr;
    bool used = false;
  };

  // More than the number of steps by which the host is ahead of the device
  // (AgreedFlags::kStepsLate), so the device has passed the oldest pair.
  static constexpr std::size_t kPairs = 4;

  Pair& next_pair();

  std::array<Pair, kPairs> pairs_;
  Pair captured_;  // identifies the nodes
  std::size_t current_ = 0;
  base::Seconds latest_{0};
  bool has_failed_ = false;
};

}  // namespace vae_dist::device
