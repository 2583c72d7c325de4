#include "hdf5/open_dataset.hpp"

#include "base/descriptor_limit.hpp"
#include "base/error.hpp"
#include "hdf5/least_recently_used.hpp"

namespace vae_dist::hdf5 {
namespace {

LeastRecentlyUsed<OpenDataset>& idle_datasets() {
  static LeastRecentlyUsed<OpenDataset> one;
  return one;
}

}  // namespace

OpenDataset::OpenDataset(Hdf5Handle dataset, std::shared_ptr<Hdf5Handle> file_handle,
                         std::string file, std::string path)
    : dataset_(std::move(dataset)),
      file_handle_(std::move(file_handle)),
      file_(std::move(file)),
      path_(std::move(path)) {}

OpenDataset::OpenDataset(std::string file, std::string path, const FileIdentity& identity)
    : dataset_(-1, H5Dclose),
      file_(std::move(file)),
      path_(std::move(path)),
      data_file_(file_),
      identity_(identity),
      may_close_(true) {}

OpenDataset::~OpenDataset() {
  LibraryCall call;
  if (may_close_) idle_datasets().forget(this);
  close();
}

void OpenDataset::close() {
  if (file_handle_ && file_handle_->is_open()) {
    kept_.clear();
    dataset_.close();
  }
  file_handle_.reset();
}

hid_t OpenDataset::id() {
  if (may_close_ && !file_handle_) {
    const std::string where = base::text(file_, ", dataset '", path_, "'");
    if (FileIdentity::of(data_file_) != identity_)
      throw base::Failure(
          base::text(where, ": ", data_file_, " was changed or replaced while it was in use"));
    const Hdf5Handle access = file_access(file_, FileUse::read);
    file_handle_ = std::make_shared<Hdf5Handle>(
        checked(H5Fopen(file_.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose, where));
    dataset_ = checked(H5Dopen2(file_handle_->id(), path_.c_str(), H5P_DEFAULT), H5Dclose, where);
  }
  if (!file_handle_ || !file_handle_->is_open())
    throw base::Failure(base::text(file_, ", dataset '", path_, "': the file is closed"));
  if (may_close_)
    if (OpenDataset* const oldest = idle_datasets().use(this, base::descriptors_for_data()))
      oldest->close();
  return dataset_.id();
}

void OpenDataset::close_when_idle(const std::string& data_file) {
  data_file_ = data_file;
  identity_ = FileIdentity::of(data_file);
  may_close_ = true;
  id();
}

}  // namespace vae_dist::hdf5
