#include "data/value_scale.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"

namespace vae_dist {

void ValueRange::include(std::span<const std::byte> image, PixelType type) {
  if (type == PixelType::uint8) {
    const auto [low, high] = std::minmax_element(image.begin(), image.end());
    least = std::min(least, static_cast<float>(std::to_integer<int>(*low)));
    largest = std::max(largest, static_cast<float>(std::to_integer<int>(*high)));
    return;
  }
  for (std::size_t i = 0; i + 4 <= image.size(); i += 4) {
    float value;
    std::memcpy(&value, image.data() + i, 4);
    least = std::min(least, value);
    largest = std::max(largest, value);
  }
}

double found_scale(const ValueRange& values, const StoredNumber& number, const std::string& place) {
  const auto remedy = text(": the scale cannot be told. Set data.train.scale (or the dataset's attribute `scale`) to the factor that brings them to [0, 1].");
  if (values.least < 0) throw BadInput(text(place, " holds values below 0 (", values.least, " to ", values.largest, "): images are read as values times a scale in [0, 1]. ",
                                            "Store them shifted; what the model sees is chosen by data.range."));
  if (values.largest <= 1) return 1.0;
  if (number.is_byte() || values.largest <= 255) return 1.0 / 255.0;
  if (number.kind == StoredNumber::Kind::unsigned_integer && number.bytes == 2) return 1.0 / 65535.0;
  throw BadInput(text(place, " holds values up to ", values.largest, remedy));
}

std::string scale_text(double scale, const StoredNumber& number) {
  if (scale == 1.0) return number.kind == StoredNumber::Kind::ieee_float ? "0 to 1" : "0/1";
  if (scale == 1.0 / 255.0) return "0-255";
  if (scale == 1.0 / 65535.0) return "0-65535";
  return text("times ", scale);
}

}  // namespace vae_dist
