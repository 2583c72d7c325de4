// Small results of the device, read some steps later, so that the host never waits for the step
// under way.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <optional>
#include <vector>

namespace vae_dist::device {

/// A copy of a device tensor on its way to the host.
class DeferredValues {
 public:
  explicit DeferredValues(const at::Tensor& values);

  /// Waits for the copy, if it has not arrived.
  std::vector<double> get();

 private:
  at::Tensor host_;
  std::optional<c10::Event> copied_;  // on a GPU
};

}  // namespace vae_dist::device
