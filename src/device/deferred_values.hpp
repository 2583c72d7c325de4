// Copies small results from the device to the host and reads them some steps later, so that the
// host never waits for the current step.
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

  /// Returns the values. Waits for the copy if it has not arrived yet.
  std::vector<double> get();

 private:
  at::Tensor host_;
  std::optional<c10::Event> copied_;  // on a GPU
};

}  // namespace vae_dist::device
