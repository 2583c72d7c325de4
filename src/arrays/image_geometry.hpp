// Crops and resizes decoded images. This is done once per image, before it is cached.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "arrays/sample_layout.hpp"

namespace vae_dist::arrays {

struct Geometry {
  std::optional<std::int64_t> crop;    ///< side of the centred square that is kept, in pixels
  std::optional<std::int64_t> resize;  ///< side after resizing that square, in pixels

  bool is_identity() const { return !crop && !resize; }
};

/// Returns the shape after `geometry`. Throws BadInput if the crop is larger than the image, or if
/// the samples are no images; `where` names them.
SampleShape shape_after(const SampleShape& shape, const Geometry& geometry,
                        const std::string& where);

/// Transforms images of one shape and layout. Every output value is the mean of the input over the
/// area that it covers.
class ImageResizer {
 public:
  ImageResizer(const SampleShape& from, const SampleLayout& layout, const Geometry& geometry);

  /// Transforms the values of one image, in layout order. `out` is in layout order too and has the
  /// size of the new shape.
  void apply(std::span<const float> values, std::span<float> out);

 private:
  // Output i is the sum of weight * input over its taps.
  struct Tap {
    std::int64_t input;
    float weight;
  };
  using Taps = std::vector<std::vector<Tap>>;
  static Taps taps(std::int64_t first, std::int64_t size, std::int64_t out_size);

  // One of the two passes, along an axis: [outer, in, inner] becomes [outer, out, inner].
  struct Pass {
    std::int64_t outer, in, inner;
    Taps taps;
  };
  static void run(const Pass& pass, const float* from, float* to);

  std::vector<Pass> passes_;  // along H, then along W
  std::vector<float> between_;
};

}  // namespace vae_dist::arrays
