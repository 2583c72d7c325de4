#include "datasets/stored_dataset.hpp"

#include <hdf5.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "data/hdf5_file.hpp"

namespace vae_dist {

// An HDF5 id that closes itself.
class StoredId {
 public:
  using Close = herr_t (*)(hid_t);
  StoredId(hid_t id, Close closer) : id_(id), closer_(closer) {}
  StoredId(StoredId&& other) noexcept : id_(std::exchange(other.id_, -1)), closer_(other.closer_) {}
  ~StoredId() { close(); }

  hid_t id() const { return id_; }
  bool close() { return id_ < 0 || closer_(std::exchange(id_, -1)) >= 0; }

 private:
  hid_t id_;
  Close closer_;
};

namespace {

// The innermost cause, as "inflate() failed". Every HDF5 call clears it: ask at once.
std::string reason() {
  std::string cause = "HDF5 gives no reason";
  const auto keep_last = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    if (error->desc) *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_last, &cause);
  return cause;
}

StoredId checked(hid_t id, StoredId::Close closer, const std::string& where) {
  if (id < 0) throw Failure(text(where, ": ", reason()));
  return StoredId(id, closer);
}

void check(herr_t result, const std::string& where) {
  if (result < 0) throw Failure(text(where, ": ", reason()));
}

// As hdf5_file.cpp's: who opens a file twice must ask for the same.
StoredId file_access(const std::string& path) {
  StoredId access = checked(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, path);
  check(H5Pset_file_locking(access.id(), false, true), path);
  check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), path);
  return access;
}

std::vector<hsize_t> sizes(const std::vector<std::int64_t>& from) { return {from.begin(), from.end()}; }

std::size_t product(const std::vector<std::int64_t>& from) {
  std::size_t out = 1;
  for (const std::int64_t size : from) out *= static_cast<std::size_t>(size);
  return out;
}

// H5Tdetect_class does not see text of variable length inside compounds.
bool is_plain_type(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_VLEN:
    case H5T_REFERENCE:
    case H5T_NO_CLASS: return false;
    case H5T_STRING: return H5Tis_variable_str(type) == 0;
    case H5T_ARRAY: return is_plain_type(StoredId(H5Tget_super(type), H5Tclose).id());
    case H5T_COMPOUND: break;
    default: return true;
  }
  for (int i = 0; i < H5Tget_nmembers(type); ++i)
    if (!is_plain_type(StoredId(H5Tget_member_type(type, static_cast<unsigned>(i)), H5Tclose).id())) return false;
  return true;
}

// The two data spaces of a transfer of a box.
struct Box {
  StoredId file, memory;
  Box(hid_t dataset, const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count, const std::string& where)
      : file(checked(H5Dget_space(dataset), H5Sclose, where)),
        memory(checked(count.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(count.size()), sizes(count).data(), nullptr), H5Sclose, where)) {
    if (!count.empty()) check(H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, sizes(first).data(), nullptr, sizes(count).data(), nullptr), where);
  }
};

template <typename T>
StoredDataset::Numbers range_of(const std::vector<T>& values) {
  StoredDataset::Numbers out{.values = static_cast<std::int64_t>(values.size()), .least = std::numeric_limits<double>::infinity(), .greatest = -std::numeric_limits<double>::infinity()};
  if constexpr (std::is_integral_v<T>) {
    const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
    if (!values.empty()) out.least = static_cast<double>(*least), out.greatest = static_cast<double>(*greatest);
  } else {
    for (const T value : values) {
      if (std::isnan(value)) {
        ++out.not_a_number;
      } else if (std::isinf(value)) {
        ++out.infinite;
      } else {
        out.least = std::min<double>(out.least, value);
        out.greatest = std::max<double>(out.greatest, value);
      }
    }
  }
  return out;
}

