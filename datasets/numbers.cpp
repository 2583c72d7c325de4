#include "datasets/numbers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/text.hpp"

namespace vae_dist::datasets {

void Numbers::add(const Numbers& other) {
  if (other.any_finite()) {
    least = any_finite() ? std::min(least, other.least) : other.least;
    greatest = any_finite() ? std::max(greatest, other.greatest) : other.greatest;
  }
  values += other.values;
  not_a_number += other.not_a_number;
  infinite += other.infinite;
}

Numbers numbers_of(std::span<const double> values) {
  Numbers out{.values = static_cast<std::int64_t>(values.size()),
              .least = std::numeric_limits<double>::infinity(),
              .greatest = -std::numeric_limits<double>::infinity()};
  for (const double value : values) {
    if (std::isnan(value)) {
      ++out.not_a_number;
    } else if (std::isinf(value)) {
      ++out.infinite;
    } else {
      out.least = std::min<long double>(out.least, value);
      out.greatest = std::max<long double>(out.greatest, value);
    }
  }
  return out;
}

std::string number_text(long double value) {
  constexpr long double kMost = 0x1p64L;
  if (value != std::floor(value) || value <= -kMost / 2 || value >= kMost)
    return base::text(static_cast<double>(value));
  return value < 0 ? std::to_string(static_cast<std::int64_t>(value))
                   : std::to_string(static_cast<std::uint64_t>(value));
}

namespace {

template <typename Integer>
Numbers extremes(std::span<const std::int64_t> values) {
  Numbers out{.values = static_cast<std::int64_t>(values.size())};
  if (values.empty()) return out;
  const auto as_stored = [](std::int64_t value) { return static_cast<Integer>(value); };
  Integer least = as_stored(values[0]), greatest = least;
  for (const std::int64_t value : values) {
    least = std::min(least, as_stored(value));
    greatest = std::max(greatest, as_stored(value));
  }
  out.least = least;
  out.greatest = greatest;
  return out;
}

// Handles 64-bit integers separately, because doubles would round them.
Numbers wide_integers(const hdf5::StoredNumber& number, std::span<const std::byte> stored) {
  std::array<std::int64_t, 4096> values;
  Numbers out;
  while (!stored.empty()) {
    const std::size_t count = std::min(values.size(), stored.size() / number.bytes);
    hdf5::to_integers(number, stored.first(count * number.bytes), std::span(values).first(count));
    const auto part = std::span<const std::int64_t>(values).first(count);
    out.add(number.kind == hdf5::StoredNumber::Kind::unsigned_integer
                ? extremes<std::uint64_t>(part)
                : extremes<std::int64_t>(part));
    stored = stored.subspan(count * number.bytes);
  }
  return out;
}

}  // namespace

Numbers numbers_of(const hdf5::StoredNumber& number, std::span<const std::byte> stored) {
  if (number.is_byte() && !stored.empty()) {
    std::byte least = stored[0], greatest = stored[0];
    for (const std::byte value : stored)
      least = std::min(least, value), greatest = std::max(greatest, value);
    return {.values = static_cast<std::int64_t>(stored.size()),
            .least = static_cast<double>(std::to_integer<int>(least)),
            .greatest = static_cast<double>(std::to_integer<int>(greatest))};
  }
  if (number.bytes == 8 && number.kind != hdf5::StoredNumber::Kind::ieee_float)
    return wide_integers(number, stored);
  std::array<double, 4096> values;
  Numbers out;
  while (!stored.empty()) {
    const std::size_t count = std::min(values.size(), stored.size() / number.bytes);
    hdf5::to_doubles(number, stored.first(count * number.bytes), std::span(values).first(count));
    out.add(numbers_of(std::span(values).first(count)));
    stored = stored.subspan(count * number.bytes);
  }
  return out;
}

}  // namespace vae_dist::datasets
