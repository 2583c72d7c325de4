// The device's side of ProgressWords: marks that captured work leaves in host memory as it passes
// them.
//
//     marks.begin();                       // captured with the work, in front of its first
//     collective marks.pass(); sum; marks.pass();     // on the stream of the collectives, one
//     behind the other
//
// A copy of 4 bytes a mark: no kernel stands between two collectives. What is copied lies ready:
// element i of a small tensor holds what the word is to be at mark i, and begin() adds one round to
// all of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "base/progress_words.hpp"

namespace vae_dist::device {

class ProgressMarks {
 public:
  /// For `collectives` a round, on `device`.
  ProgressMarks(std::int64_t collectives, c10::Device device);

  void begin();

  /// Writes the next mark, in stream order, to the word. Throws std::logic_error behind the last.
  void pass();

  /// The word in host memory, which this and every owner of it keep alive. Pinned for a GPU.
  std::shared_ptr<const std::uint32_t> word() const;

 private:
  at::Tensor values_;  // [2 * collectives] int32; as unsigned numbers they wrap around
  at::Tensor word_;    // [1] int32 on the host
  std::int64_t next_ = 0;
};

}  // namespace vae_dist::device
