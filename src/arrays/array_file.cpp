#include "arrays/array_file.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/list_of_ten.hpp"

namespace vae_dist::arrays {
namespace {

// A layout with as many letters as the dataset has axes, or the shape of images.
bool is_candidate(const hdf5::Hdf5Dataset& dataset, const std::string& layout) {
  if (!dataset.number()) return false;
  if (is_image_shaped(dataset.shape())) return true;
  return layout != "auto" && dataset.shape().size() == layout.size() && dataset.shape().size() > 1;
}

hdf5::Hdf5Dataset only_candidate(const hdf5::Hdf5File& file, const std::string& layout) {
  std::vector<hdf5::Hdf5Dataset> candidates;
  std::vector<std::string> all;
  const hdf5::Hdf5File::Contents contents = file.contents();
  for (const std::string& path : contents.datasets) {
    hdf5::Hdf5Dataset d = file.dataset(path);
    all.push_back(base::text(path, " ", hdf5::shape_text(d.shape()), " ", d.type_name()));
    if (is_candidate(d, layout)) candidates.push_back(std::move(d));
  }
  if (candidates.size() == 1) return candidates[0];
  for (const std::string& link : contents.dangling_links)
    all.push_back(base::text(link, ": a link whose target does not exist"));
  throw base::BadInput(base::text(
      file.path(), ": ",
      candidates.empty() ? "no dataset looks like images ([N, H, W], [N, H, W, C] or [N, C, H, W])"
                         : "several datasets look like images",
      "; choose one with data.train.dataset. The file holds:",
      all.empty() ? " nothing" : "\n  " + base::list_of_ten(all, "\n  ")));
}

std::string place_of(const hdf5::Hdf5Dataset& dataset) {
  return base::text(dataset.file(), ":/", dataset.path());
}

std::string kind_of(const ArrayFile::Part& part) {
  const hdf5::Hdf5Dataset& dataset = part.stored->dataset();
  return base::text(place_of(dataset), " is ", hdf5::shape_text(dataset.shape()), " ",
                    dataset.type_name());
}

}  // namespace

void ArrayFile::read_sparse(const hdf5::Hdf5File& file, const ArrayChoice& choice) {
  sparse_path_ = choice.datasets.front();
  sparse_ = std::make_unique<hdf5::SparseRows>(file, sparse_path_);
  if (choice.layout != "auto" && choice.layout != "NV")
    throw base::BadInput(base::text(where(),
                                    " is a sparse matrix, whose rows are vectors (layout "
                                    "NV), not ",
                                    choice.layout));
  shape_ = {sparse_->columns(), {}};
  layout_ = SampleLayout("V");
  if (rows() == 0 || shape_.values() == 0)
    throw base::BadInput(base::text(where(), ": there are no vectors in it"));
}

ArrayFile::ArrayFile(const std::string& name, const ArrayChoice& choice, bool may_close,
                     const ArrayFile* like) {
  const hdf5::Hdf5File file = hdf5::Hdf5File::open(name);
  const bool may_be_sparse = choice.datasets.size() == 1 && (!like || like->sparse());
  if (may_be_sparse && hdf5::SparseRows::is_at(file, choice.datasets.front())) {
    read_sparse(file, choice);
    if (like) like->require_alike(*this);
    return;
  }
  std::vector<hdf5::Hdf5Dataset> datasets;
  for (const std::string& path : choice.datasets) datasets.push_back(file.dataset(path));
  if (datasets.empty()) datasets.push_back(only_candidate(file, choice.layout));
  for (hdf5::Hdf5Dataset& dataset : datasets) {
    const std::string where = place_of(dataset);
    Part part;
    part.axes = find_axes(dataset.shape(), choice.layout,
                          choice.layout == "auto" ? hints_of(dataset) : AxesHints{}, where);
    if (may_close) dataset.close_when_idle();
    part.stored = std::make_unique<hdf5::StoredRows>(std::move(dataset), part.axes.sample_axes());
    const SampleShape shape = part.axes.sample().shape(part.row_shape());
    if (part.stored->rows() == 0 || shape.values() == 0)
      throw base::BadInput(base::text(where, " has shape ",
                                      hdf5::shape_text(part.stored->dataset().shape()),
                                      ": there are no ", shape.plural(), " in it"));
    part.channels = shape.channels;
    if (parts_.empty()) {
      shape_ = shape;
      layout_ = part.axes.sample();
    } else {
      if (part.stored->rows() != rows() || shape.space != shape_.space)
        throw base::BadInput(base::text(
            "datasets that are the channels of the same samples must have the same rows and "
            "space: ",
            kind_of(parts_.front()), ", but ", kind_of(part)));
      part.first_channel = shape_.channels;
      shape_.channels += shape.channels;
    }
    parts_.push_back(std::move(part));
  }
  if (like) like->require_alike(*this);
  if (parts_.size() == 1) return;
  std::string axes = shape_.space.empty() ? "V" : "C";
  for (const char axis : layout_.axes())
    if (axis == 'D' || axis == 'H' || axis == 'W') axes += axis;
  layout_ = SampleLayout(axes);
}

ArrayFile::ArrayFile(const ArrayFile& like, const std::shared_ptr<const hdf5::OffsetFile>& twin)
    : shape_(like.shape_), layout_(like.layout_), is_twin_(true) {
  for (const Part& part : like.parts_)
    parts_.push_back({std::make_unique<hdf5::StoredRows>(*part.stored, twin), part.axes,
                      part.channels, part.first_channel});
}

hdf5::RowBlocks ArrayFile::blocks() const {
  if (sparse_) return sparse_->blocks();
  hdf5::RowBlocks longest = first().blocks();
  for (const Part& part : parts_)
    if (part.stored->blocks().longest() > longest.longest()) longest = part.stored->blocks();
  return longest;
}

bool ArrayFile::holds_bytes() const {
  return !sparse_ && std::all_of(parts_.begin(), parts_.end(),
                                 [](const Part& part) { return part.stored->number().is_byte(); });
}

std::string ArrayFile::where() const {
  if (sparse_) return base::text(sparse_->values().dataset().file(), ":/", sparse_path_);
  std::string out = place_of(first().dataset());
  for (std::size_t i = 1; i < parts_.size(); ++i) out += ", " + parts_[i].stored->dataset().path();
  return out;
}

// Throws BadInput unless the samples of `other` have the same axes, shape and types.
void ArrayFile::require_alike(const ArrayFile& other) const {
  if (!sparse_ != !other.sparse_ || (sparse_ && shape_ != other.shape_))
    throw base::BadInput(base::text("the files do not hold the same kind of ", shape_.plural(),
                                    ": ", where(), " has ", shape_.text(), " values, ",
                                    other.where(), " has ", other.shape_.text()));
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part &here = parts_[i], &there = other.parts_[i];
    if (here.axes == there.axes && here.row_shape() == there.row_shape() &&
        here.stored->number() == there.stored->number())
      continue;
    throw base::BadInput(base::text("the files do not hold the same kind of ", shape_.plural(),
                                    ": ", kind_of(here), ", but ", kind_of(there)));
  }
}

}  // namespace vae_dist::arrays
