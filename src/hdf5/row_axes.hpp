// The rows of an array: its values, numbered along some of its axes. Pure arithmetic.
//
// The axes that number the rows are counted together, in their order, the last one fastest: along
// axes 0 and 1 of [5, 20, 64, 64] there are 100 rows of [64, 64]. They need not be the first ones,
// and there may be none: then the whole array is one row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace vae_dist::hdf5 {

/// The places first[axis] .. first[axis] + count[axis] - 1 along every axis of an array.
struct Box {
  std::vector<std::int64_t> first, count;

  std::int64_t values() const;
};

/// How rows lie together in the storage: units of `unit` rows follow one another, each cut into
/// blocks of `block` rows, of which the last may be shorter. Rows of different blocks have no
/// chunk in common.
struct RowBlocks {
  std::int64_t unit = 1, block = 1;

  std::int64_t first_of(std::int64_t row) const {
    return row / unit * unit + row % unit / block * block;
  }
  /// Returns the number of rows of the block that begins at `first`.
  std::int64_t size_at(std::int64_t first) const {
    const std::int64_t left = unit - first % unit;
    return left < block ? left : block;
  }
  std::int64_t longest() const { return unit < block ? unit : block; }
};

class RowAxes {
 public:
  /// `axes`: the positions in `shape` of the axes that number the rows, in ascending order.
  RowAxes(std::vector<std::int64_t> shape, std::vector<std::size_t> axes);

  std::int64_t rows() const { return rows_; }
  std::int64_t row_values() const { return row_values_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  bool numbers_rows(std::size_t axis) const { return steps_[axis] != 0; }
  /// Returns whether the rows lie one after another in the array's own (C) order.
  bool lead() const { return lead_; }
  /// Returns the shape of a row: the other axes, in their order.
  std::vector<std::int64_t> row_shape() const;

  /// Visits boxes, in the order of the rows, that together are rows [first, first + count), whole
  /// along all other axes: visit(box, its first row). The rows of each box follow one another.
  void for_each_box(std::int64_t first, std::int64_t count,
                    const std::function<void(const Box&, std::int64_t)>& visit) const;

  /// Returns the distance, in values, of neighbours along each axis, in memory where the rows lie
  /// one after another and each holds `row_shape` values along the other axes.
  std::vector<std::int64_t> strides_in_rows(const std::vector<std::int64_t>& row_shape) const;

  /// Returns the blocks of an array that is stored in chunks of this shape.
  RowBlocks blocks_of_chunks(const std::vector<std::int64_t>& chunk) const;

 private:
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t>
      steps_;  // rows from one place to the next along an axis; 0: no row axis
  std::int64_t rows_ = 1, row_values_ = 1;
  bool lead_ = true;
};

}  // namespace vae_dist::hdf5
