#include "hdf5/row_axes.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace vae_dist::hdf5 {

std::int64_t Box::values() const {
  return std::accumulate(count.begin(), count.end(), std::int64_t{1}, std::multiplies<>());
}

RowAxes::RowAxes(std::vector<std::int64_t> shape, std::vector<std::size_t> axes)
    : shape_(std::move(shape)), steps_(shape_.size(), 0) {
  for (std::size_t i = axes.size(); i-- > 0;) {
    steps_[axes[i]] = rows_;
    rows_ *= shape_[axes[i]];
    lead_ = lead_ && axes[i] == i;
  }
  // In an empty array the steps are of no use, but must not be taken for those of other axes.
  for (const std::size_t axis : axes) steps_[axis] = std::max<std::int64_t>(steps_[axis], 1);
  for (const std::int64_t size : row_shape()) row_values_ *= size;
}

std::vector<std::int64_t> RowAxes::row_shape() const {
  std::vector<std::int64_t> out;
  for (std::size_t axis = 0; axis < shape_.size(); ++axis)
    if (!numbers_rows(axis)) out.push_back(shape_[axis]);
  return out;
}

void RowAxes::for_each_box(std::int64_t first, std::int64_t count,
                           const std::function<void(const Box&, std::int64_t)>& visit) const {
  for (const std::int64_t past = first + count; first < past;) {
    // The outermost axis along which whole steps fit, from here on, into what is left.
    Box box{std::vector<std::int64_t>(shape_.size(), 0), shape_};
    std::int64_t taken = past - first;
    bool found = false;
    for (std::size_t axis = 0; axis < shape_.size(); ++axis) {
      const std::int64_t step = steps_[axis];
      if (step == 0) continue;
      if (found) continue;  // whole, inside the axis that was found
      const std::int64_t place = first / step % shape_[axis];
      box.first[axis] = place;
      box.count[axis] = 1;
      if (first % step != 0 || step > past - first) continue;
      box.count[axis] = std::min((past - first) / step, shape_[axis] - place);
      taken = box.count[axis] * step;
      found = true;
    }
    visit(box, first);
    first += taken;
  }
}

std::vector<std::int64_t> RowAxes::strides_in_rows(
    const std::vector<std::int64_t>& row_shape) const {
  std::vector<std::int64_t> out(shape_.size());
  std::int64_t values = 1;
  std::size_t other = row_shape.size();
  for (std::size_t axis = shape_.size(); axis-- > 0;)
    if (!numbers_rows(axis)) {
      out[axis] = values;
      values *= row_shape[--other];
    }
  for (std::size_t axis = 0; axis < shape_.size(); ++axis)
    if (numbers_rows(axis)) out[axis] = steps_[axis] * values;
  return out;
}

RowBlocks RowAxes::blocks_of_chunks(const std::vector<std::int64_t>& chunk) const {
  // The outermost axis along which a chunk holds several rows decides: all rows inside it that a
  // chunk may hold belong together.
  RowBlocks blocks;
  for (std::size_t axis = shape_.size(); axis-- > 0;)
    if (numbers_rows(axis) && (chunk[axis] > 1 || blocks.unit == 1))
      blocks = {steps_[axis] * shape_[axis], steps_[axis] * std::min(chunk[axis], shape_[axis])};
  return blocks;
}

}  // namespace vae_dist::hdf5
