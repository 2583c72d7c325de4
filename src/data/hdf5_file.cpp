#include "data/hdf5_file.hpp"

#include <fcntl.h>
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/error.hpp"

namespace vae_dist {
namespace {

// Held while HDF5 is called: builds without thread safety exist (parallel HDF5 as clusters install it). HDF5 keeps the switch for
// its own printing of errors per thread, so it is turned off here and not once.
class LibraryCall {
 public:
  LibraryCall() : lock_(mutex()) {
    // Handles close what they opened. HDF5's own cleaning up at exit crashes where a file could not be closed for a full disk (1.10.8).
    [[maybe_unused]] static const herr_t once = H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }

 private:
  static std::recursive_mutex& mutex() {
    static std::recursive_mutex one;
    return one;
  }
  std::lock_guard<std::recursive_mutex> lock_;
};

// HDF5's error stack, from the function called to the innermost cause. Every HDF5 call clears it: ask at once.
std::vector<std::string> error_stack() {
  std::vector<std::string> messages;
  const auto collect = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->push_back(error->desc ? error->desc : "");
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, collect, &messages);
  return messages;
}

// "can't write data: No space left on device". Of a failed system call HDF5 tells the time, the address and more: the system's words suffice.
std::string reason(const std::vector<std::string>& stack) {
  if (stack.empty()) return "HDF5 gives no reason";
  constexpr std::string_view kSystemsWords = "error message = '";
  std::string cause = stack.back();
  if (const std::size_t words = cause.find(kSystemsWords); words != std::string::npos) {
    cause.erase(0, words + kSystemsWords.size());
    cause.erase(std::min(cause.find('\''), cause.size()));
  }
  return stack.size() == 1 ? cause : text(stack.front(), ": ", cause);
}

std::string reason() { return reason(error_stack()); }

}  // namespace

// An HDF5 id that closes itself. A dataset's handle keeps that of its file.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle(hid_t id, Close closer, std::shared_ptr<Hdf5Handle> owner = nullptr) : id_(id), closer_(closer), owner_(std::move(owner)) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, -1)), closer_(other.closer_), owner_(std::move(other.owner_)) {}
  ~Hdf5Handle() { close(); }

  hid_t id() const { return id_; }
  bool is_open() const { return id_ >= 0 && (!owner_ || owner_->is_open()); }

  bool close() {
    LibraryCall call;
    const bool closed = !is_open() || closer_(id_) >= 0;
    id_ = -1;
    return closed;
  }

 private:
  hid_t id_;
  Close closer_;
  std::shared_ptr<Hdf5Handle> owner_;
};

namespace {

Hdf5Handle checked(hid_t id, Hdf5Handle::Close closer, const std::string& where) {
  if (id < 0) throw Failure(text(where, ": ", reason()));
  return Hdf5Handle(id, closer);
}

void check(herr_t result, const std::string& where) {
  if (result < 0) throw Failure(text(where, ": ", reason()));
}

Hdf5Handle file_access(const std::string& path) {
  Hdf5Handle access = checked(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, path);
  // Lustre and NFS refuse locks. The environment's HDF5_USE_FILE_LOCKING still has the last word.
  check(H5Pset_file_locking(access.id(), false, true), path);
  // Closing the file closes its datasets: what is renamed or read afterwards is complete.
  check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), path);
  return access;
}

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

template <typename T>
hid_t memory_type();
template <>
hid_t memory_type<std::uint8_t>() { return H5T_NATIVE_UINT8; }
template <>
hid_t memory_type<std::int64_t>() { return H5T_NATIVE_INT64; }
template <>
hid_t memory_type<float>() { return H5T_NATIVE_FLOAT; }
template <>
hid_t memory_type<double>() { return H5T_NATIVE_DOUBLE; }

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

