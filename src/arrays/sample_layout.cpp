#include "arrays/sample_layout.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/text.hpp"

namespace vae_dist::arrays {

std::int64_t SampleShape::values() const {
  return std::accumulate(space.begin(), space.end(), channels, std::multiplies<>());
}

std::string SampleShape::text() const {
  std::string out = base::text(channels);
  for (const std::int64_t size : space) out += base::text("x", size);
  return out;
}

std::string SampleShape::model_layout() const {
  return space.empty() ? "NV" : "NC" + std::string("DHW").substr(3 - space.size());
}

const char* SampleShape::plural() const {
  constexpr const char* kWords[] = {"vectors", "series", "images", "volumes"};
  return kWords[std::min<std::size_t>(space.size(), 3)];
}

std::optional<std::size_t> SampleLayout::position(char axis) const {
  const std::size_t found = axes_.find(axis);
  return found == std::string::npos ? std::nullopt : std::optional(found);
}

std::vector<std::size_t> SampleLayout::space_axes() const {
  std::vector<std::size_t> out;
  for (const char axis : {'D', 'H', 'W'})
    if (const auto at = position(axis)) out.push_back(*at);
  return out;
}

SampleShape SampleLayout::shape(const std::vector<std::int64_t>& sizes) const {
  SampleShape out;
  if (const auto at = position('C')) out.channels = sizes[*at];
  if (const auto at = position('V')) out.channels = sizes[*at];
  for (const std::size_t at : space_axes()) out.space.push_back(sizes[at]);
  return out;
}

std::vector<std::int64_t> SampleLayout::sizes(const SampleShape& shape) const {
  std::vector<std::int64_t> out(axes_.size(), shape.channels);
  const std::vector<std::size_t> space = space_axes();
  for (std::size_t i = 0; i < space.size(); ++i) out[space[i]] = shape.space[i];
  return out;
}

SpaceWindow SampleLayout::along_axes(const SpaceWindow& window, std::int64_t channels) const {
  SpaceWindow out{std::vector<std::int64_t>(axes_.size(), 0),
                  std::vector<std::int64_t>(axes_.size(), channels)};
  const std::vector<std::size_t> space = space_axes();
  for (std::size_t i = 0; i < space.size(); ++i) {
    out.first[space[i]] = window.first[i];
    out.size[space[i]] = window.size[i];
  }
  return out;
}

void flip(std::span<std::uint8_t> sample, const SampleShape& shape, const SampleLayout& layout,
          char axis, PixelType type) {
  const std::vector<std::int64_t> sizes = layout.sizes(shape);
  const std::size_t at = layout.position(axis).value();
  // What lies inside the axis stays together.
  const auto inner = static_cast<std::size_t>(
      std::accumulate(sizes.begin() + static_cast<std::ptrdiff_t>(at) + 1, sizes.end(),
                      static_cast<std::int64_t>(bytes_of(type)), std::multiplies<>()));
  const std::size_t line = inner * static_cast<std::size_t>(sizes[at]);
  for (std::size_t begin = 0; begin + line <= sample.size(); begin += line) {
    std::uint8_t* first = sample.data() + begin;
    std::uint8_t* last = first + line - inner;
    for (; first < last; first += inner, last -= inner)
      std::swap_ranges(first, first + inner, last);
  }
}

}  // namespace vae_dist::arrays
