// The number formats that a dataset may use, and conversions from the stored bytes to values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace vae_dist::hdf5 {

struct StoredNumber {
  enum class Kind { unsigned_integer, signed_integer, ieee_float };
  Kind kind = Kind::unsigned_integer;
  std::size_t bytes = 1;  ///< 1, 2, 4 or 8; 2, 4 or 8 for floats
  bool big_endian = false;

  bool is_byte() const { return kind == Kind::unsigned_integer && bytes == 1; }
  /// Returns whether the stored bytes are those of a float in memory.
  bool is_float() const { return kind == Kind::ieee_float && bytes == 4 && !big_endian; }
  bool operator==(const StoredNumber&) const = default;
};

/// Converts `stored` to floats, with rounding. Returns the index of the first value that is not a
/// finite float (NaN, infinite or too large), if any. Requires stored.size() == out.size() *
/// number.bytes.
std::optional<std::size_t> to_floats(const StoredNumber& number, std::span<const std::byte> stored,
                                     std::span<float> out);

/// Returns the index of the first value that is not finite, if any.
std::optional<std::size_t> first_not_finite(std::span<const float> values);

/// Converts `stored` to integers exactly. Unsigned values above 2^63 - 1 wrap around, so distinct
/// numbers stay distinct. Returns the index of the first value that is not a whole number, if any.
/// Requires the same sizes as to_floats().
std::optional<std::size_t> to_integers(const StoredNumber& number,
                                       std::span<const std::byte> stored,
                                       std::span<std::int64_t> out);

/// Converts `stored` to doubles, rounding integers above 2^53. Requires the same sizes as
/// to_floats().
void to_doubles(const StoredNumber& number, std::span<const std::byte> stored,
                std::span<double> out);

}  // namespace vae_dist::hdf5
