// Cropping and resizing of decoded images: what is done once an image, before it is cached.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "data/sample_layout.hpp"

namespace vae_dist::data {

struct Geometry {
  std::optional<std::int64_t> crop;    ///< side of the centred square that is kept, pixels
  std::optional<std::int64_t> resize;  ///< side after it, pixels

  bool is_identity() const { return !crop && !resize; }
};

/// The shape after `geometry`. Throws BadInput for a crop that is larger than the image; `place`
/// names the images.
SampleShape shape_after(const SampleShape& shape, const Geometry& geometry,
                        const std::string& place);

/// A transform of images of one shape and layout. Every output value is the mean of the input over
/// the area that it covers.
class ImageResizer {
 public:
  ImageResizer(const SampleShape& from, SampleLayout layout, const Geometry& geometry);

  /// values: of one image, in layout order. The result, in layout order too, is as long as the new
  /// shape says.
  void apply(std::span<const float> values, std::span<float> out);

 private:
  // Output i is the sum of weight * input over its taps.
  struct Tap {
    std::int64_t input;
    float weight;
  };
  using Taps = std::vector<std::vector<Tap>>;
  static Taps taps(std::int64_t first, std::int64_t size, std::int64_t out_size);

  SampleShape from_, to_;
  bool channels_last_;
  Taps rows_, columns_;
  std::vector<float> wide_;  // rows done, columns not
};

}  // namespace vae_dist::data
