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
  friend class DeferredRing;
  DeferredValues(at::Tensor host, c10::Device device);
  void mark_copied(c10::Device device);

  at::Tensor host_;
  std::optional<c10::Event> copied_;  // on a GPU
};

/// The results of recorded work, whose copy to the host is recorded with it. Each launch writes a
/// row of its own, so that launches need not wait for the host to read.
class DeferredRing {
 public:
  static constexpr std::int64_t kRows = 16;

  /// A row has `values` numbers.
  DeferredRing(std::int64_t values, c10::Device device);

  /// To be recorded: writes `values` ([values], floating) into the row that `row` names ([1], any
  /// type, on the device, from 0 to kRows - 1) and copies the rows to the host.
  void write(const at::Tensor& values, const at::Tensor& row);

  /// To be called after the launch that writes this row. The values must be read before the launch
  /// that writes the row again, kRows launches later.
  DeferredValues written(std::int64_t row) const;

 private:
  at::Tensor on_device_, on_host_;  // [kRows, values] double; the latter pinned on a GPU
};

}  // namespace vae_dist::device
