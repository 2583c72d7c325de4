// The HDF5 handle of one dataset. It may be closed between uses and reopened.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hdf5/file_identity.hpp"
#include "hdf5/library.hpp"

namespace vae_dist::hdf5 {

/// The caller holds the library's lock.
class OpenDataset {
 public:
  /// Takes over an open dataset. `file` and `path` are as the user named them.
  OpenDataset(Hdf5Handle dataset, std::shared_ptr<Hdf5Handle> file_handle, std::string file,
              std::string path);
  /// A dataset that is opened at its first use. `identity` is that of `file`, which holds it.
  OpenDataset(std::string file, std::string path, const FileIdentity& identity);
  ~OpenDataset();
  OpenDataset(const OpenDataset&) = delete;
  OpenDataset& operator=(const OpenDataset&) = delete;

  /// Returns the open handle, reopening the dataset if needed. Throws Failure if the owner has
  /// closed the file, or if the file was changed or replaced before it was reopened.
  hid_t id();

  /// Lets the handle be closed once many other datasets have been used since its last use.
  /// `data_file` is the file that actually holds the dataset.
  void close_when_idle(const std::string& data_file);

  /// Keeps these handles open as long as this one: the sources of a virtual dataset.
  void keep(std::vector<Hdf5Handle> handles) { kept_ = std::move(handles); }

 private:
  void close();

  Hdf5Handle dataset_;
  std::shared_ptr<Hdf5Handle> file_handle_;
  std::vector<Hdf5Handle> kept_;
  std::string file_, path_, data_file_;
  FileIdentity identity_;  // of data_file_
  bool may_close_ = false;
};

}  // namespace vae_dist::hdf5
