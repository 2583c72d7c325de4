// The device's side of ProgressWords: captured work writes marks to host memory as it passes them.
//
//     marks.begin();   // captured with the work, before the first collective
//     marks.pass();    // the rest on the stream of the collectives, in this order
//     sum;
//     marks.pass();
//
// Each mark is a copy of 4 bytes, so no kernel runs between two collectives. The values to copy are
// prepared: element i of a small tensor holds the value of the word at mark i, and begin() advances
// all elements by one round.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "base/progress_words.hpp"

namespace vae_dist::device {

class ProgressMarks {
 public:
  /// Prepares the marks of a round of `collectives` collectives on `device`.
  ProgressMarks(std::int64_t collectives, c10::Device device);

  void begin();

  /// Writes the next mark to the word, in stream order. Throws std::logic_error after the last.
  void pass();

  /// Returns the word in host memory, which stays alive as long as this object or any owner of the
  /// pointer. The memory is pinned if the device is a GPU.
  std::shared_ptr<const std::uint32_t> word() const;

 private:
  at::Tensor values_;  // [2 * collectives] int32, read as unsigned numbers that wrap around
  at::Tensor word_;    // [1] int32 on the host
  std::int64_t next_ = 0;
};

}  // namespace vae_dist::device
