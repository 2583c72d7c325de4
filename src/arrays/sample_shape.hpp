// The shape of a sample as the model sees it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vae_dist::arrays {

/// Whether images with so many channels are seen as pictures, in grey or in colour.
constexpr bool is_grey_or_colour(std::int64_t channels) {
  return channels == 1 || channels == 3 || channels == 4;
}

/// [C, space...]. A vector has no space: each of its values is a channel.
struct SampleShape {
  std::int64_t channels = 1;
  std::vector<std::int64_t> space = {};  ///< outermost first: {D, H, W}, {H, W}, {W}, or {}

  std::int64_t values() const;  ///< D of the equations: all values of a sample
  bool is_image() const { return space.size() == 2; }
  /// Returns the letters of the model's axes: "NCHW", "NCDHW", "NCW", "NV".
  std::string model_layout() const;
  /// Returns such as "3x64x64".
  std::string text() const;
  /// Returns what such samples are called: "images", "volumes", "series" or "vectors".
  const char* plural() const;
  bool operator==(const SampleShape&) const = default;
};

}  // namespace vae_dist::arrays
