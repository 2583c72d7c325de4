#include "data/sample_finish.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.hpp"
#include "base/keyed_random.hpp"

namespace vae_dist::data {

SampleFinish::SampleFinish(const FinishOptions& options, const StoredValues& stored,
                           const std::string& where)
    : options_(options),
      type_(stored.type),
      out_type_(stored.type),
      scale_(stored.scale),
      out_scale_(stored.scale) {
  if (options.binarize != Binarize::none) {
    out_type_ = arrays::PixelType::uint8;
    out_scale_ = 1.0;
  } else if (options.dequantize) {
    if (!stored.whole_numbers)
      throw base::BadInput(base::text("data.dequantize is uniform, but the images of ", where,
                                      " are fractions without grey levels"));
    out_type_ = arrays::PixelType::float32;
    // Levels 0 to L - 1 with L - 1 = 1 / scale; with noise they fill [0, L).
    out_scale_ = 1.0 / (std::round(1.0 / stored.scale) + 1.0);
  }
}

void SampleFinish::apply(std::span<const std::byte> image, std::int64_t epoch, std::int64_t sample,
                         std::span<std::uint8_t> out) const {
  const std::size_t values = image.size() / bytes_of(type_);
  base::require_bytes("SampleFinish::apply", out.size(), values * bytes_of(out_type_));
  if (copies()) {
    std::memcpy(out.data(), image.data(), image.size());
    return;
  }
  const auto value = [&](std::size_t i) {
    if (type_ == arrays::PixelType::uint8)
      return static_cast<float>(std::to_integer<int>(image[i]));
    float v;
    std::memcpy(&v, image.data() + 4 * i, 4);
    return v;
  };
  if (options_.binarize == Binarize::threshold) {
    for (std::size_t i = 0; i < values; ++i) out[i] = value(i) * scale_ >= 0.5;
    return;
  }
  const base::Purpose purpose =
      options_.dequantize ? base::Purpose::dequantize : base::Purpose::binarize;
  const base::PhiloxKey key = base::random_key(
      options_.seed, purpose,
      options_.binarize == Binarize::fixed ? 0 : static_cast<std::uint64_t>(epoch));
  thread_local std::vector<float> draws;
  draws.resize(values);
  base::fill_uniform(key, static_cast<std::uint64_t>(sample), 0, draws);
  if (options_.dequantize) {
    for (std::size_t i = 0; i < values; ++i) {
      // The sum of a level and a draw just below 1 may round up to the next level.
      const float v = value(i), noisy = std::min(v + draws[i], std::nextafter(v + 1.0f, v));
      std::memcpy(out.data() + 4 * i, &noisy, 4);
    }
  } else {
    for (std::size_t i = 0; i < values; ++i) out[i] = draws[i] < value(i) * scale_;
  }
}

}  // namespace vae_dist::data