// An attribute that refers to something is kept only where it refers to nothing: Fuel's `split` has such a field, mostly empty.
bool refers_to_something(hid_t type, const std::vector<std::uint8_t>& bytes) {
  if (H5Tdetect_class(type, H5T_REFERENCE) <= 0) return false;
  if (H5Tget_class(type) != H5T_COMPOUND) return true;
  const std::size_t record = H5Tget_size(type);
  for (int i = 0; i < H5Tget_nmembers(type); ++i) {
    const StoredId member(H5Tget_member_type(type, static_cast<unsigned>(i)), H5Tclose);
    if (H5Tdetect_class(member.id(), H5T_REFERENCE) <= 0) continue;
    const std::size_t offset = H5Tget_member_offset(type, static_cast<unsigned>(i)), width = H5Tget_size(member.id());
    for (std::size_t at = offset; at + width <= bytes.size(); at += record)
      if (std::any_of(&bytes[at], &bytes[at] + width, [](std::uint8_t b) { return b != 0; })) return true;
  }
  return false;
}

std::vector<std::string> copy_attributes_of(hid_t from, hid_t to, const std::string& where) {
  std::vector<std::string> names, left_out;
  const auto collect = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  check(H5Aiterate2(from, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names), where);
  for (const std::string& name : names) {
    const std::string place = text(where, ", attribute '", name, "'");
    const StoredId attribute = checked(H5Aopen(from, name.c_str(), H5P_DEFAULT), H5Aclose, place);
    const StoredId type = checked(H5Aget_type(attribute.id()), H5Tclose, place), space = checked(H5Aget_space(attribute.id()), H5Sclose, place);
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(std::max<hssize_t>(H5Sget_simple_extent_npoints(space.id()), 0)) * H5Tget_size(type.id()));
    if (!bytes.empty()) check(H5Aread(attribute.id(), type.id(), bytes.data()), place);
    const bool refers = refers_to_something(type.id(), bytes);
    if (refers) {
      left_out.push_back(name);
    } else {
      const StoredId copy = checked(H5Acreate2(to, name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, place);
      if (!bytes.empty()) check(H5Awrite(copy.id(), type.id(), bytes.data()), place);
    }
    if (!bytes.empty() && !is_plain_type(type.id())) H5Dvlen_reclaim(type.id(), space.id(), H5P_DEFAULT, bytes.data());
  }
  return left_out;
}

}  // namespace

StoredDataset::StoredDataset(std::shared_ptr<StoredId> file, std::shared_ptr<StoredId> id, std::string file_name, std::string path)
    : file_(std::move(file)), id_(std::move(id)), path_(std::move(path)), place_(text(file_name, ", dataset '", path_, "'")) {
  const StoredId space = checked(H5Dget_space(id_->id()), H5Sclose, place_), type = checked(H5Dget_type(id_->id()), H5Tclose, place_);
  const StoredId creation = checked(H5Dget_create_plist(id_->id()), H5Pclose, place_);
  std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(space.id()))));
  check(H5Sget_simple_extent_dims(space.id(), extent.data(), nullptr), place_);
  shape_ = {extent.begin(), extent.end()};
  is_empty_ = H5Sget_simple_extent_npoints(space.id()) <= 0;
  element_bytes_ = H5Tget_size(type.id());
  plain_ = is_plain_type(type.id());
  if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
    check(H5Pget_chunk(creation.id(), static_cast<int>(extent.size()), extent.data()), place_);
    chunk_ = {extent.begin(), extent.end()};
  }
}

std::size_t StoredDataset::row_bytes() const {
  std::size_t out = element_bytes_;
  for (std::size_t i = 1; i < shape_.size(); ++i) out *= static_cast<std::size_t>(shape_[i]);
  return out;
}

bool StoredDataset::same_type(const StoredDataset& other) const {
  const StoredId mine = checked(H5Dget_type(id_->id()), H5Tclose, place_), others = checked(H5Dget_type(other.id_->id()), H5Tclose, other.place_);
  return H5Tequal(mine.id(), others.id()) > 0;
}

std::string StoredDataset::checksum() const {
  const StoredId creation = checked(H5Dget_create_plist(id_->id()), H5Pclose, place_);
  bool fletcher = false, deflate = false;
  for (int i = 0; i < H5Pget_nfilters(creation.id()); ++i) {
    unsigned flags = 0, config = 0;
    std::size_t count = 0;
    const H5Z_filter_t filter = H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags, &count, nullptr, 0, nullptr, &config);
    fletcher = fletcher || filter == H5Z_FILTER_FLETCHER32;
    deflate = deflate || filter == H5Z_FILTER_DEFLATE;
  }
  return fletcher ? "Fletcher32" : deflate ? "deflate's Adler-32" : "nothing";
}

