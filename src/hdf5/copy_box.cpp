#include "hdf5/copy_box.hpp"

#include <cstring>

namespace vae_dist::hdf5 {
namespace {

// An axis of the copy; distances in bytes.
struct Axis {
  std::int64_t count, from, to;
};

template <std::size_t Bytes>
void copy_line(const Axis& axis, const std::byte* from, std::byte* to) {
  for (std::int64_t i = 0; i < axis.count; ++i, from += axis.from, to += axis.to)
    std::memcpy(to, from, Bytes);
}

void copy_values(const Axis& axis, std::size_t value_bytes, const std::byte* from, std::byte* to) {
  switch (value_bytes) {
    case 1:
      return copy_line<1>(axis, from, to);
    case 2:
      return copy_line<2>(axis, from, to);
    case 4:
      return copy_line<4>(axis, from, to);
    case 8:
      return copy_line<8>(axis, from, to);
    default:
      for (std::int64_t i = 0; i < axis.count; ++i, from += axis.from, to += axis.to)
        std::memcpy(to, from, value_bytes);
  }
}

// `run` bytes lie together on both sides.
void copy_axes(const std::vector<Axis>& axes, std::size_t axis, std::size_t value_bytes,
               std::size_t run, const std::byte* from, std::byte* to) {
  if (axis == axes.size()) {
    std::memcpy(to, from, run);
    return;
  }
  const Axis& here = axes[axis];
  if (axis + 1 == axes.size() && run == value_bytes)
    return copy_values(here, value_bytes, from, to);
  for (std::int64_t i = 0; i < here.count; ++i, from += here.from, to += here.to)
    copy_axes(axes, axis + 1, value_bytes, run, from, to);
}

}  // namespace

void copy_box(const std::vector<std::int64_t>& count, std::size_t value_bytes,
              const BoxMemory<const std::byte>& from, const BoxMemory<std::byte>& to) {
  // Neighbouring axes that lie together on both sides become one.
  std::vector<Axis> axes;
  const auto bytes = static_cast<std::int64_t>(value_bytes);
  for (std::size_t axis = 0; axis < count.size(); ++axis) {
    if (count[axis] == 0) return;
    if (count[axis] == 1) continue;
    const Axis next{count[axis], from.strides[axis] * bytes, to.strides[axis] * bytes};
    if (!axes.empty() && axes.back().from == next.from * next.count &&
        axes.back().to == next.to * next.count)
      axes.back() = {axes.back().count * next.count, next.from, next.to};
    else
      axes.push_back(next);
  }
  std::size_t run = value_bytes;
  if (!axes.empty() && axes.back().from == bytes && axes.back().to == bytes) {
    run *= static_cast<std::size_t>(axes.back().count);
    axes.pop_back();
  }
  copy_axes(axes, 0, value_bytes, run, from.begin, to.begin);
}

bool lie_alike(const std::vector<std::int64_t>& count, const std::vector<std::int64_t>& strides,
               const std::vector<std::int64_t>& others) {
  for (std::size_t axis = 0; axis < count.size(); ++axis)
    if (count[axis] > 1 && strides[axis] != others[axis]) return false;
  return true;
}

std::vector<std::int64_t> c_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> out(shape.size());
  std::int64_t values = 1;
  for (std::size_t axis = shape.size(); axis-- > 0; values *= shape[axis]) out[axis] = values;
  return out;
}

}  // namespace vae_dist::hdf5