std::string name_of(hid_t type) {
  const std::size_t bits = 8 * H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_INTEGER: return text(H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int", bits);
    case H5T_FLOAT: return text("float", bits);
    case H5T_STRING: return "string";
    case H5T_ENUM: return "boolean or enumeration";
    case H5T_COMPOUND: return "compound";
    case H5T_ARRAY: return "array";
    case H5T_VLEN: return "list of variable length";
    case H5T_REFERENCE: return "reference";
    case H5T_BITFIELD: return "bit field";
    default: return "opaque";
  }
}

ElementType element_type(hid_t type) {
  const std::size_t bytes = H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_INTEGER: return bytes == 1 && H5Tget_sign(type) == H5T_SGN_NONE ? ElementType::uint8 : ElementType::int64;
    case H5T_FLOAT: return bytes == 4 ? ElementType::float32 : bytes == 8 ? ElementType::float64 : ElementType::other;
    default: return ElementType::other;
  }
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += text(i ? ", " : "", shape[i]);
  return out + "]";
}

std::vector<std::int64_t> to_signed(const std::vector<hsize_t>& sizes) { return {sizes.begin(), sizes.end()}; }

// The two data spaces of a transfer of whole rows: the part of the file, and the same shape in memory.
struct RowSelection {
  Hdf5Handle file, memory;

  RowSelection(hid_t dataset, const std::vector<std::int64_t>& shape, std::int64_t first, std::int64_t rows, const std::string& where)
      : file(checked(H5Dget_space(dataset), H5Sclose, where)), memory(memory_space(shape, rows, where)) {
    std::vector<hsize_t> start(shape.size(), 0), count(shape.begin(), shape.end());
    start[0] = static_cast<hsize_t>(first);
    count[0] = static_cast<hsize_t>(rows);
    check(H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), where);
  }

 private:
  static Hdf5Handle memory_space(const std::vector<std::int64_t>& shape, std::int64_t rows, const std::string& where) {
    std::vector<hsize_t> count(shape.begin(), shape.end());
    count[0] = static_cast<hsize_t>(rows);
    return checked(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose, where);
  }
};

void check_rows(const std::vector<std::int64_t>& shape, std::int64_t first, std::int64_t rows, std::size_t values, const std::string& where) {
  if (shape.empty()) throw BadInput(text(where, " is a single value: it has no rows"));
  if (first < 0 || rows < 0 || first > shape[0] || rows > shape[0] - first)
    throw BadInput(text(where, " has ", shape[0], " rows: rows ", first, " to ", first + rows, " are out of range"));
  std::size_t expected = static_cast<std::size_t>(rows);
  for (std::size_t i = 1; i < shape.size(); ++i) expected *= static_cast<std::size_t>(shape[i]);
  if (values != expected)
    throw Failure(text(where, " has shape ", shape_text(shape), ": ", rows, " rows are ", expected, " values, not ", values));
}

Hdf5Handle text_type(const std::string& where) {
  Hdf5Handle type = checked(H5Tcopy(H5T_C_S1), H5Tclose, where);
  check(H5Tset_size(type.id(), H5T_VARIABLE), where);
  check(H5Tset_cset(type.id(), H5T_CSET_UTF8), where);
  return type;
}

void write_text_attribute(hid_t dataset, const std::string& name, hid_t space, const std::vector<const char*>& values,
                          const std::string& where) {
  const Hdf5Handle type = text_type(where);
  if (H5Aexists(dataset, name.c_str()) > 0) check(H5Adelete(dataset, name.c_str()), where);
  const Hdf5Handle attribute =
      checked(H5Acreate2(dataset, name.c_str(), type.id(), space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, where);
  check(H5Awrite(attribute.id(), type.id(), values.data()), where);
}

std::vector<std::string> read_fixed_texts(hid_t attribute, hid_t type, std::size_t count, const std::string& where) {
  const std::size_t width = H5Tget_size(type);
  std::string bytes(count * width, '\0');
  check(H5Aread(attribute, type, bytes.data()), where);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string padded = bytes.substr(i * width, width);
    out.push_back(padded.substr(0, padded.find('\0')));
  }
  return out;
}