void StoredDataset::read(const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count, std::span<std::uint8_t> out) const {
  if (out.size() != product(count) * element_bytes_) throw Failure(text(place_, ": a box of ", product(count), " elements is not ", out.size(), " bytes"));
  const StoredId type = checked(H5Dget_type(id_->id()), H5Tclose, place_);
  const Box box(id_->id(), first, count, place_);
  if (H5Dread(id_->id(), type.id(), box.memory.id(), box.file.id(), H5P_DEFAULT, out.data()) < 0) throw BadInput(reason());
}

void StoredDataset::Numbers::add(const Numbers& other) {
  if (other.any_finite()) {
    least = any_finite() ? std::min(least, other.least) : other.least;
    greatest = any_finite() ? std::max(greatest, other.greatest) : other.greatest;
  }
  values += other.values;
  not_a_number += other.not_a_number;
  infinite += other.infinite;
}

StoredDataset::Numbers StoredDataset::look_at(const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count) const {
  const StoredId type = checked(H5Dget_type(id_->id()), H5Tclose, place_);
  const Box box(id_->id(), first, count, place_);
  const auto read_as = [&](hid_t memory_type, void* out) {
    if (H5Dread(id_->id(), memory_type, box.memory.id(), box.file.id(), H5P_DEFAULT, out) < 0) throw BadInput(reason());
  };
  const H5T_class_t kind = H5Tget_class(type.id());
  if (kind == H5T_INTEGER && element_bytes_ == 1 && H5Tget_sign(type.id()) == H5T_SGN_NONE) {
    std::vector<std::uint8_t> values(product(count));
    read_as(H5T_NATIVE_UINT8, values.data());
    return range_of(values);
  }
  if (kind == H5T_INTEGER) {
    std::vector<std::int64_t> values(product(count));
    read_as(H5T_NATIVE_INT64, values.data());
    return range_of(values);
  }
  if (kind == H5T_FLOAT) {
    std::vector<double> values(product(count));
    read_as(H5T_NATIVE_DOUBLE, values.data());
    return range_of(values);
  }
  std::vector<std::uint8_t> bytes(product(count) * element_bytes_);
  read_as(type.id(), bytes.data());
  if (!plain_) H5Dvlen_reclaim(type.id(), box.memory.id(), H5P_DEFAULT, bytes.data());
  return {};
}

void StoredDataset::write_chunk(std::int64_t first_row, std::span<const std::uint8_t> encoded) {
  std::vector<hsize_t> offset(shape_.size(), 0);
  offset[0] = static_cast<hsize_t>(first_row);
  if (H5Dwrite_chunk(id_->id(), H5P_DEFAULT, 0, offset.data(), encoded.size(), encoded.data()) < 0)
    throw Failure(text(place_, ": cannot write the chunk at row ", first_row, ": ", reason()));
}

std::vector<std::string> StoredDataset::copy_attributes(const StoredDataset& from) { return copy_attributes_of(from.id_->id(), id_->id(), from.place_); }

StoredFile StoredFile::open(const std::string& path) {
  Hdf5File::open(path);   // says best what is wrong; and HDF5 does not print its errors from here on
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, file_access(path).id());
  if (id < 0) throw BadInput(text("cannot read ", path, ": ", reason()));
  return StoredFile(std::make_shared<StoredId>(id, H5Fclose), path);
}

StoredFile StoredFile::create(const std::string& path) {
  Hdf5File::create(path).close();
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDWR, file_access(path).id());
  if (id < 0) throw BadInput(text("cannot write ", path, ": ", reason()));
  return StoredFile(std::make_shared<StoredId>(id, H5Fclose), path);
}

StoredDataset StoredFile::dataset(const std::string& path) const {
  const hid_t id = H5Dopen2(id_->id(), path.c_str(), H5P_DEFAULT);
  if (id < 0) throw BadInput(text(path_, ", dataset '", path, "': ", reason()));
  return StoredDataset(id_, std::make_shared<StoredId>(id, H5Dclose), path_, path);
}

