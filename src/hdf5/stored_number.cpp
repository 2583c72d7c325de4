#include "hdf5/stored_number.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace vae_dist::hdf5 {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the conversions assume a little-endian machine");

template <typename Word>
Word swapped(Word word) {
  if constexpr (sizeof(Word) == 2) return __builtin_bswap16(word);
  if constexpr (sizeof(Word) == 4) return __builtin_bswap32(word);
  if constexpr (sizeof(Word) == 8) return __builtin_bswap64(word);
  return word;
}

// IEEE 754 binary16.
float half_value(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16,
                      exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
  if (exponent == 0)
    return std::copysign(std::ldexp(static_cast<float>(fraction), -24),
                         std::bit_cast<float>(sign | 0x3f800000));
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

template <typename Word, typename Value, typename Out>
std::optional<std::size_t> convert(std::span<const std::byte> stored, bool big_endian,
                                   std::span<Out> out, Value value) {
  std::optional<std::size_t> bad;
  for (std::size_t i = 0; i < out.size(); ++i) {
    Word word;
    std::memcpy(&word, stored.data() + i * sizeof(Word), sizeof(Word));
    const auto stored_value = value(big_endian ? swapped(word) : word);
    if constexpr (std::is_integral_v<Out> && std::is_floating_point_v<decltype(stored_value)>) {
      constexpr double kRange = 0x1p63;
      const bool whole = stored_value == std::floor(stored_value) && stored_value >= -kRange &&
                         stored_value < kRange;
      out[i] = whole ? static_cast<Out>(stored_value) : 0;
      if (!bad && !whole) bad = i;
    } else {
      // NOLINTNEXTLINE(bugprone-signed-char-misuse): an int8 in the file is a number
      out[i] = static_cast<Out>(stored_value);
      if constexpr (std::is_floating_point_v<Out>)
        if (!bad && !std::isfinite(out[i])) bad = i;
    }
  }
  return bad;
}

template <typename Out>
std::optional<std::size_t> to_values(const StoredNumber& number, std::span<const std::byte> stored,
                                     std::span<Out> out) {
  const auto with = [&]<typename Word>(auto value, Word) {
    return convert<Word>(stored, number.big_endian, out, value);
  };
  switch (number.kind) {
    case StoredNumber::Kind::unsigned_integer: {
      const auto value = [](auto word) { return word; };
      if (number.bytes == 1) return with(value, std::uint8_t{});
      if (number.bytes == 2) return with(value, std::uint16_t{});
      if (number.bytes == 4) return with(value, std::uint32_t{});
      return with(value, std::uint64_t{});
    }
    case StoredNumber::Kind::signed_integer: {
      if (number.bytes == 1)
        return with([](std::uint8_t word) { return static_cast<std::int8_t>(word); },
                    std::uint8_t{});
      if (number.bytes == 2)
        return with([](std::uint16_t word) { return static_cast<std::int16_t>(word); },
                    std::uint16_t{});
      if (number.bytes == 4)
        return with([](std::uint32_t word) { return static_cast<std::int32_t>(word); },
                    std::uint32_t{});
      return with([](std::uint64_t word) { return static_cast<std::int64_t>(word); },
                  std::uint64_t{});
    }
    case StoredNumber::Kind::ieee_float: {
      if (number.bytes == 2)
        return with([](std::uint16_t word) { return half_value(word); }, std::uint16_t{});
      if (number.bytes == 4)
        return with([](std::uint32_t word) { return std::bit_cast<float>(word); }, std::uint32_t{});
      return with([](std::uint64_t word) { return std::bit_cast<double>(word); }, std::uint64_t{});
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> to_floats(const StoredNumber& number, std::span<const std::byte> stored,
                                     std::span<float> out) {
  if (number.is_float()) {
    std::memcpy(out.data(), stored.data(), stored.size());
    return first_not_finite(out);
  }
  return to_values(number, stored, out);
}

std::optional<std::size_t> first_not_finite(std::span<const float> values) {
  // Blocks of a fixed length, which the compiler turns into vector instructions.
  constexpr std::size_t kBlock = 64;
  constexpr std::uint32_t kExponent = 0x7f800000;
  const auto is_bad = [](float value) {
    return (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent;
  };
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock) {
    const std::size_t size = std::min(kBlock, values.size() - begin);
    const float* const block = values.data() + begin;
    if (size == kBlock) {
      std::uint32_t bad = 0;
      for (std::size_t i = 0; i < kBlock; ++i) bad |= is_bad(block[i]) ? 1U : 0U;
      if (bad == 0) continue;
    }
    for (std::size_t i = 0; i < size; ++i)
      if (is_bad(block[i])) return begin + i;
  }
  return std::nullopt;
}

std::optional<std::size_t> to_integers(const StoredNumber& number,
                                       std::span<const std::byte> stored,
                                       std::span<std::int64_t> out) {
  return to_values(number, stored, out);
}

void to_doubles(const StoredNumber& number, std::span<const std::byte> stored,
                std::span<double> out) {
  to_values(number, stored, out);
}

}  // namespace vae_dist::hdf5
