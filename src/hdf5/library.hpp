// Shared by the files that call HDF5 (in this folder, and stored_*.cpp of datasets): the library's
// lock, its errors as sentences, and ids that close themselves. No other header includes HDF5's
// own.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "hdf5/dataset.hpp"

namespace vae_dist::hdf5 {

/// Holds the library's lock while HDF5 is called, because builds without thread safety exist
/// (parallel HDF5 as installed on clusters). HDF5 keeps its switch for printing errors per thread,
/// so each call turns printing off instead of doing so once.
class LibraryCall {
 public:
  LibraryCall();

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};

/// Returns HDF5's error stack, from the called function to the innermost cause. Every HDF5 call
/// clears the stack, so call this right after the failure.
std::vector<std::string> error_stack();

/// Returns a reason such as "can't write data: No space left on device". For a failed system call
/// HDF5 also reports the time, the address and more; only the system's own message is kept.
std::string reason(const std::vector<std::string>& stack);
inline std::string reason() { return reason(error_stack()); }

/// An HDF5 id that closes itself. The handle of a dataset keeps the handle of its file alive.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle(hid_t id, Close closer, std::shared_ptr<Hdf5Handle> owner = nullptr)
      : id_(id), closer_(closer), owner_(std::move(owner)) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, -1)),
        closer_(other.closer_),
        owner_(std::move(other.owner_)) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    close();
    id_ = std::exchange(other.id_, -1);
    closer_ = other.closer_;
    owner_ = std::move(other.owner_);
    return *this;
  }
  ~Hdf5Handle() { close(); }

  hid_t id() const { return id_; }
  bool is_open() const { return id_ >= 0 && (!owner_ || owner_->is_open()); }
  bool close();

 private:
  hid_t id_;
  Close closer_;
  std::shared_ptr<Hdf5Handle> owner_;
};

/// Throws Failure with `where` and HDF5's reason if the id or result is negative.
Hdf5Handle checked(hid_t id, Hdf5Handle::Close closer, const std::string& where);
void check(herr_t result, const std::string& where);

/// How a file is opened. HDF5 refuses to open a file twice with different settings, even when it
/// opens the sources of a virtual dataset by itself.
enum class FileUse {
  read,   ///< closed together with the last of its datasets
  write,  ///< closing the file closes its datasets, so that it is complete when it is renamed or
          ///< read afterwards
};
Hdf5Handle file_access(const std::string& path, FileUse use);

struct RowBlock {
  std::int64_t first, count;
};

/// The two data spaces of a transfer of whole rows: the selection in the file, and the same shape
/// in memory.
struct RowTransfer {
  Hdf5Handle file, memory;
  RowTransfer(hid_t dataset, const std::vector<std::int64_t>& shape, RowBlock rows,
              const std::string& where);
};

/// Throws BadInput if rows are out of range, Failure if `values` is not the number of their values.
void check_rows(const std::vector<std::int64_t>& shape, std::int64_t first, std::int64_t rows,
                std::size_t values, const std::string& where);

}  // namespace vae_dist::hdf5
