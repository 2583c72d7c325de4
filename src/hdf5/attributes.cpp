// Attributes: the texts and numbers of a dataset, and the split table of a file.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "hdf5/file.hpp"
#include "hdf5/library.hpp"

namespace vae_dist::hdf5 {
namespace {

Hdf5Handle text_type(const std::string& where) {
  Hdf5Handle type = checked(H5Tcopy(H5T_C_S1), H5Tclose, where);
  check(H5Tset_size(type.id(), H5T_VARIABLE), where);
  check(H5Tset_cset(type.id(), H5T_CSET_UTF8), where);
  return type;
}

void write_text_attribute(hid_t dataset, const std::string& name, hid_t space,
                          const std::vector<const char*>& values, const std::string& where) {
  const Hdf5Handle type = text_type(where);
  if (H5Aexists(dataset, name.c_str()) > 0) check(H5Adelete(dataset, name.c_str()), where);
  const Hdf5Handle attribute =
      checked(H5Acreate2(dataset, name.c_str(), type.id(), space, H5P_DEFAULT, H5P_DEFAULT),
              H5Aclose, where);
  check(H5Awrite(attribute.id(), type.id(), values.data()), where);
}

std::vector<std::string> read_fixed_texts(hid_t attribute, hid_t type, std::size_t count,
                                          const std::string& where) {
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

std::vector<std::string> read_variable_texts(hid_t attribute, hid_t type, hid_t space,
                                             std::size_t count, const std::string& where) {
  std::vector<char*> pointers(count, nullptr);
  check(H5Aread(attribute, type, pointers.data()), where);
  std::vector<std::string> out;
  for (const char* pointer : pointers) out.emplace_back(pointer ? pointer : "");
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, pointers.data());
  return out;
}

std::vector<std::string> read_text_attribute(hid_t dataset, const std::string& name,
                                             const std::string& where) {
  if (H5Aexists(dataset, name.c_str()) <= 0) return {};
  const Hdf5Handle attribute =
      checked(H5Aopen(dataset, name.c_str(), H5P_DEFAULT), H5Aclose, where);
  const Hdf5Handle type = checked(H5Aget_type(attribute.id()), H5Tclose, where);
  const Hdf5Handle space = checked(H5Aget_space(attribute.id()), H5Sclose, where);
  const hssize_t count = H5Sget_simple_extent_npoints(space.id());
  if (H5Tget_class(type.id()) != H5T_STRING || count <= 0) return {};
  const auto texts = static_cast<std::size_t>(count);
  return H5Tis_variable_str(type.id()) > 0
             ? read_variable_texts(attribute.id(), type.id(), space.id(), texts, where)
             : read_fixed_texts(attribute.id(), type.id(), texts, where);
}

// The enumeration as which h5py stores bool.
Hdf5Handle flag_type(const std::string& where) {
  Hdf5Handle type = checked(H5Tenum_create(H5T_STD_I8LE), H5Tclose, where);
  const signed char no = 0, yes = 1;
  check(H5Tenum_insert(type.id(), "FALSE", &no), where);
  check(H5Tenum_insert(type.id(), "TRUE", &yes), where);
  return type;
}

// An attribute's value as HDF5 takes it. `list` is its number of entries; empty for a single value.
struct WrittenValue {
  Hdf5Handle type;
  std::vector<std::byte> bytes;
  std::optional<hsize_t> list = std::nullopt;
};

template <typename T>
std::vector<std::byte> bytes_of_list(const std::vector<T>& values) {
  std::vector<std::byte> out(std::max<std::size_t>(1, values.size() * sizeof(T)));
  if (!values.empty()) std::memcpy(out.data(), values.data(), values.size() * sizeof(T));
  return out;
}

WrittenValue written_value(const AttributeValue& value, const std::string& where) {
  const auto copied = [&](hid_t type) { return checked(H5Tcopy(type), H5Tclose, where); };
  if (const auto* text = std::get_if<std::string>(&value))
    return {text_type(where), bytes_of_list(std::vector{text->c_str()})};
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    std::vector<const char*> pointers;
    for (const std::string& each : *texts) pointers.push_back(each.c_str());
    return {text_type(where), bytes_of_list(pointers), texts->size()};
  }
  if (const auto* whole = std::get_if<std::int64_t>(&value))
    return {copied(H5T_STD_I64LE), bytes_of_list(std::vector{*whole})};
  if (const auto* number = std::get_if<double>(&value))
    return {copied(H5T_IEEE_F64LE), bytes_of_list(std::vector{*number})};
  if (const auto* numbers = std::get_if<std::vector<double>>(&value))
    return {copied(H5T_IEEE_F64LE), bytes_of_list(*numbers), numbers->size()};
  if (const auto* flag = std::get_if<bool>(&value))
    return {flag_type(where), bytes_of_list(std::vector<signed char>{*flag})};
  const auto& flags = std::get<std::vector<bool>>(value);
  return {flag_type(where), bytes_of_list(std::vector<signed char>(flags.begin(), flags.end())),
          flags.size()};
}

std::vector<double> read_number_attribute(hid_t object, const std::string& name,
                                          const std::string& context) {
  if (H5Aexists(object, name.c_str()) <= 0) return {};
  const Hdf5Handle attribute =
      checked(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, context);
  const Hdf5Handle type = checked(H5Aget_type(attribute.id()), H5Tclose, context);
  const Hdf5Handle space = checked(H5Aget_space(attribute.id()), H5Sclose, context);
  const hssize_t count = H5Sget_simple_extent_npoints(space.id());
  if (count <= 0) return {};
  std::vector<double> values(static_cast<std::size_t>(count));
  const H5T_class_t kind = H5Tget_class(type.id());
  if (kind == H5T_ENUM && H5Tget_size(type.id()) == 1) {
    std::vector<signed char> bytes(values.size());
    check(H5Aread(attribute.id(), type.id(), bytes.data()), context);
    std::copy(bytes.begin(), bytes.end(), values.begin());
    return values;
  }
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) return {};
  check(H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, values.data()), context);
  return values;
}

}  // namespace

