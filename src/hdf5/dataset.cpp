#include "hdf5/dataset.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "hdf5/library.hpp"
#include "hdf5/open_dataset.hpp"

namespace vae_dist::hdf5 {
namespace {

template <typename T>
hid_t memory_type();
template <>
hid_t memory_type<std::uint8_t>() {
  return H5T_NATIVE_UINT8;
}
template <>
hid_t memory_type<std::int64_t>() {
  return H5T_NATIVE_INT64;
}
template <>
hid_t memory_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t memory_type<double>() {
  return H5T_NATIVE_DOUBLE;
}

std::string name_of(hid_t type) {
  const std::size_t bits = 8 * H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return base::text(H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int", bits);
    case H5T_FLOAT:
      return base::text("float", bits);
    case H5T_STRING:
      return "string";
    case H5T_ENUM:
      return "boolean or enumeration";
    case H5T_COMPOUND:
      return "compound";
    case H5T_ARRAY:
      return "array";
    case H5T_VLEN:
      return "variable-length list";
    case H5T_REFERENCE:
      return "reference";
    case H5T_BITFIELD:
      return "bit field";
    default:
      return "opaque";
  }
}

ElementType element_type(hid_t type) {
  const std::size_t bytes = H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return bytes == 1 && H5Tget_sign(type) == H5T_SGN_NONE ? ElementType::uint8
                                                             : ElementType::int64;
    case H5T_FLOAT:
      return bytes == 4   ? ElementType::float32
             : bytes == 8 ? ElementType::float64
                          : ElementType::other;
    default:
      return ElementType::other;
  }
}

std::vector<std::int64_t> to_signed(const std::vector<hsize_t>& sizes) {
  return {sizes.begin(), sizes.end()};
}

}  // namespace

Hdf5Dataset::Hdf5Dataset(std::shared_ptr<OpenDataset> open, std::string file, std::string path)
    : open_(std::move(open)), file_(std::move(file)), path_(std::move(path)), data_file_(file_) {
  const Hdf5Handle space = checked(H5Dget_space(id()), H5Sclose, where());
  const Hdf5Handle type = checked(H5Dget_type(id()), H5Tclose, where());
  const Hdf5Handle creation = checked(H5Dget_create_plist(id()), H5Pclose, where());
  std::vector<hsize_t> sizes(
      static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(space.id()))));
  check(H5Sget_simple_extent_dims(space.id(), sizes.data(), nullptr), where());
  shape_ = to_signed(sizes);
  type_ = element_type(type.id());
  type_name_ = name_of(type.id());
  if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
    check(H5Pget_chunk(creation.id(), static_cast<int>(sizes.size()), sizes.data()), where());
    chunk_ = to_signed(sizes);
  }
  find_storage();
}

std::string Hdf5Dataset::where() const {
  const std::string here = base::text(file_, ", dataset '", path_, "'");
  return data_file_ == file_ ? here : base::text(here, " (in ", data_file_, ")");
}

std::int64_t Hdf5Dataset::id() const { return open_->id(); }

void Hdf5Dataset::close_when_idle() {
  LibraryCall call;
  if (H5Pget_layout(checked(H5Dget_create_plist(id()), H5Pclose, where()).id()) != H5D_VIRTUAL)
    open_->close_when_idle(data_file_);
}

Hdf5Dataset Hdf5Dataset::in_twin(const std::string& file, const FileIdentity& identity) const {
  Hdf5Dataset out = *this;
  out.open_ = std::make_shared<OpenDataset>(file, path_, identity);
  out.file_ = out.data_file_ = file;
  out.source_files_ = {file};
  for (StoredSegment& segment : out.segments_) segment.file = file;
  return out;
}

std::uint64_t Hdf5Dataset::stored_bytes() const {
  LibraryCall call;
  return H5Dget_storage_size(id());
}

