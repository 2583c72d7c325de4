// Work of a device that is recorded once and launched again and again, as a whole.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

#include "device/wait_clock.hpp"

namespace vae_dist::device {

class RecordedWork {
 public:
  virtual ~RecordedWork() = default;

  /// Queues all of it on the current stream. It reads and writes the tensors that it was recorded
  /// with.
  virtual void launch() = 0;
};

class WorkRecorder {
 public:
  virtual ~WorkRecorder() = default;

  /// `work` queues operations of the device, without waiting for any; none of them runs before a
  /// launch(). What is recorded by one recorder shares the memory of its intermediate results: it
  /// is launched one after the other, in the order in which it was recorded, each as often as one
  /// likes. Throws what `work` does, and c10::Error where something of it cannot be recorded; then
  /// nothing is, and the device is as before.
  virtual std::unique_ptr<RecordedWork> record(const std::function<void()>& work) = 0;

  /// Measures waits, recorded or not. Lives as long as the recorder; null where launches run on the
  /// host, which has its own.
  virtual WaitClock* wait_clock() = 0;
};

/// CUDA graphs of `device`. The current stream is not the default one (apply_device). Throws
/// std::logic_error without has_cuda().
std::unique_ptr<WorkRecorder> make_graph_recorder(c10::Device device);

}  // namespace vae_dist::device
