#include "datasets/stored_attributes.hpp"

#include <algorithm>
#include <cstdint>

#include "base/error.hpp"

namespace vae_dist::datasets {

// Recurses by hand, because H5Tdetect_class misses variable-length text inside compounds.
bool is_plain_type(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_VLEN:
    case H5T_REFERENCE:
    case H5T_NO_CLASS:
      return false;
    case H5T_STRING:
      return H5Tis_variable_str(type) == 0;
    case H5T_ARRAY:
      return is_plain_type(hdf5::Hdf5Handle(H5Tget_super(type), H5Tclose).id());
    case H5T_COMPOUND:
      break;
    default:
      return true;
  }
  for (int i = 0; i < H5Tget_nmembers(type); ++i)
    if (!is_plain_type(
            hdf5::Hdf5Handle(H5Tget_member_type(type, static_cast<unsigned>(i)), H5Tclose).id()))
      return false;
  return true;
}

namespace {

// Returns whether an attribute holds a reference that is not null. Null references can be copied:
// Fuel's `split` has a reference field that is mostly null.
bool refers_to_something(hid_t type, const std::vector<std::uint8_t>& bytes) {
  if (H5Tdetect_class(type, H5T_REFERENCE) <= 0) return false;
  if (H5Tget_class(type) != H5T_COMPOUND) return true;
  const std::size_t record = H5Tget_size(type);
  for (int i = 0; i < H5Tget_nmembers(type); ++i) {
    const hdf5::Hdf5Handle member(H5Tget_member_type(type, static_cast<unsigned>(i)), H5Tclose);
    if (H5Tdetect_class(member.id(), H5T_REFERENCE) <= 0) continue;
    const std::size_t offset = H5Tget_member_offset(type, static_cast<unsigned>(i)),
                      width = H5Tget_size(member.id());
    for (std::size_t at = offset; at + width <= bytes.size(); at += record)
      if (std::any_of(&bytes[at], &bytes[at] + width, [](std::uint8_t b) { return b != 0; }))
        return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> copy_attributes_of(hid_t from, hid_t to, const std::string& where) {
  std::vector<std::string> names, left_out;
  const auto collect = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  hdf5::check(H5Aiterate2(from, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names), where);
  for (const std::string& name : names) {
    const std::string place = base::text(where, ", attribute '", name, "'");
    const hdf5::Hdf5Handle attribute =
        hdf5::checked(H5Aopen(from, name.c_str(), H5P_DEFAULT), H5Aclose, place);
    const hdf5::Hdf5Handle type = hdf5::checked(H5Aget_type(attribute.id()), H5Tclose, place),
                           space = hdf5::checked(H5Aget_space(attribute.id()), H5Sclose, place);
    std::vector<std::uint8_t> bytes(
        static_cast<std::size_t>(std::max<hssize_t>(H5Sget_simple_extent_npoints(space.id()), 0)) *
        H5Tget_size(type.id()));
    if (!bytes.empty()) hdf5::check(H5Aread(attribute.id(), type.id(), bytes.data()), place);
    const bool refers = refers_to_something(type.id(), bytes);
    if (refers) {
      left_out.push_back(name);
    } else {
      const hdf5::Hdf5Handle copy = hdf5::checked(
          H5Acreate2(to, name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
          place);
      if (!bytes.empty()) hdf5::check(H5Awrite(copy.id(), type.id(), bytes.data()), place);
    }
    if (!bytes.empty() && !is_plain_type(type.id()))
      H5Dvlen_reclaim(type.id(), space.id(), H5P_DEFAULT, bytes.data());
  }
  return left_out;
}

}  // namespace vae_dist::datasets
