// The order of the values of a sample, in a file and in memory, and their type on the way to the
// model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arrays/sample_shape.hpp"

namespace vae_dist::arrays {

/// A part of a sample's space: where it begins and its size, along each axis of SampleShape::space.
struct SpaceWindow {
  std::vector<std::int64_t> first, size;
};

/// The axes of a sample as letters, outermost first: C channels, D H W space, V values of a vector.
class SampleLayout {
 public:
  /// `axes`: "HW", "HWC", "CDHW", "V", ...: each of C, D, H, W at most once, or V alone.
  explicit SampleLayout(std::string axes = "HW") : axes_(std::move(axes)) {}

  const std::string& axes() const { return axes_; }
  /// Returns the word with one axis of samples in front: "NHWC".
  std::string text() const { return "N" + axes_; }
  std::optional<std::size_t> position(char axis) const;

  /// Returns the shape of samples whose axes, in this order, have these sizes.
  SampleShape shape(const std::vector<std::int64_t>& sizes) const;
  /// The reverse: the sizes of the axes, in this order.
  std::vector<std::int64_t> sizes(const SampleShape& shape) const;

  /// Returns where a window of the space begins along each axis, and its sizes there; along C and V
  /// it is the whole.
  SpaceWindow along_axes(const SpaceWindow& window, std::int64_t channels) const;

  /// Returns the axes, in this order, that the model's axes [space...] are: D, H, W as far as there
  /// are such.
  std::vector<std::size_t> space_axes() const;

  bool operator==(const SampleLayout&) const = default;

 private:
  std::string axes_;
};

/// uint8: as stored. float32: values stored in any other format, and values that preparation has
/// turned into fractions.
enum class PixelType { uint8, float32 };

inline std::size_t bytes_of(PixelType type) { return type == PixelType::uint8 ? 1 : 4; }

/// Mirrors a sample along one of its axes ('W': left to right) in place.
void flip(std::span<std::uint8_t> sample, const SampleShape& shape, const SampleLayout& layout,
          char axis, PixelType type = PixelType::uint8);

}  // namespace vae_dist::arrays
