#include "datasets/stored_file.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "datasets/stored_attributes.hpp"
#include "hdf5/file.hpp"
#include "hdf5/library.hpp"

namespace vae_dist::datasets {

StoredFile StoredFile::open(const std::string& path) {
  hdf5::Hdf5File::open(path);  // reports errors more precisely than H5Fopen below
  hdf5::LibraryCall call;
  const hid_t id =
      H5Fopen(path.c_str(), H5F_ACC_RDONLY, hdf5::file_access(path, hdf5::FileUse::read).id());
  if (id < 0) throw base::BadInput(base::text("cannot read ", path, ": ", hdf5::reason()));
  return StoredFile(std::make_shared<hdf5::Hdf5Handle>(id, H5Fclose), path);
}

StoredFile StoredFile::create(const std::string& path) {
  hdf5::Hdf5File::create(path).close();
  hdf5::LibraryCall call;
  const hid_t id =
      H5Fopen(path.c_str(), H5F_ACC_RDWR, hdf5::file_access(path, hdf5::FileUse::write).id());
  if (id < 0) throw base::BadInput(base::text("cannot write ", path, ": ", hdf5::reason()));
  return StoredFile(std::make_shared<hdf5::Hdf5Handle>(id, H5Fclose), path);
}

StoredDataset StoredFile::dataset(const std::string& path) const {
  hdf5::LibraryCall call;
  const hid_t id = H5Dopen2(id_->id(), path.c_str(), H5P_DEFAULT);
  if (id < 0) throw base::BadInput(base::text(path_, ", dataset '", path, "': ", hdf5::reason()));
  return StoredDataset(std::make_shared<hdf5::Hdf5Handle>(id, H5Dclose, id_), path_, path);
}

StoredDataset StoredFile::create_like(const StoredDataset& like, std::int64_t rows,
                                      std::int64_t chunk_rows, const Compression& compression) {
  hdf5::LibraryCall call;
  const std::string where = base::text(path_, ", dataset '", like.path(), "'");
  std::vector<hsize_t> extent(like.shape().begin(), like.shape().end());
  extent[0] = static_cast<hsize_t>(rows);
  const hdf5::Hdf5Handle space = hdf5::checked(
      H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose, where);
  const hdf5::Hdf5Handle type = hdf5::checked(H5Dget_type(like.id_->id()), H5Tclose, where);
  const hdf5::Hdf5Handle links = hdf5::checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where),
                         creation = hdf5::checked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, where);
  hdf5::check(H5Pset_create_intermediate_group(links.id(), 1), where);
  hdf5::check(H5Pset_obj_track_times(creation.id(), false), where);  // for reproducible bytes
  extent[0] = static_cast<hsize_t>(std::min(rows, chunk_rows));
  hdf5::check(H5Pset_chunk(creation.id(), static_cast<int>(extent.size()), extent.data()), where);
  if (compression.shuffles(like.element_bytes())) hdf5::check(H5Pset_shuffle(creation.id()), where);
  if (compression.deflate_level > 0)
    hdf5::check(H5Pset_deflate(creation.id(), static_cast<unsigned>(compression.deflate_level)),
                where);
  const hid_t id = H5Dcreate2(id_->id(), like.path().c_str(), type.id(), space.id(), links.id(),
                              creation.id(), H5P_DEFAULT);
  if (id < 0) throw base::Failure(base::text(where, ": ", hdf5::reason()));
  return StoredDataset(std::make_shared<hdf5::Hdf5Handle>(id, H5Dclose, id_), path_, like.path());
}

void StoredFile::copy(const StoredFile& from, const std::string& path) {
  hdf5::LibraryCall call;
  const std::string where = base::text(from.path(), ", dataset '", path, "'");
  const hdf5::Hdf5Handle links = hdf5::checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where);
  hdf5::check(H5Pset_create_intermediate_group(links.id(), 1), where);
  if (H5Ocopy(from.id_->id(), path.c_str(), id_->id(), path.c_str(), H5P_DEFAULT, links.id()) < 0)
    throw base::Failure(base::text(where, " cannot be copied: ", hdf5::reason()));
}

std::vector<std::string> StoredFile::copy_attributes(const StoredFile& from) {
  hdf5::LibraryCall call;
  return copy_attributes_of(from.id_->id(), id_->id(), from.path_);
}

void StoredFile::close() {
  hdf5::LibraryCall call;
  if (!id_->close())
    throw base::Failure(base::text("cannot finish writing ", path_, ": ", hdf5::reason()));
}

}  // namespace vae_dist::datasets
