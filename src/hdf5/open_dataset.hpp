// The HDF5 handle of one dataset, which may be closed between its uses and opened again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hdf5/file_identity.hpp"
#include "hdf5/library.hpp"

namespace vae_dist::hdf5 {

/// All calls with the library's lock held.
class OpenDataset {
 public:
  /// `dataset` is open. `file` and `path`: as the user named them.
  OpenDataset(Hdf5Handle dataset, std::shared_ptr<Hdf5Handle> file_handle, std::string file,
              std::string path);
  ~OpenDataset();
  OpenDataset(const OpenDataset&) = delete;
  OpenDataset& operator=(const OpenDataset&) = delete;

  /// The open handle. Throws Failure where the file was closed by its owner, or is another one when
  /// it is opened again.
  hid_t id();

  /// From now on it is closed when many others were used since. `data_file`: the file that really
  /// holds it.
  void close_when_idle(const std::string& data_file);

  /// Handles that stay open as long as this one: the sources of a virtual dataset.
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
