#include "hdf5/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.hpp"
#include "base/list_of_ten.hpp"
#include "hdf5/library.hpp"
#include "hdf5/open_dataset.hpp"
#include "hdf5/sources.hpp"

namespace vae_dist::hdf5 {
namespace {

void check_regular(const std::string& path, const char* verb) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 &&
      !S_ISREG(status.st_mode))  // opening a pipe would block until another program opens it too
    throw base::BadInput(base::text("cannot ", verb, " ", path, ": it is ",
                                    S_ISDIR(status.st_mode)    ? "a directory"
                                    : S_ISFIFO(status.st_mode) ? "a pipe"
                                                               : "not a regular file"));
}

// Opens the path once, because the system's reason says more than HDF5's.
void check_path(const std::string& path, int flags, const char* verb) {
  check_regular(path, verb);
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  if (descriptor < 0)
    throw base::BadInput(base::text("cannot ", verb, " ", path, ": ", std::strerror(errno)));
  ::close(descriptor);
}

bool says(const std::vector<std::string>& stack, const char* words) {
  return std::any_of(stack.begin(), stack.end(), [&](const std::string& message) {
    return message.find(words) != std::string::npos;
  });
}

bool begins_with(const std::string& path, std::string_view bytes) {
  std::string found(bytes.size(), '\0');
  std::ifstream(path, std::ios::binary)
      .read(found.data(), static_cast<std::streamsize>(found.size()));
  return found == bytes;
}

std::string why_not_opened(const std::string& path) {
  const std::vector<std::string> stack = error_stack();
  if (says(stack, "truncated file"))
    return base::text(
        path, " is truncated (HDF5: ", stack.back(),
        "): a download, copy or conversion was cut short; download or create the file again");
  if (says(stack, "signature not found") && begins_with(path, "\x1f\x8b"))
    return base::text(path, " is compressed by gzip: unpack it first (gunzip ", path, ")");
  if (says(stack, "signature not found"))
    return base::text(path, " is not an HDF5 file: it does not begin with HDF5's signature");
  return base::text("cannot open the HDF5 file ", path, ": ", reason(stack),
                    "; it may be damaged, or still being written");
}

struct Link {
  H5L_type_t type;
  std::string name;
  bool leads_somewhere = false;
  std::string dataset = {};  // object_identity() of its target; empty if that is no dataset
};

// Returns whether a link cannot be opened because its target does not exist, which is not damage.
// `stack` is HDF5's error stack of the attempt.
bool leads_nowhere(hid_t file, const Link& link, const std::string& path,
                   const std::vector<std::string>& stack) {
  if (link.type == H5L_TYPE_SOFT)
    return H5Oexists_by_name(file, link.name.c_str(), H5P_DEFAULT) == 0;
  if (link.type != H5L_TYPE_EXTERNAL) return false;
  H5L_info_t info{};
  if (H5Lget_info(file, link.name.c_str(), &info, H5P_DEFAULT) < 0) return false;
  std::vector<char> value(info.u.val_size);
  const char *target = nullptr, *object = nullptr;
  if (H5Lget_val(file, link.name.c_str(), value.data(), value.size(), H5P_DEFAULT) < 0 ||
      H5Lunpack_elink_val(value.data(), value.size(), nullptr, &target, &object) < 0)
    return false;
  const std::vector<std::string> candidates = candidate_paths(target, path, "HDF5_EXT_PREFIX");
  const bool file_is_there = std::any_of(
      candidates.begin(), candidates.end(),
      [](const std::string& candidate) { return ::access(candidate.c_str(), F_OK) == 0; });
  return !file_is_there || says(stack, "component not found") || says(stack, "doesn't exist");
}

// Returns the same text for all handles of one object.
std::string object_identity(hid_t object, const std::string& where) {
#if H5_VERSION_GE(1, 12, 0)
  H5O_info2_t info{};
  check(H5Oget_info3(object, &info, H5O_INFO_BASIC), where);
  return text(info.fileno, " ",
              std::string(reinterpret_cast<const char*>(&info.token), sizeof info.token));
#else
  H5O_info_t info{};
  check(H5Oget_info2(object, &info, H5O_INFO_BASIC), where);
  return base::text(info.fileno, " ", info.addr);
#endif
}

// Opens the target of a link; empty if the target does not exist. Throws BadInput if it exists but
// cannot be opened.
std::optional<Hdf5Handle> open_link(hid_t file, const Link& link, const std::string& path) {
  Hdf5Handle object(H5Oopen(file, link.name.c_str(), H5P_DEFAULT), H5Oclose);
  if (object.is_open()) return object;
  const std::vector<std::string> stack = error_stack();
  if (leads_nowhere(file, link, path, stack)) return std::nullopt;
  throw base::BadInput(base::text(path, ", '", link.name, "' cannot be opened: ", reason(stack),
                                  "; the file may be damaged, or written by a newer version of "
                                  "HDF5 than the one that reads it"));
}

