#include "datasets/stored_file.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "hdf5/file.hpp"
#include "hdf5/library.hpp"
#include "datasets/stored_attributes.hpp"

namespace vae_dist {

StoredFile StoredFile::open(const std::string& path) {
  Hdf5File::open(path);   // says best what is wrong
  LibraryCall call;
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, file_access(path, FileUse::read).id());
  if (id < 0) throw BadInput(text("cannot read ", path, ": ", reason()));
  return StoredFile(std::make_shared<Hdf5Handle>(id, H5Fclose), path);
}

StoredFile StoredFile::create(const std::string& path) {
  Hdf5File::create(path).close();
  LibraryCall call;
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDWR, file_access(path, FileUse::write).id());
  if (id < 0) throw BadInput(text("cannot write ", path, ": ", reason()));
  return StoredFile(std::make_shared<Hdf5Handle>(id, H5Fclose), path);
}

StoredDataset StoredFile::dataset(const std::string& path) const {
  LibraryCall call;
  const hid_t id = H5Dopen2(id_->id(), path.c_str(), H5P_DEFAULT);
  if (id < 0) throw BadInput(text(path_, ", dataset '", path, "': ", reason()));
  return StoredDataset(std::make_shared<Hdf5Handle>(id, H5Dclose, id_), path_, path);
}

StoredDataset StoredFile::create_like(const StoredDataset& like, std::int64_t rows, std::int64_t chunk_rows, const Compression& compression) {
  LibraryCall call;
  const std::string where = text(path_, ", dataset '", like.path(), "'");
  std::vector<hsize_t> extent(like.shape().begin(), like.shape().end());
  extent[0] = static_cast<hsize_t>(rows);
  const Hdf5Handle space = checked(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose, where);
  const Hdf5Handle type = checked(H5Dget_type(like.id_->id()), H5Tclose, where);
  const Hdf5Handle links = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where), creation = checked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, where);
  check(H5Pset_create_intermediate_group(links.id(), 1), where);
  check(H5Pset_obj_track_times(creation.id(), false), where);   // equal content, equal bytes
  extent[0] = static_cast<hsize_t>(std::min(rows, chunk_rows));
  check(H5Pset_chunk(creation.id(), static_cast<int>(extent.size()), extent.data()), where);
  if (compression.shuffles(like.element_bytes())) check(H5Pset_shuffle(creation.id()), where);
  if (compression.deflate_level > 0) check(H5Pset_deflate(creation.id(), static_cast<unsigned>(compression.deflate_level)), where);
  const hid_t id = H5Dcreate2(id_->id(), like.path().c_str(), type.id(), space.id(), links.id(), creation.id(), H5P_DEFAULT);
  if (id < 0) throw Failure(text(where, ": ", reason()));
  return StoredDataset(std::make_shared<Hdf5Handle>(id, H5Dclose, id_), path_, like.path());
}

void StoredFile::copy(const StoredFile& from, const std::string& path) {
  LibraryCall call;
  const std::string where = text(from.path(), ", dataset '", path, "'");
  const Hdf5Handle links = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where);
  check(H5Pset_create_intermediate_group(links.id(), 1), where);
  if (H5Ocopy(from.id_->id(), path.c_str(), id_->id(), path.c_str(), H5P_DEFAULT, links.id()) < 0) throw Failure(text(where, " cannot be copied: ", reason()));
}

std::vector<std::string> StoredFile::copy_attributes(const StoredFile& from) {
  LibraryCall call;
  return copy_attributes_of(from.id_->id(), id_->id(), from.path_);
}

void StoredFile::close() {
  LibraryCall call;
  if (!id_->close()) throw Failure(text("cannot finish writing ", path_, ": ", reason()));
}

}  // namespace vae_dist
