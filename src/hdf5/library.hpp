// What the files share that call HDF5 (in this folder, and stored_*.cpp of datasets), and the only
// header that includes HDF5's own: the library's lock, its errors as sentences, ids that close
// themselves.
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

/// Held while HDF5 is called: builds without thread safety exist (parallel HDF5 as clusters install
/// it). HDF5 keeps the switch for its own printing of errors per thread, so it is turned off here
/// and not once.
class LibraryCall {
 public:
  LibraryCall();

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};

/// HDF5's error stack, from the function called to the innermost cause. Every HDF5 call clears it:
/// ask at once.
std::vector<std::string> error_stack();

/// "can't write data: No space left on device". Of a failed system call HDF5 tells the time, the
/// address and more: the system's words suffice.
std::string reason(const std::vector<std::string>& stack);
inline std::string reason() { return reason(error_stack()); }

/// An HDF5 id that closes itself. A dataset's handle keeps that of its file.
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

/// Throws Failure with `where` and HDF5's reason for a negative id or result.
Hdf5Handle checked(hid_t id, Hdf5Handle::Close closer, const std::string& where);
void check(herr_t result, const std::string& where);

/// How every file is opened: HDF5 refuses to open one twice in different ways, also where it opens
/// the sources of a virtual dataset by itself.
enum class FileUse {
  read,   ///< closed when the last of its datasets is
  write,  ///< closing it closes its datasets: what is renamed or read afterwards is complete
};
Hdf5Handle file_access(const std::string& path, FileUse use);

struct RowBlock {
  std::int64_t first, count;
};

/// The two data spaces of a transfer of whole rows: the part of the file, and the same shape in
/// memory.
struct RowTransfer {
  Hdf5Handle file, memory;
  RowTransfer(hid_t dataset, const std::vector<std::int64_t>& shape, RowBlock rows,
              const std::string& where);
};

/// Throws BadInput for rows out of range, Failure when `values` is not the number of their values.
void check_rows(const std::vector<std::int64_t>& shape, std::int64_t first, std::int64_t rows,
                std::size_t values, const std::string& where);

}  // namespace vae_dist::hdf5
