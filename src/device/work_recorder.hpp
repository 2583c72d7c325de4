// Records device work once and launches it repeatedly as a whole.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

#include "device/wait_clock.hpp"

namespace vae_dist::device {

class RecordedWork {
 public:
  virtual ~RecordedWork() = default;

  /// Queues the recorded work on the current stream. It reads and writes the tensors that it was
  /// recorded with.
  virtual void launch() = 0;
};

class WorkRecorder {
 public:
  virtual ~WorkRecorder() = default;

  /// Records `work`, which queues operations of the device without waiting for any. None of them
  /// runs before a launch(). All recordings of one recorder share the memory of their intermediate
  /// results, so launch them one after the other, in the order of recording, each as often as
  /// needed. Rethrows what `work` throws. Throws c10::Error if an operation cannot be recorded;
  /// then nothing is recorded and the device is as before.
  virtual std::unique_ptr<RecordedWork> record(const std::function<void()>& work) = 0;

  /// Returns the clock for recorded and other waits, which lives as long as the recorder. Null if
  /// launches run on the host, which has its own clock.
  virtual WaitClock* wait_clock() = 0;
};

/// Makes a recorder that uses CUDA graphs of `device`. The current stream must not be the default
/// one (apply_device). Throws std::logic_error without has_cuda().
std::unique_ptr<WorkRecorder> make_graph_recorder(c10::Device device);

}  // namespace vae_dist::device