// Lists all links of a group and of the groups in it, by their full names. Visits each group once.
void list_links(hid_t file, const std::string& group, const std::string& path,
                std::set<std::string>& groups, std::vector<Link>& out) {
  const Hdf5Handle opened(H5Gopen2(file, group.empty() ? "/" : group.c_str(), H5P_DEFAULT),
                          H5Gclose);
  std::vector<Link> here;
  const auto collect = [](hid_t, const char* name, const H5L_info_t* info, void* to) -> herr_t {
    static_cast<std::vector<Link>*>(to)->push_back({info->type, name});
    return 0;
  };
  if (!opened.is_open() ||
      H5Literate(opened.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &here) < 0)
    throw base::BadInput(base::text("cannot list the contents of the group '",
                                    group.empty() ? "/" : group, "' of ", path, ": ", reason(),
                                    "; the file may be damaged"));
  if (!groups.insert(object_identity(opened.id(), path)).second) return;
  for (Link& link : here) {
    link.name = group.empty() ? link.name : base::text(group, "/", link.name);
    const std::optional<Hdf5Handle> object = open_link(file, link, path);
    link.leads_somewhere = object.has_value();
    if (object && H5Iget_type(object->id()) == H5I_DATASET)
      link.dataset = object_identity(object->id(), path);
    out.push_back(link);
    if (object && link.type == H5L_TYPE_HARD && H5Iget_type(object->id()) == H5I_GROUP)
      list_links(file, link.name, path, groups, out);
  }
}

std::string without_leading_slash(const std::string& path) {
  return path.substr(std::min(path.find_first_not_of('/'), path.size()));
}

hid_t file_type(ElementType type) {
  switch (type) {
    case ElementType::uint8:
      return H5T_STD_U8LE;
    case ElementType::int64:
      return H5T_STD_I64LE;
    case ElementType::float32:
      return H5T_IEEE_F32LE;
    case ElementType::float64:
      return H5T_IEEE_F64LE;
    case ElementType::other:
      break;
  }
  throw base::Failure("cannot create a dataset of type 'other'");
}

}  // namespace

Hdf5File Hdf5File::open(const std::string& path) {
  check_regular(path, "read");
  LibraryCall call;
  const Hdf5Handle access = file_access(path, FileUse::read);
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id());
  if (id < 0) {
    const std::string why = why_not_opened(path);
    check_path(path, O_RDONLY, "read");
    throw base::BadInput(why);
  }
  return Hdf5File(std::make_shared<Hdf5Handle>(id, H5Fclose), path);
}

Hdf5File Hdf5File::create(const std::string& path) {
  check_path(path, O_WRONLY | O_CREAT, "write");
  LibraryCall call;
  const Hdf5Handle access = file_access(path, FileUse::write);
  const hid_t id = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id());
  if (id < 0) throw base::BadInput(base::text("cannot create ", path, ": ", reason()));
  return Hdf5File(std::make_shared<Hdf5Handle>(id, H5Fclose), path);
}

std::int64_t Hdf5File::id() const {
  if (!handle_->is_open()) throw base::Failure(base::text(path_, ": the file is closed"));
  return handle_->id();
}

