// Decides whether and when a training step is captured in a CUDA graph (captured_step.hpp). Pure.
#pragma once

#include <string>
#include <vector>

#include "base/progress_words.hpp"
#include "config/config.hpp"
#include "device/device_choice.hpp"

namespace vae_dist::step {

/// Returns why no step of this run can be captured, as text for users; empty if capture can be
/// tried. Does not consider whether the configuration asks for it.
std::string why_not_captured(const config::Config& config, const device::DeviceChoice& device);

/// Whether this run tries to capture its step: train.cuda_graph is true or auto, and
/// why_not_captured() is empty.
bool wants_capture(const config::Config& config, const device::DeviceChoice& device);

/// Throws BadInput if train.cuda_graph is true but the step cannot be captured.
void check_cuda_graph(const config::Config& config, const device::DeviceChoice& device);

/// Same, for a reason that is known otherwise; empty: there is none.
void check_cuda_graph(const config::Config& config, const std::string& reason);

/// Whether the numbers of a step (learning rate, M_N * beta, C) are passed as device tensors. If
/// so, eager steps use them too, so that a captured step computes the same bits. The numbers stay
/// host doubles on the CPU, and if a fused optimizer would round the learning rate below the
/// weights' precision.
bool numbers_go_to_device(const config::Config& config, const device::DeviceChoice& device);

/// Checks that the first steps exchange the same collectives, because one captured step is replayed
/// for all later ones. These eager steps also do what a capture does not allow: NCCL connects the
/// ranks, cuDNN and cuBLAS choose algorithms and load kernels, and persistent buffers are
/// allocated.
class CaptureRule {
 public:
  static constexpr int kEagerSteps = 3;

  /// Records the collectives of an eager step, in order. To be called after each eager step.
  void saw(const std::vector<base::ProgressWords::Collective>& sequence);

  /// Whether this step makes the decision. The answer depends only on the number of steps, so it is
  /// the same on every rank.
  bool is_due() const { return steps_ == kEagerSteps; }

  /// Why this rank refuses the capture; empty if it is ready.
  const std::string& objection() const { return objection_; }

 private:
  int steps_ = 0;
  std::vector<base::ProgressWords::Collective> first_;
  std::string objection_;
};

/// Joins the ranks' objections or errors ([rank], mostly empty) into one sentence, which names each
/// distinct reason once with its ranks. Empty if there is no reason.
std::string joined_reasons(const std::vector<std::string>& of_ranks);

}  // namespace vae_dist::step
