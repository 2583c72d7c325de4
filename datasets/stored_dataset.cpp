#include "datasets/stored_dataset.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "datasets/stored_attributes.hpp"
#include "hdf5/library.hpp"

namespace vae_dist::datasets {
namespace {

std::vector<hsize_t> sizes(const std::vector<std::int64_t>& from) {
  return {from.begin(), from.end()};
}

// The file and memory dataspaces for the transfer of a box.
struct Transfer {
  hdf5::Hdf5Handle file, memory;
  Transfer(hid_t dataset, const std::vector<std::int64_t>& first,
           const std::vector<std::int64_t>& count, const std::string& where)
      : file(hdf5::checked(H5Dget_space(dataset), H5Sclose, where)),
        memory(hdf5::checked(count.empty() ? H5Screate(H5S_SCALAR)
                                           : H5Screate_simple(static_cast<int>(count.size()),
                                                              sizes(count).data(), nullptr),
                             H5Sclose, where)) {
    if (!count.empty())
      hdf5::check(H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, sizes(first).data(), nullptr,
                                      sizes(count).data(), nullptr),
                  where);
  }
};

}  // namespace

std::size_t element_count(const std::vector<std::int64_t>& sizes) {
  std::size_t out = 1;
  for (const std::int64_t size : sizes) out *= static_cast<std::size_t>(size);
  return out;
}

StoredDataset::StoredDataset(std::shared_ptr<hdf5::Hdf5Handle> id, std::string file,
                             std::string path)
    : id_(std::move(id)),
      file_(std::move(file)),
      path_(std::move(path)),
      where_(base::text(file_, ", dataset '", path_, "'")) {
  hdf5::LibraryCall call;
  const hdf5::Hdf5Handle space = hdf5::checked(H5Dget_space(id_->id()), H5Sclose, where_),
                         type = hdf5::checked(H5Dget_type(id_->id()), H5Tclose, where_);
  const hdf5::Hdf5Handle creation = hdf5::checked(H5Dget_create_plist(id_->id()), H5Pclose, where_);
  std::vector<hsize_t> extent(
      static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(space.id()))));
  hdf5::check(H5Sget_simple_extent_dims(space.id(), extent.data(), nullptr), where_);
  shape_ = {extent.begin(), extent.end()};
  is_empty_ = H5Sget_simple_extent_npoints(space.id()) <= 0;
  element_bytes_ = H5Tget_size(type.id());
  plain_ = is_plain_type(type.id());
  if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
    hdf5::check(H5Pget_chunk(creation.id(), static_cast<int>(extent.size()), extent.data()),
                where_);
    chunk_ = {extent.begin(), extent.end()};
  }
}

std::size_t StoredDataset::row_bytes() const {
  std::size_t out = element_bytes_;
  for (std::size_t i = 1; i < shape_.size(); ++i) out *= static_cast<std::size_t>(shape_[i]);
  return out;
}

bool StoredDataset::same_type(const StoredDataset& other) const {
  hdf5::LibraryCall call;
  const hdf5::Hdf5Handle mine = hdf5::checked(H5Dget_type(id_->id()), H5Tclose, where_),
                         others =
                             hdf5::checked(H5Dget_type(other.id_->id()), H5Tclose, other.where_);
  return H5Tequal(mine.id(), others.id()) > 0;
}

std::string StoredDataset::checksum() const {
  hdf5::LibraryCall call;
  const hdf5::Hdf5Handle creation = hdf5::checked(H5Dget_create_plist(id_->id()), H5Pclose, where_);
  bool fletcher = false, deflate = false;
  for (int i = 0; i < H5Pget_nfilters(creation.id()); ++i) {
    unsigned flags = 0, config = 0;
    std::size_t count = 0;
    const H5Z_filter_t filter = H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags,
                                               &count, nullptr, 0, nullptr, &config);
    fletcher = fletcher || filter == H5Z_FILTER_FLETCHER32;
    deflate = deflate || filter == H5Z_FILTER_DEFLATE;
  }
  return fletcher ? "Fletcher32" : deflate ? "deflate's Adler-32" : "nothing";
}

void StoredDataset::read(const std::vector<std::int64_t>& first,
                         const std::vector<std::int64_t>& count,
                         std::span<std::uint8_t> out) const {
  hdf5::LibraryCall call;
  if (out.size() != element_count(count) * element_bytes_)
    throw base::Failure(base::text(where_, ": a box of ", element_count(count),
                                   " elements does not fill a buffer of ", out.size(), " bytes"));
  const hdf5::Hdf5Handle type = hdf5::checked(H5Dget_type(id_->id()), H5Tclose, where_);
  const Transfer box(id_->id(), first, count, where_);
  if (H5Dread(id_->id(), type.id(), box.memory.id(), box.file.id(), H5P_DEFAULT, out.data()) < 0)
    throw base::BadInput(hdf5::reason());
}

Numbers StoredDataset::look_at(const std::vector<std::int64_t>& first,
                               const std::vector<std::int64_t>& count) const {
  std::vector<double> numbers;
  {
    hdf5::LibraryCall call;
    const hdf5::Hdf5Handle type = hdf5::checked(H5Dget_type(id_->id()), H5Tclose, where_);
    const Transfer box(id_->id(), first, count, where_);
    const auto read_as = [&](hid_t memory_type, void* out) {
      if (H5Dread(id_->id(), memory_type, box.memory.id(), box.file.id(), H5P_DEFAULT, out) < 0)
        throw base::BadInput(hdf5::reason());
    };
    const H5T_class_t kind = H5Tget_class(type.id());
    if (kind == H5T_INTEGER || kind == H5T_FLOAT) {
      numbers.resize(element_count(count));
      read_as(H5T_NATIVE_DOUBLE, numbers.data());
    } else {
      std::vector<std::uint8_t> bytes(element_count(count) * element_bytes_);
      read_as(type.id(), bytes.data());
      if (!plain_) H5Dvlen_reclaim(type.id(), box.memory.id(), H5P_DEFAULT, bytes.data());
    }
  }
  return numbers_of(numbers);
}

void StoredDataset::write_chunk(std::int64_t first_row, std::span<const std::uint8_t> encoded) {
  hdf5::LibraryCall call;
  std::vector<hsize_t> offset(shape_.size(), 0);
  offset[0] = static_cast<hsize_t>(first_row);
  if (H5Dwrite_chunk(id_->id(), H5P_DEFAULT, 0, offset.data(), encoded.size(), encoded.data()) < 0)
    throw base::Failure(
        base::text(where_, ": cannot write the chunk at row ", first_row, ": ", hdf5::reason()));
}

std::vector<std::string> StoredDataset::copy_attributes(const StoredDataset& from) {
  hdf5::LibraryCall call;
  return copy_attributes_of(from.id_->id(), id_->id(), from.where_);
}

}  // namespace vae_dist::datasets