Hdf5Dataset Hdf5File::dataset(const std::string& path) const {
  LibraryCall call;
  const std::string name = without_leading_slash(path);
  Hdf5Handle dataset(H5Dopen2(id(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (dataset.id() >= 0) {
    try {
      return Hdf5Dataset(std::make_shared<OpenDataset>(std::move(dataset), handle_, path_, name),
                         path_, name);
    } catch (const base::Failure& error) {
      throw base::BadInput(error.what(), error.where());  // the header cannot be read
    }
  }
  const std::string why = reason();
  const Hdf5Handle object(H5Oopen(id(), name.c_str(), H5P_DEFAULT), H5Oclose);
  const bool is_group = object.is_open() && H5Iget_type(object.id()) != H5I_DATASET;
  if (!is_group && H5Lexists(id(), name.c_str(), H5P_DEFAULT) > 0)
    throw base::BadInput(base::text(path_, ", dataset '", name, "': ", why));
  std::vector<std::string> paths = dataset_paths();
  if (paths.empty())
    throw base::BadInput(base::text(path_, " has no dataset '", name, "', and no other dataset"));
  for (std::string& each : paths) each = base::text("'", each, "'");
  throw base::BadInput(
      base::text(path_, " has no dataset '", name, "'; it has ", base::list_of_ten(paths)));
}

Hdf5File::Contents Hdf5File::contents() const {
  LibraryCall call;
  // H5Lvisit would stop at the first damaged object without naming it.
  std::vector<Link> links;
  std::set<std::string> groups;
  list_links(id(), "", path_, groups, links);
  // If several links lead to a dataset, hard links come first, then soft, then external ones.
  std::stable_sort(links.begin(), links.end(), [](const Link& a, const Link& b) {
    return std::pair(a.type, a.name) < std::pair(b.type, b.name);
  });
  std::set<std::string> seen;
  Contents out;
  for (const Link& link : links) {
    if (!link.leads_somewhere) {
      out.dangling_links.push_back(link.name);
    } else if (!link.dataset.empty() && seen.insert(link.dataset).second) {
      out.datasets.push_back(link.name);
    }
  }
  std::sort(out.datasets.begin(), out.datasets.end());
  return out;
}

Hdf5Dataset Hdf5File::create_dataset(const std::string& path, const DatasetLayout& layout) {
  LibraryCall call;
  const std::string name = without_leading_slash(path);
  const std::string where = base::text(path_, ", dataset '", name, "'");
  std::vector<hsize_t> sizes(layout.shape.begin(), layout.shape.end());
  const int rank = static_cast<int>(sizes.size());

  const Hdf5Handle links = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where);
  check(H5Pset_create_intermediate_group(links.id(), 1), where);
  const Hdf5Handle creation = checked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, where);
  check(H5Pset_obj_track_times(creation.id(), false), where);  // equal content gives equal bytes
  const Hdf5Handle space = checked(H5Screate_simple(rank, sizes.data(), nullptr), H5Sclose, where);
  if (layout.chunk_rows > 0 || !layout.chunk.empty()) {
    if (layout.chunk.empty())
      sizes[0] = std::min(sizes[0], static_cast<hsize_t>(layout.chunk_rows));
    else
      sizes.assign(layout.chunk.begin(), layout.chunk.end());
    check(H5Pset_chunk(creation.id(), rank, sizes.data()), where);
    if (layout.shuffle) check(H5Pset_shuffle(creation.id()), where);
    if (layout.deflate_level > 0)
      check(H5Pset_deflate(creation.id(), static_cast<unsigned>(layout.deflate_level)), where);
  }
  const hid_t dataset = H5Dcreate2(id(), name.c_str(), file_type(layout.type), space.id(),
                                   links.id(), creation.id(), H5P_DEFAULT);
  if (dataset < 0) throw base::Failure(base::text(where, ": ", reason()));
  return Hdf5Dataset(
      std::make_shared<OpenDataset>(Hdf5Handle(dataset, H5Dclose), handle_, path_, name), path_,
      name);
}

Hdf5Dataset Hdf5File::create_like(const Hdf5Dataset& like, const std::string& path,
                                  std::int64_t rows) {
  LibraryCall call;
  const std::string name = without_leading_slash(path),
                    where = base::text(path_, ", dataset '", name, "'");
  std::vector<hsize_t> extent(like.shape().begin(), like.shape().end());
  if (extent.empty())
    throw base::Failure(
        base::text(where, ": ", like.where(), " is a single value: it has no rows"));
  extent[0] = static_cast<hsize_t>(rows);
  const Hdf5Handle links = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where),
                   creation = checked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, where);
  check(H5Pset_create_intermediate_group(links.id(), 1), where);
  check(H5Pset_obj_track_times(creation.id(), false), where);  // equal content gives equal bytes
  const Hdf5Handle space = checked(
      H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose, where);
  const Hdf5Handle type = checked(H5Dget_type(like.id()), H5Tclose, where);
  Hdf5Handle dataset = checked(
      H5Dcreate2(id(), name.c_str(), type.id(), space.id(), links.id(), creation.id(), H5P_DEFAULT),
      H5Dclose, where);
  return Hdf5Dataset(std::make_shared<OpenDataset>(std::move(dataset), handle_, path_, name), path_,
                     name);
}

std::vector<std::string> source_files_of(const std::string& path) {
  const Hdf5File file = Hdf5File::open(path);
  std::vector<std::string> out = {path};
  for (const std::string& dataset : file.dataset_paths()) {
    const Hdf5Dataset opened = file.dataset(dataset);
    out.insert(out.end(), opened.source_files().begin(), opened.source_files().end());
  }
  return out;
}

void Hdf5File::close() {
  LibraryCall call;
  if (!handle_->close())
    throw base::Failure(base::text("cannot finish writing ", path_, ": ", reason()));
}

}  // namespace vae_dist::hdf5