void Hdf5Dataset::set_attribute(const std::string& name, const std::string& value) {
  LibraryCall call;
  const std::string context = base::text(where(), ", attribute '", name, "'");
  const Hdf5Handle space = checked(H5Screate(H5S_SCALAR), H5Sclose, context);
  write_text_attribute(id(), name, space.id(), {value.c_str()}, context);
}

void Hdf5Dataset::set_attribute(const std::string& name, const std::vector<std::string>& values) {
  LibraryCall call;
  const std::string context = base::text(where(), ", attribute '", name, "'");
  const hsize_t count = values.size();
  const Hdf5Handle space = checked(H5Screate_simple(1, &count, nullptr), H5Sclose, context);
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  write_text_attribute(id(), name, space.id(), pointers, context);
}

std::string Hdf5Dataset::text_attribute(const std::string& name) const {
  const std::vector<std::string> texts = text_list_attribute(name);
  return texts.empty() ? "" : texts.front();
}

std::vector<std::string> Hdf5Dataset::text_list_attribute(const std::string& name) const {
  LibraryCall call;
  return read_text_attribute(id(), name, base::text(where(), ", attribute '", name, "'"));
}

std::vector<double> Hdf5Dataset::number_list_attribute(const std::string& name) const {
  LibraryCall call;
  return read_number_attribute(id(), name, base::text(where(), ", attribute '", name, "'"));
}

std::optional<double> Hdf5Dataset::number_attribute(const std::string& name) const {
  const std::vector<double> values = number_list_attribute(name);
  return values.size() == 1 ? std::optional(values.front()) : std::nullopt;
}

std::uint64_t Hdf5Dataset::attributes_hash() const {
  LibraryCall call;
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5A_info_t*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->emplace_back(name);
    return 0;
  };
  check(H5Aiterate2(id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names), where());
  std::sort(names.begin(), names.end());
  std::uint64_t hash = names.size();
  for (const std::string& name : names) {
    hash = base::hash_text(name, hash);
    for (const std::string& text : text_list_attribute(name)) hash = base::hash_text(text, hash);
    const std::vector<double> numbers = number_list_attribute(name);
    hash = base::hash_bytes(numbers.data(), numbers.size() * sizeof(double), hash);
  }
  return hash;
}

