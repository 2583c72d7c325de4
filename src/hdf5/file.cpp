#include "hdf5/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "hdf5/library.hpp"

namespace vae_dist {
namespace {

// The system's own reason says more than HDF5's.
void check_place(const std::string& path, int flags, const char* verb) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) throw BadInput(text("cannot ", verb, " ", path, ": it is a directory"));
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  if (descriptor < 0) throw BadInput(text("cannot ", verb, " ", path, ": ", std::strerror(errno)));
  ::close(descriptor);
}

std::string why_not_opened(const std::string& path) {
  const std::vector<std::string> stack = error_stack();
  const auto says = [&](const char* words) {
    return std::any_of(stack.begin(), stack.end(), [&](const std::string& message) { return message.find(words) != std::string::npos; });
  };
  if (says("truncated file"))
    return text(path, " is truncated (HDF5: ", stack.back(), "): a download, copy or conversion was cut short; get or make the file again");
  if (says("signature not found")) return text(path, " is not an HDF5 file: it does not begin with HDF5's signature");
  return text("cannot open the HDF5 file ", path, ": ", reason(stack), "; it may be damaged, or still being written");
}

std::string without_leading_slash(const std::string& path) { return path.substr(std::min(path.find_first_not_of('/'), path.size())); }

hid_t file_type(ElementType type) {
  switch (type) {
    case ElementType::uint8: return H5T_STD_U8LE;
    case ElementType::int64: return H5T_STD_I64LE;
    case ElementType::float32: return H5T_IEEE_F32LE;
    case ElementType::float64: return H5T_IEEE_F64LE;
    case ElementType::other: break;
  }
  throw Failure("a dataset of type 'other' cannot be made");
}

}  // namespace

Hdf5File Hdf5File::open(const std::string& path) {
  check_place(path, O_RDONLY, "read");
  LibraryCall call;
  const Hdf5Handle access = file_access(path);
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id());
  if (id < 0) throw BadInput(why_not_opened(path));
  return Hdf5File(std::make_shared<Hdf5Handle>(id, H5Fclose), path);
}

Hdf5File Hdf5File::create(const std::string& path) {
  check_place(path, O_WRONLY | O_CREAT, "write");
  LibraryCall call;
  const Hdf5Handle access = file_access(path);
  const hid_t id = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id());
  if (id < 0) throw BadInput(text("cannot create ", path, ": ", reason()));
  return Hdf5File(std::make_shared<Hdf5Handle>(id, H5Fclose), path);
}

std::int64_t Hdf5File::id() const {
  if (!handle_->is_open()) throw Failure(text(path_, ": the file is closed"));
  return handle_->id();
}

Hdf5Dataset Hdf5File::dataset(const std::string& path) const {
  LibraryCall call;
  const std::string name = without_leading_slash(path);
  const hid_t dataset = H5Dopen2(id(), name.c_str(), H5P_DEFAULT);
  if (dataset >= 0) return Hdf5Dataset(std::make_shared<Hdf5Handle>(dataset, H5Dclose, handle_), path_, name);

  const std::string why = reason();
  const std::vector<std::string> paths = dataset_paths();
  if (std::find(paths.begin(), paths.end(), name) != paths.end()) throw BadInput(text(path_, ", dataset '", name, "': ", why));
  if (paths.empty()) throw BadInput(text(path_, " has no dataset '", name, "', and no other dataset"));
  constexpr std::size_t kShown = 20;
  std::string list;
  for (std::size_t i = 0; i < std::min(paths.size(), kShown); ++i) list += text(i ? ", '" : "'", paths[i], "'");
  if (paths.size() > kShown) list += text(" and ", paths.size() - kShown, " more");
  throw BadInput(text(path_, " has no dataset '", name, "'; it has ", list));
}

std::vector<std::string> Hdf5File::dataset_paths() const {
  LibraryCall call;
  std::vector<std::string> links, out;
  const auto collect = [](hid_t, const char* name, const H5L_info_t*, void* names) -> herr_t {
    static_cast<std::vector<std::string>*>(names)->push_back(name);
    return 0;
  };
  check(H5Lvisit(id(), H5_INDEX_NAME, H5_ITER_INC, collect, &links), path_);
  for (const std::string& link : links) {
    const Hdf5Handle object(H5Oopen(id(), link.c_str(), H5P_DEFAULT), H5Oclose);  // fails for a soft link that leads nowhere
    if (object.is_open() && H5Iget_type(object.id()) == H5I_DATASET) out.push_back(link);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Hdf5Dataset Hdf5File::create_dataset(const std::string& path, const DatasetLayout& layout) {
  LibraryCall call;
  const std::string name = without_leading_slash(path);
  const std::string where = text(path_, ", dataset '", name, "'");
  std::vector<hsize_t> sizes(layout.shape.begin(), layout.shape.end());
  const int rank = static_cast<int>(sizes.size());

  const Hdf5Handle links = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, where);
  check(H5Pset_create_intermediate_group(links.id(), 1), where);
  const Hdf5Handle creation = checked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, where);
  check(H5Pset_obj_track_times(creation.id(), false), where);  // equal content, equal bytes
  const Hdf5Handle space = checked(H5Screate_simple(rank, sizes.data(), nullptr), H5Sclose, where);
  if (layout.chunk_rows > 0) {
    sizes[0] = std::min(sizes[0], static_cast<hsize_t>(layout.chunk_rows));
    check(H5Pset_chunk(creation.id(), rank, sizes.data()), where);
    if (layout.shuffle) check(H5Pset_shuffle(creation.id()), where);
    if (layout.deflate_level > 0) check(H5Pset_deflate(creation.id(), static_cast<unsigned>(layout.deflate_level)), where);
  }
  const hid_t dataset = H5Dcreate2(id(), name.c_str(), file_type(layout.type), space.id(), links.id(), creation.id(), H5P_DEFAULT);
  if (dataset < 0) throw Failure(text(where, ": ", reason()));
  return Hdf5Dataset(std::make_shared<Hdf5Handle>(dataset, H5Dclose, handle_), path_, name);
}

void Hdf5File::close() {
  LibraryCall call;
  if (!handle_->close()) throw Failure(text("cannot finish writing ", path_, ": ", reason()));
}

}  // namespace vae_dist