std::vector<std::string> read_variable_texts(hid_t attribute, hid_t type, hid_t space, std::size_t count, const std::string& where) {
  std::vector<char*> pointers(count, nullptr);
  check(H5Aread(attribute, type, pointers.data()), where);
  std::vector<std::string> out;
  for (const char* pointer : pointers) out.emplace_back(pointer ? pointer : "");
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, pointers.data());
  return out;
}

std::vector<std::string> read_text_attribute(hid_t dataset, const std::string& name, const std::string& where) {
  if (H5Aexists(dataset, name.c_str()) <= 0) return {};
  const Hdf5Handle attribute = checked(H5Aopen(dataset, name.c_str(), H5P_DEFAULT), H5Aclose, where);
  const Hdf5Handle type = checked(H5Aget_type(attribute.id()), H5Tclose, where);
  const Hdf5Handle space = checked(H5Aget_space(attribute.id()), H5Sclose, where);
  const hssize_t count = H5Sget_simple_extent_npoints(space.id());
  if (H5Tget_class(type.id()) != H5T_STRING || count <= 0) return {};
  const auto texts = static_cast<std::size_t>(count);
  return H5Tis_variable_str(type.id()) > 0 ? read_variable_texts(attribute.id(), type.id(), space.id(), texts, where)
                                           : read_fixed_texts(attribute.id(), type.id(), texts, where);
}

}  // namespace

Hdf5Dataset::Hdf5Dataset(std::shared_ptr<Hdf5Handle> handle, std::string file, std::string path)
    : handle_(std::move(handle)), file_(std::move(file)), path_(std::move(path)) {
  const Hdf5Handle space = checked(H5Dget_space(id()), H5Sclose, where());
  const Hdf5Handle type = checked(H5Dget_type(id()), H5Tclose, where());
  const Hdf5Handle creation = checked(H5Dget_create_plist(id()), H5Pclose, where());
  std::vector<hsize_t> sizes(static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(space.id()))));
  check(H5Sget_simple_extent_dims(space.id(), sizes.data(), nullptr), where());
  shape_ = to_signed(sizes);
  type_ = element_type(type.id());
  type_name_ = name_of(type.id());
  if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
    check(H5Pget_chunk(creation.id(), static_cast<int>(sizes.size()), sizes.data()), where());
    chunk_ = to_signed(sizes);
  }
}

std::string Hdf5Dataset::where() const { return text(file_, ", dataset '", path_, "'"); }

std::int64_t Hdf5Dataset::id() const {
  if (!handle_->is_open()) throw Failure(text(where(), ": the file is closed"));
  return handle_->id();
}

std::string Hdf5Dataset::filters() const {
  LibraryCall call;
  const Hdf5Handle creation = checked(H5Dget_create_plist(id()), H5Pclose, where());
  std::string out;
  for (int i = 0; i < H5Pget_nfilters(creation.id()); ++i) {
    unsigned flags = 0, config = 0, values[8] = {};
    std::size_t count = std::size(values);
    char name[64] = "";
    const H5Z_filter_t filter =
        H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags, &count, values, sizeof name, name, &config);
    if (!out.empty()) out += ", ";
    if (filter == H5Z_FILTER_DEFLATE && count > 0)
      out += text("deflate(", values[0], ")");
    else
      out += name[0] ? std::string(name) : text("filter ", filter);
  }
  return out.empty() ? "none" : out;
}

std::uint64_t Hdf5Dataset::stored_bytes() const {
  LibraryCall call;
  return H5Dget_storage_size(id());
}

template <typename T>
void Hdf5Dataset::read(std::int64_t first, std::int64_t rows, std::span<T> out) const {
  check_rows(shape_, first, rows, out.size(), where());
  if (out.empty()) return;
  LibraryCall call;
  const RowSelection selection(id(), shape_, first, rows, where());
  if (H5Dread(id(), memory_type<T>(), selection.memory.id(), selection.file.id(), H5P_DEFAULT, out.data()) < 0)
    throw Failure(text(where(), ": cannot read rows ", first, " to ", first + rows, ": ", reason()));
}