StoredDataset StoredFile::create_like(const StoredDataset& like, std::int64_t rows, std::int64_t chunk_rows, const Compression& compression) {
  const std::string where = text(path_, ", dataset '", like.path(), "'");
  std::vector<hsize_t> extent = sizes(like.shape());
  extent[0] = static_cast<hsize_t>(rows);
  const StoredId space = checked(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose, where);
  const StoredId type = checked(H5Dget_type(like.id_->id()), H5Tclose, where);
  const StoredId links = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where), creation = checked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, where);
  check(H5Pset_create_intermediate_group(links.id(), 1), where);
  check(H5Pset_obj_track_times(creation.id(), false), where);   // equal content, equal bytes
  extent[0] = static_cast<hsize_t>(std::min(rows, chunk_rows));
  check(H5Pset_chunk(creation.id(), static_cast<int>(extent.size()), extent.data()), where);
  if (compression.shuffles(like.element_bytes())) check(H5Pset_shuffle(creation.id()), where);
  if (compression.deflate_level > 0) check(H5Pset_deflate(creation.id(), static_cast<unsigned>(compression.deflate_level)), where);
  const hid_t id = H5Dcreate2(id_->id(), like.path().c_str(), type.id(), space.id(), links.id(), creation.id(), H5P_DEFAULT);
  if (id < 0) throw Failure(text(where, ": ", reason()));
  return StoredDataset(id_, std::make_shared<StoredId>(id, H5Dclose), path_, like.path());
}

void StoredFile::copy(const StoredFile& from, const std::string& path) {
  const std::string where = text(from.path(), ", dataset '", path, "'");
  const StoredId links = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where);
  check(H5Pset_create_intermediate_group(links.id(), 1), where);
  if (H5Ocopy(from.id_->id(), path.c_str(), id_->id(), path.c_str(), H5P_DEFAULT, links.id()) < 0) throw Failure(text(where, " cannot be copied: ", reason()));
}

std::vector<std::string> StoredFile::copy_attributes(const StoredFile& from) { return copy_attributes_of(from.id_->id(), id_->id(), from.path_); }

void StoredFile::close() {
  if (!id_->close()) throw Failure(text("cannot finish writing ", path_, ": ", reason()));
}

namespace {

// Without chunks: blocks of whole rows.
std::vector<std::int64_t> steps_of(const StoredDataset& dataset) {
  if (!dataset.chunk().empty()) return dataset.chunk();
  std::vector<std::int64_t> out = dataset.shape();
  constexpr std::size_t kBlock = 16 << 20;
  if (!out.empty()) out[0] = std::max<std::int64_t>(1, static_cast<std::int64_t>(kBlock / std::max<std::size_t>(dataset.row_bytes(), 1)));
  return out;
}

}  // namespace

void for_each_chunk(const StoredDataset& dataset, const std::function<void(const std::vector<std::int64_t>&, const std::vector<std::int64_t>&)>& visit) {
  if (count_chunks(dataset) == 0) return;
  const std::vector<std::int64_t> shape = dataset.shape(), steps = steps_of(dataset);
  std::vector<std::int64_t> first(shape.size(), 0), count(shape.size());
  for (;;) {
    for (std::size_t i = 0; i < shape.size(); ++i) count[i] = std::min(steps[i], shape[i] - first[i]);
    visit(first, count);
    // The next box: the last axis goes first.
    std::size_t axis = shape.size();
    for (; axis > 0; --axis) {
      first[axis - 1] += steps[axis - 1];
      if (first[axis - 1] < shape[axis - 1]) break;
      first[axis - 1] = 0;
    }
    if (axis == 0) return;
  }
}

std::int64_t count_chunks(const StoredDataset& dataset) {
  if (dataset.is_empty()) return 0;
  const std::vector<std::int64_t> steps = steps_of(dataset);
  std::int64_t out = 1;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    out *= (dataset.shape()[i] + steps[i] - 1) / steps[i];
  }
  return out;
}

}  // namespace vae_dist
