// Copies a box of values between two arrays of different strides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vae_dist::hdf5 {

/// One side of a copy: where the box begins, and the distance, in values, of neighbours along each
/// axis.
template <typename Byte>
struct BoxMemory {
  Byte* begin;
  const std::vector<std::int64_t>& strides;
};

/// Copies a box of count[0] x count[1] x ... values of `value_bytes` bytes each. The two sides must
/// not overlap.
void copy_box(const std::vector<std::int64_t>& count, std::size_t value_bytes,
              const BoxMemory<const std::byte>& from, const BoxMemory<std::byte>& to);

/// Returns whether a box of this size lies in the same way in memory of either strides.
bool lie_alike(const std::vector<std::int64_t>& count, const std::vector<std::int64_t>& strides,
               const std::vector<std::int64_t>& others);

/// Returns the strides of a whole array of this shape in C order.
std::vector<std::int64_t> c_strides(const std::vector<std::int64_t>& shape);

}  // namespace vae_dist::hdf5
