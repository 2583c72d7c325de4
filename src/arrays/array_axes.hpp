// What the axes of a dataset mean: which number the samples, which are channels, space, or the
// values of a vector. Given by a word of letters, or found from the shape and from what the file
// says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arrays/sample_layout.hpp"
#include "hdf5/dataset.hpp"

namespace vae_dist::arrays {

/// A letter for each axis of a dataset: N samples (several are counted together, the last one
/// fastest), C channels, D H W space, V the values of a vector.
struct ArrayAxes {
  std::string letters;

  std::vector<std::size_t> sample_axes() const;  ///< the positions of N
  SampleLayout sample() const;                   ///< the other letters
  bool operator==(const ArrayAxes&) const = default;
};

/// Returns why `word` is no layout, to be said after it; empty if it is one: "auto", or letters of
/// which all but N stand once at most: W, H and W, or D, H and W in any order, with or without C;
/// or V. One letter may stand in parentheses: such an axis is there only in datasets that have as
/// many axes ("NNHW(C)").
std::string why_not_a_layout(const std::string& word);

/// What a file says about the order of a dataset's axes.
struct AxesHints {
  bool one_image = false;  ///< HDF5's attribute CLASS = IMAGE: the whole dataset is one picture
  bool matlab = false;     ///< written by MATLAB, whose axes are reversed in HDF5
  std::string axes = {};   ///< letters by the names of the axes; '?' for a name that says nothing;
                           ///< empty if they have no names
};

/// Reads the hints: labels of the axes and names of their dimension scales (HDF5's Dimension Scales
/// specification, which netCDF-4 and xarray use), the attributes of The Well's fields
/// (sample_varying, time_varying, dim_varying), AnnData's encoding-type, MATLAB_class, CLASS.
AxesHints hints_of(const hdf5::Hdf5Dataset& dataset);

/// Finds the axes of a dataset of this shape. wanted: a layout (why_not_a_layout()). `where` names
/// the dataset in messages. Throws BadInput if the wanted layout does not fit. With auto, also
/// throws BadInput if the shape could mean something else, and says what.
ArrayAxes find_axes(const std::vector<std::int64_t>& shape, const std::string& wanted,
                    const AxesHints& hints, const std::string& where);

/// Returns whether the shape may be that of images; labels [N] and factors [N, k] are not.
bool is_image_shaped(const std::vector<std::int64_t>& shape);

}  // namespace vae_dist::arrays
