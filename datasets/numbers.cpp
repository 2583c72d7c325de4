#include "datasets/numbers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace vae_dist {

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
  Numbers out{.values = static_cast<std::int64_t>(values.size()), .least = std::numeric_limits<double>::infinity(), .greatest = -std::numeric_limits<double>::infinity()};
  for (const double value : values) {
    if (std::isnan(value)) {
      ++out.not_a_number;
    } else if (std::isinf(value)) {
      ++out.infinite;
    } else {
      out.least = std::min(out.least, value);
      out.greatest = std::max(out.greatest, value);
    }
  }
  return out;
}

Numbers numbers_of(const StoredNumber& number, std::span<const std::byte> stored) {
  if (number.is_byte() && !stored.empty()) {
    std::byte least = stored[0], greatest = stored[0];
    for (const std::byte value : stored) least = std::min(least, value), greatest = std::max(greatest, value);
    return {.values = static_cast<std::int64_t>(stored.size()), .least = static_cast<double>(std::to_integer<int>(least)), .greatest = static_cast<double>(std::to_integer<int>(greatest))};
  }
  std::array<double, 4096> values;
  Numbers out;
  while (!stored.empty()) {
    const std::size_t count = std::min(values.size(), stored.size() / number.bytes);
    to_doubles(number, stored.first(count * number.bytes), std::span(values).first(count));
    out.add(numbers_of(std::span(values).first(count)));
    stored = stored.subspan(count * number.bytes);
  }
  return out;
}

}  // namespace vae_dist