namespace {

// The last part of an object's path; empty if it cannot be found.
std::string name_of_scale(hid_t dataset, const hvl_t& references) {
  if (references.len == 0) return "";
  const hid_t scale = H5Rdereference2(dataset, H5P_DEFAULT, H5R_OBJECT, references.p);
  if (scale < 0) return "";
  const Hdf5Handle open(scale, H5Oclose);
  const ssize_t length = H5Iget_name(scale, nullptr, 0);
  if (length <= 0) return "";
  std::string path(static_cast<std::size_t>(length), '\0');
  H5Iget_name(scale, path.data(), path.size() + 1);
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

std::vector<std::string> Hdf5Dataset::axis_names() const {
  LibraryCall call;
  std::vector<std::string> names =
      read_text_attribute(id(), "DIMENSION_LABELS", base::text(where(), ", DIMENSION_LABELS"));
  names.resize(shape_.size());
  if (H5Aexists(id(), "DIMENSION_LIST") > 0) {
    const std::string context = base::text(where(), ", DIMENSION_LIST");
    const Hdf5Handle attribute =
        checked(H5Aopen(id(), "DIMENSION_LIST", H5P_DEFAULT), H5Aclose, context);
    const Hdf5Handle space = checked(H5Aget_space(attribute.id()), H5Sclose, context);
    const Hdf5Handle memory = checked(H5Tvlen_create(H5T_STD_REF_OBJ), H5Tclose, context);
    std::vector<hvl_t> lists(shape_.size());
    if (H5Sget_simple_extent_npoints(space.id()) == static_cast<hssize_t>(lists.size()) &&
        H5Aread(attribute.id(), memory.id(), lists.data()) >= 0) {
      for (std::size_t axis = 0; axis < lists.size(); ++axis)
        if (names[axis].empty()) names[axis] = name_of_scale(id(), lists[axis]);
      H5Dvlen_reclaim(memory.id(), space.id(), H5P_DEFAULT, lists.data());
    }
  }
  const bool none =
      std::all_of(names.begin(), names.end(), [](const std::string& name) { return name.empty(); });
  return none ? std::vector<std::string>() : names;
}

void Hdf5File::set_attribute(const std::string& object, const std::string& name,
                             const AttributeValue& value) {
  LibraryCall call;
  const std::string context = base::text(path_, ", '", object, "', attribute '", name, "'");
  Hdf5Handle target(H5Oopen(id(), object.c_str(), H5P_DEFAULT), H5Oclose);
  if (!target.is_open()) {
    const Hdf5Handle links = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, context);
    check(H5Pset_create_intermediate_group(links.id(), 1), context);
    target = checked(H5Gcreate2(id(), object.c_str(), links.id(), H5P_DEFAULT, H5P_DEFAULT),
                     H5Gclose, context);
  }
  const WrittenValue written = written_value(value, context);
  const Hdf5Handle space =
      checked(written.list ? H5Screate_simple(1, &*written.list, nullptr) : H5Screate(H5S_SCALAR),
              H5Sclose, context);
  if (H5Aexists(target.id(), name.c_str()) > 0)
    check(H5Adelete(target.id(), name.c_str()), context);
  const Hdf5Handle attribute = checked(H5Acreate2(target.id(), name.c_str(), written.type.id(),
                                                  space.id(), H5P_DEFAULT, H5P_DEFAULT),
                                       H5Aclose, context);
  check(H5Awrite(attribute.id(), written.type.id(), written.bytes.data()), context);
}

std::string Hdf5File::text_attribute(const std::string& path, const std::string& name) const {
  LibraryCall call;
  const hid_t object = H5Oopen(id(), path.c_str(), H5P_DEFAULT);
  if (object < 0) return "";
  const Hdf5Handle open(object, H5Oclose);
  const std::vector<std::string> texts = read_text_attribute(
      object, name, base::text(path_, ", '", path, "', attribute '", name, "'"));
  return texts.empty() ? "" : texts.front();
}

std::vector<double> Hdf5File::number_list_attribute(const std::string& path,
                                                    const std::string& name) const {
  LibraryCall call;
  const hid_t object = H5Oopen(id(), path.c_str(), H5P_DEFAULT);
  if (object < 0) return {};
  const Hdf5Handle open(object, H5Oclose);
  return read_number_attribute(object, name,
                               base::text(path_, ", '", path, "', attribute '", name, "'"));
}

std::vector<FuelSplit> Hdf5File::fuel_splits() const {
  LibraryCall call;
  const std::string context = base::text(path_, ", attribute 'split'");
  const Hdf5Handle root = checked(H5Gopen2(id(), "/", H5P_DEFAULT), H5Gclose, context);
  if (H5Aexists(root.id(), "split") <= 0) return {};
  const Hdf5Handle attribute = checked(H5Aopen(root.id(), "split", H5P_DEFAULT), H5Aclose, context);
  const Hdf5Handle type = checked(H5Aget_type(attribute.id()), H5Tclose, context);
  const Hdf5Handle space = checked(H5Aget_space(attribute.id()), H5Sclose, context);
  if (H5Tget_class(type.id()) != H5T_COMPOUND)
    throw base::BadInput(base::text(context, " is not a table of splits in Fuel's format"));

  // Reads only the fields that are needed; text keeps the width that it has in the file.
  struct Field {
    const char* name;
    hid_t type;  // type in memory; -1 = as in the file
    std::size_t offset = 0, bytes = 0;
  };
  Field fields[] = {{"split", -1},
                    {"source", -1},
                    {"start", H5T_NATIVE_INT64},
                    {"stop", H5T_NATIVE_INT64},
                    {"indices", H5T_STD_REF_OBJ}};
  std::vector<Hdf5Handle> types;
  std::size_t row_bytes = 0;
  for (Field& field : fields) {
    const int index = H5Tget_member_index(type.id(), field.name);
    if (index < 0)
      throw base::BadInput(base::text(context, " has no field '", field.name,
                                      "', so it is not a table of splits in Fuel's format"));
    if (field.type < 0) {
      types.push_back(
          checked(H5Tget_member_type(type.id(), static_cast<unsigned>(index)), H5Tclose, context));
      field.type = types.back().id();
      if (H5Tget_class(field.type) != H5T_STRING || H5Tis_variable_str(field.type) > 0)
        throw base::BadInput(
            base::text(context, ": the field '", field.name, "' is not fixed-width text"));
    }
    field.offset = row_bytes;
    field.bytes = H5Tget_size(field.type);
    row_bytes += field.bytes;
  }
  const Hdf5Handle row_type = checked(H5Tcreate(H5T_COMPOUND, row_bytes), H5Tclose, context);
  for (const Field& field : fields)
    check(H5Tinsert(row_type.id(), field.name, field.offset, field.type), context);
  const hssize_t count = H5Sget_simple_extent_npoints(space.id());
  std::vector<char> table(static_cast<std::size_t>(std::max<hssize_t>(0, count)) * row_bytes);
  check(H5Aread(attribute.id(), row_type.id(), table.data()), context);

  std::vector<FuelSplit> out;
  for (const char* row = table.data(); row < table.data() + table.size(); row += row_bytes) {
    const auto words = [&](const Field& field) {
      const std::string padded(row + field.offset, field.bytes);
      return padded.substr(0, padded.find('\0'));
    };
    FuelSplit entry{words(fields[0]), words(fields[1]), 0, 0, {}};
    std::memcpy(&entry.start, row + fields[2].offset, sizeof entry.start);
    std::memcpy(&entry.stop, row + fields[3].offset, sizeof entry.stop);
    hobj_ref_t reference = 0;
    std::memcpy(&reference, row + fields[4].offset, sizeof reference);
    if (reference != 0) {
      const Hdf5Handle indices = checked(
          H5Rdereference2(attribute.id(), H5P_DEFAULT, H5R_OBJECT, &reference), H5Dclose, context);
      const Hdf5Handle extent = checked(H5Dget_space(indices.id()), H5Sclose, context);
      entry.indices.resize(static_cast<std::size_t>(
          std::max<hssize_t>(0, H5Sget_simple_extent_npoints(extent.id()))));
      check(H5Dread(indices.id(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                    entry.indices.data()),
            context);
    }
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace vae_dist::hdf5