template <typename T>
void Hdf5Dataset::write(std::int64_t first, std::int64_t rows, std::span<const T> values) {
  check_rows(shape_, first, rows, values.size(), where());
  if (values.empty()) return;
  LibraryCall call;
  const RowSelection selection(id(), shape_, first, rows, where());
  if (H5Dwrite(id(), memory_type<T>(), selection.memory.id(), selection.file.id(), H5P_DEFAULT, values.data()) < 0)
    throw Failure(text(where(), ": cannot write rows ", first, " to ", first + rows, ": ", reason()));
}

void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t rows, std::span<std::uint8_t> out) const { read(first, rows, out); }
void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t rows, std::span<float> out) const { read(first, rows, out); }
void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t rows, std::span<double> out) const { read(first, rows, out); }
void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t rows, std::span<std::int64_t> out) const { read(first, rows, out); }

void Hdf5Dataset::write_rows(std::int64_t first, std::int64_t rows, std::span<const std::uint8_t> values) { write(first, rows, values); }
void Hdf5Dataset::write_rows(std::int64_t first, std::int64_t rows, std::span<const float> values) { write(first, rows, values); }
void Hdf5Dataset::write_rows(std::int64_t first, std::int64_t rows, std::span<const double> values) { write(first, rows, values); }
void Hdf5Dataset::write_rows(std::int64_t first, std::int64_t rows, std::span<const std::int64_t> values) { write(first, rows, values); }

void Hdf5Dataset::write_chunk(std::int64_t first, std::span<const std::uint8_t> filtered) {
  if (chunk_.empty() || first < 0 || first >= shape_[0] || first % chunk_[0] != 0)
    throw Failure(text(where(), " of shape ", shape_text(shape_), " and chunks ", shape_text(chunk_), ": no chunk begins at row ", first));
  LibraryCall call;
  std::vector<hsize_t> offset(shape_.size(), 0);
  offset[0] = static_cast<hsize_t>(first);
  if (H5Dwrite_chunk(id(), H5P_DEFAULT, 0, offset.data(), filtered.size(), filtered.data()) < 0)
    throw Failure(text(where(), ": cannot write the chunk at row ", first, ": ", reason()));
}

void Hdf5Dataset::shrink(std::int64_t rows) {
  if (rows < 0 || shape_.empty() || rows > shape_[0]) throw Failure(text(where(), " of shape ", shape_text(shape_), " cannot be shrunk to ", rows, " rows"));
  LibraryCall call;
  std::vector<hsize_t> sizes(shape_.begin(), shape_.end());
  sizes[0] = static_cast<hsize_t>(rows);
  check(H5Dset_extent(id(), sizes.data()), where());
  shape_[0] = rows;
}

void Hdf5Dataset::set_attribute(const std::string& name, const std::string& value) {
  LibraryCall call;
  const std::string place = text(where(), ", attribute '", name, "'");
  const Hdf5Handle space = checked(H5Screate(H5S_SCALAR), H5Sclose, place);
  write_text_attribute(id(), name, space.id(), {value.c_str()}, place);
}

void Hdf5Dataset::set_attribute(const std::string& name, const std::vector<std::string>& values) {
  LibraryCall call;
  const std::string place = text(where(), ", attribute '", name, "'");
  const hsize_t count = values.size();
  const Hdf5Handle space = checked(H5Screate_simple(1, &count, nullptr), H5Sclose, place);
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  write_text_attribute(id(), name, space.id(), pointers, place);
}

std::string Hdf5Dataset::text_attribute(const std::string& name) const {
  const std::vector<std::string> texts = text_list_attribute(name);
  return texts.empty() ? "" : texts.front();
}

std::vector<std::string> Hdf5Dataset::text_list_attribute(const std::string& name) const {
  LibraryCall call;
  return read_text_attribute(id(), name, text(where(), ", attribute '", name, "'"));
}

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