template <typename T>
void Hdf5Dataset::read(std::int64_t first, std::int64_t rows, std::span<T> out) const {
  check_rows(shape_, first, rows, out.size(), where());
  if (out.empty()) return;
  LibraryCall call;
  const RowTransfer selection(id(), shape_, {first, rows}, where());
  if (H5Dread(id(), memory_type<T>(), selection.memory.id(), selection.file.id(), H5P_DEFAULT,
              out.data()) < 0)
    throw base::Failure(
        base::text(where(), ": cannot read rows ", first, " to ", first + rows, ": ", reason()));
}

template <typename T>
void Hdf5Dataset::write(std::int64_t first, std::int64_t rows, std::span<const T> values) {
  check_rows(shape_, first, rows, values.size(), where());
  if (values.empty()) return;
  LibraryCall call;
  const RowTransfer selection(id(), shape_, {first, rows}, where());
  if (H5Dwrite(id(), memory_type<T>(), selection.memory.id(), selection.file.id(), H5P_DEFAULT,
               values.data()) < 0)
    throw base::Failure(
        base::text(where(), ": cannot write rows ", first, " to ", first + rows, ": ", reason()));
}

void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t rows,
                            std::span<std::uint8_t> out) const {
  read(first, rows, out);
}
void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t rows, std::span<float> out) const {
  read(first, rows, out);
}
void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t rows, std::span<double> out) const {
  read(first, rows, out);
}
void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t rows,
                            std::span<std::int64_t> out) const {
  read(first, rows, out);
}

void Hdf5Dataset::write_rows(std::int64_t first, std::int64_t rows,
                             std::span<const std::uint8_t> values) {
  write(first, rows, values);
}
void Hdf5Dataset::write_rows(std::int64_t first, std::int64_t rows, std::span<const float> values) {
  write(first, rows, values);
}
void Hdf5Dataset::write_rows(std::int64_t first, std::int64_t rows,
                             std::span<const double> values) {
  write(first, rows, values);
}
void Hdf5Dataset::write_rows(std::int64_t first, std::int64_t rows,
                             std::span<const std::int64_t> values) {
  write(first, rows, values);
}

void Hdf5Dataset::shrink(std::int64_t rows) {
  if (rows < 0 || shape_.empty() || rows > shape_[0])
    throw base::Failure(base::text(where(), " of shape ", shape_text(shape_),
                                   " cannot be shrunk to ", rows, " rows"));
  LibraryCall call;
  std::vector<hsize_t> sizes(shape_.begin(), shape_.end());
  sizes[0] = static_cast<hsize_t>(rows);
  check(H5Dset_extent(id(), sizes.data()), where());
  shape_[0] = rows;
}

void Hdf5Dataset::write_chunk(std::int64_t first, std::span<const std::uint8_t> filtered) {
  std::vector<std::int64_t> corner(shape_.size(), 0);
  if (!corner.empty()) corner[0] = first;
  write_chunk(corner, filtered);
}

void Hdf5Dataset::write_chunk(std::span<const std::int64_t> corner,
                              std::span<const std::uint8_t> filtered) {
  bool begins = !chunk_.empty() && corner.size() == shape_.size();
  for (std::size_t axis = 0; begins && axis < corner.size(); ++axis)
    begins = corner[axis] >= 0 && corner[axis] < shape_[axis] && corner[axis] % chunk_[axis] == 0;
  const std::string place = shape_text({corner.begin(), corner.end()});
  if (!begins)
    throw base::Failure(base::text(where(), " of shape ", shape_text(shape_), " and chunks ",
                                   shape_text(chunk_), ": no chunk begins at ", place));
  LibraryCall call;
  const std::vector<hsize_t> offset(corner.begin(), corner.end());
  if (H5Dwrite_chunk(id(), H5P_DEFAULT, 0, offset.data(), filtered.size(), filtered.data()) < 0)
    throw base::Failure(base::text(where(), ": cannot write the chunk at ", place, ": ", reason()));
}

}  // namespace vae_dist::hdf5
