// A WaitClock of events on a GPU, which the host never waits for.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <optional>
#include <vector>

#include "device/wait_clock.hpp"

namespace vae_dist::device {

/// Throws Failure with CUDA's own words.
void check_cuda(cudaError_t result, const char* call);

/// Each wait takes the next of a few pairs of events, so that one of them is read, steps later,
/// while others are still to come. In a capture, begin() and end() become event-record nodes;
/// before each launch of the graph these get the next pair.
class CudaWaitClock final : public WaitClock {
 public:
  CudaWaitClock();
  ~CudaWaitClock() override;
  CudaWaitClock(const CudaWaitClock&) = delete;
  CudaWaitClock& operator=(const CudaWaitClock&) = delete;

  void begin() override;
  void end() override;
  base::Seconds latest() override;

  /// A graph's nodes that stand for begin() and end(); empty where it has none.
  struct Nodes {
    cudaGraphNode_t begin = nullptr, end = nullptr;
  };
  std::optional<Nodes> nodes_in(cudaGraph_t graph) const;

  void before_launch(const Nodes& nodes, cudaGraphExec_t graph);

 private:
  struct Pair {
    cudaEvent_t begin = nullptr, end = nullptr;
    bool used = false;
  };

  // More than the steps that the host is ahead of the device (AgreedFlags::kStepsLate): the oldest
  // pair has been passed.
  static constexpr std::size_t kPairs = 4;

  Pair& next_pair();

  std::array<Pair, kPairs> pairs_;
  Pair captured_;  // what nodes are recognised by
  std::size_t current_ = 0;
  base::Seconds latest_{0};
};

}  // namespace vae_dist::device
