#include "hdf5/library.hpp"

#include <cstdlib>
#include <string_view>

#include "base/error.hpp"
#include "hdf5/lzf_filter.hpp"

namespace vae_dist::hdf5 {
namespace {

// Lustre and NFS refuse locks. HDF5 reads this variable when it starts. No other setting covers the
// sources of virtual datasets, which HDF5 opens by itself: if it cannot lock a source, or has it
// open already with other settings, it reads fill values. A value that the user has set is kept.
// This runs before main(), because other threads may read the environment later.
[[maybe_unused]] const int no_file_locks = ::setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0);

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex one;
  return one;
}

Hdf5Handle memory_space(const std::vector<std::int64_t>& shape, std::int64_t rows,
                        const std::string& where) {
  std::vector<hsize_t> count(shape.begin(), shape.end());
  count[0] = static_cast<hsize_t>(rows);
  return checked(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose,
                 where);
}

}  // namespace

LibraryCall::LibraryCall() : lock_(library_mutex()) {
  // Handles close what they opened. HDF5's own cleanup at exit crashes if a file could not be
  // closed because the disk was full (1.10.8).
  [[maybe_unused]] static const bool once = [] {
    return H5dont_atexit() >= 0 && register_lzf_filter();
  }();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

std::vector<std::string> error_stack() {
  std::vector<std::string> messages;
  const auto collect = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(error->desc ? error->desc : "");
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, collect, &messages);
  return messages;
}

std::string reason(const std::vector<std::string>& stack) {
  if (stack.empty()) return "HDF5 gives no reason";
  constexpr std::string_view kSystemsWords = "error message = '";
  std::string cause = stack.back();
  if (const std::size_t words = cause.find(kSystemsWords); words != std::string::npos) {
    cause.erase(0, words + kSystemsWords.size());
    cause.erase(std::min(cause.find('\''), cause.size()));
  }
  return stack.size() == 1 ? cause : base::text(stack.front(), ": ", cause);
}

bool Hdf5Handle::close() {
  LibraryCall call;
  const bool closed = !is_open() || closer_(id_) >= 0;
  id_ = -1;
  return closed;
}

Hdf5Handle checked(hid_t id, Hdf5Handle::Close closer, const std::string& where) {
  if (id < 0) throw base::Failure(base::text(where, ": ", reason()));
  return Hdf5Handle(id, closer);
}

void check(herr_t result, const std::string& where) {
  if (result < 0) throw base::Failure(base::text(where, ": ", reason()));
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += base::text(i ? ", " : "", shape[i]);
  return out + "]";
}

Hdf5Handle file_access(const std::string& path, FileUse use) {
  Hdf5Handle access = checked(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, path);
  check(
      H5Pset_fclose_degree(access.id(), use == FileUse::write ? H5F_CLOSE_STRONG : H5F_CLOSE_WEAK),
      path);
  return access;
}

RowTransfer::RowTransfer(hid_t dataset, const std::vector<std::int64_t>& shape, RowBlock rows,
                         const std::string& where)
    : file(checked(H5Dget_space(dataset), H5Sclose, where)),
      memory(memory_space(shape, rows.count, where)) {
  std::vector<hsize_t> start(shape.size(), 0), count(shape.begin(), shape.end());
  start[0] = static_cast<hsize_t>(rows.first);
  count[0] = static_cast<hsize_t>(rows.count);
  check(
      H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr),
      where);
}

void check_rows(const std::vector<std::int64_t>& shape, std::int64_t first, std::int64_t rows,
                std::size_t values, const std::string& where) {
  if (shape.empty()) throw base::BadInput(base::text(where, " is a single value: it has no rows"));
  if (first < 0 || rows < 0 || first > shape[0] || rows > shape[0] - first)
    throw base::BadInput(base::text(where, " has ", shape[0], " rows: rows ", first, " to ",
                                    first + rows, " are out of range"));
  std::size_t expected = static_cast<std::size_t>(rows);
  for (std::size_t i = 1; i < shape.size(); ++i) expected *= static_cast<std::size_t>(shape[i]);
  if (values != expected)
    throw base::Failure(base::text(where, " has shape ", shape_text(shape), ": ", rows,
                                   " rows hold ", expected, " values, not ", values));
}

}  // namespace vae_dist::hdf5
