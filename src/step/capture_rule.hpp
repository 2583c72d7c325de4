// Whether and when a training step is captured in a CUDA graph (captured_step.hpp). Pure.
#pragma once

#include <string>
#include <vector>

#include "base/progress_words.hpp"
#include "config/config.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::step {

/// Why no step of such a run can be captured, for people; empty: it can be tried. Says nothing
/// about whether it is wanted.
std::string why_not_captured(const config::Config& config, const device::DeviceChoice& device);

/// Whether this run is to try it (train.cuda_graph is true, or auto on a GPU, and nothing is
/// against it).
bool wants_capture(const config::Config& config, const device::DeviceChoice& device);

/// Throws BadInput where train.cuda_graph is true and cannot be.
void check_cuda_graph(const config::Config& config, const device::DeviceChoice& device);

/// Whether the numbers of a step (learning rate, M_N * beta, C) go to the device as tensors, in
/// eager steps too, so that a captured step computes the same bits. On the CPU they stay doubles of
/// the host; so they do where a fused optimizer would round the learning rate below the weights'
/// precision.
bool numbers_go_to_device(const config::Config& config, const device::DeviceChoice& device);

/// One step stands for all that follow: so the first ones must have been alike. They also bring
/// what cannot happen inside a capture: NCCL connects the ranks, cuDNN and cuBLAS choose algorithms
/// and load kernels, buffers that are kept get their memory.
class CaptureRule {
 public:
  static constexpr int kEagerSteps = 3;

  /// After each eager step: what it handed to the exchange, in order.
  void saw(const std::vector<base::ProgressWords::Collective>& sequence);

  /// The decision falls in this step, on every rank alike: it depends on the number of steps alone.
  bool is_due() const { return steps_ == kEagerSteps; }

  /// Why this rank would rather not; empty: it is ready.
  const std::string& objection() const { return objection_; }

 private:
  int steps_ = 0;
  std::vector<base::ProgressWords::Collective> first_;
  std::string objection_;
};

/// The ranks' objections or errors ([rank], mostly empty) in one sentence; empty: there is none.
/// The same one of several ranks is said once.
std::string joined_reasons(const std::vector<std::string>& of_ranks);

}  // namespace vae_dist::step
