// The device's own count of the changes of the weights that it has begun and ended. The host runs
// ahead of a GPU, and when a collective hangs there, only the device knows what it has done.
//
//     marks.begin();   // on the stream of the update, also while it is captured
//     update;
//     marks.end();
//
// Each mark is a copy of 8 bytes to pinned host memory, in the order of the stream. Code that saves
// the weights of a hanging device reads the counts there, before and after its copy, without asking
// CUDA: equal counts that have not moved mean that nothing has changed the weights meanwhile.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vae_dist::device {

class UpdateMarks {
 public:
  explicit UpdateMarks(c10::Device device);

  void begin() { mark(0); }
  void end() { mark(1); }

  /// The numbers of changes that the device has begun and ended. Thread-safe.
  struct Counts {
    std::int64_t begun = 0, ended = 0;
    bool operator==(const Counts&) const = default;
  };
  Counts counts() const;

 private:
  void mark(std::int64_t which);

  at::Tensor on_device_;  // [2] int64
  at::Tensor on_host_;    // [2] int64, pinned on a GPU
};

}  // namespace vae_dist::device
