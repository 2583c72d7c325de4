// How a dataset's values are stored, and reading them so: what decoding outside of the library needs.
#include <algorithm>

#include "base/error.hpp"
#include "hdf5/dataset.hpp"
#include "hdf5/library.hpp"

namespace vae_dist {
namespace {

// binary16, 32 or 64 of IEEE 754, as bit fields: sign, exponent, fraction.
bool is_ieee(hid_t type, std::size_t bytes) {
  std::size_t sign = 0, exponent = 0, exponent_bits = 0, fraction = 0, fraction_bits = 0;
  if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &fraction, &fraction_bits) < 0) return false;
  const std::size_t wanted = bytes == 2 ? 10 : bytes == 4 ? 23 : bytes == 8 ? 52 : 0;
  return wanted > 0 && sign == 8 * bytes - 1 && fraction == 0 && fraction_bits == wanted && exponent == wanted && exponent_bits == 8 * bytes - 1 - wanted;
}

std::optional<StoredNumber> number_of(hid_t type) {
  const std::size_t bytes = H5Tget_size(type);
  const H5T_class_t kind = H5Tget_class(type);
  // numpy's bool, as h5py writes it: an enumeration of FALSE and TRUE over a byte.
  if (kind == H5T_ENUM) return bytes == 1 && H5Tget_nmembers(type) == 2 ? std::optional(StoredNumber{}) : std::nullopt;
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) return std::nullopt;
  const H5T_order_t order = H5Tget_order(type);
  if (order != H5T_ORDER_LE && order != H5T_ORDER_BE) return std::nullopt;
  StoredNumber number;
  number.bytes = bytes;
  number.big_endian = order == H5T_ORDER_BE && bytes > 1;
  if (kind == H5T_FLOAT) {
    number.kind = StoredNumber::Kind::ieee_float;
    return is_ieee(type, bytes) ? std::optional(number) : std::nullopt;
  }
  // Integers that do not fill their bytes are the library's.
  if ((bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) || H5Tget_precision(type) != 8 * bytes) return std::nullopt;
  number.kind = H5Tget_sign(type) == H5T_SGN_NONE ? StoredNumber::Kind::unsigned_integer : StoredNumber::Kind::signed_integer;
  return number;
}

ChunkFilter filter_at(hid_t creation, unsigned index) {
  unsigned flags = 0, config = 0, values[8] = {};
  std::size_t count = std::size(values);
  char name[64] = "";
  ChunkFilter filter;
  filter.id = H5Pget_filter2(creation, index, &flags, &count, values, sizeof name, name, &config);
  filter.name = name[0] ? name : text("filter ", filter.id);
  if (filter.id == H5Z_FILTER_DEFLATE) {
    filter.kind = ChunkFilter::Kind::deflate;
    filter.name = count > 0 ? text("deflate(", values[0], ")") : "deflate";
  } else if (filter.id == H5Z_FILTER_SHUFFLE && count > 0 && values[0] > 0) {
    filter.kind = ChunkFilter::Kind::shuffle;
    filter.element_bytes = values[0];
  } else if (filter.id == H5Z_FILTER_FLETCHER32) {
    filter.kind = ChunkFilter::Kind::fletcher32;
  }
  return filter;
}

std::vector<hsize_t> to_unsigned(std::span<const std::int64_t> values) { return {values.begin(), values.end()}; }

}  // namespace

void Hdf5Dataset::find_storage() {
  const Hdf5Handle type = checked(H5Dget_type(id()), H5Tclose, where());
  const Hdf5Handle creation = checked(H5Dget_create_plist(id()), H5Pclose, where());
  number_ = number_of(type.id());
  for (int i = 0; i < H5Pget_nfilters(creation.id()); ++i) pipeline_.push_back(filter_at(creation.id(), static_cast<unsigned>(i)));
  if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
    storage_ = StorageKind::chunked;
    unsigned options = 0;
    edges_unfiltered_ = H5Pget_chunk_opts(creation.id(), &options) >= 0 && (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
  } else if (H5Pget_layout(creation.id()) == H5D_CONTIGUOUS && H5Pget_external_count(creation.id()) == 0) {
    const haddr_t offset = H5Dget_offset(id());
    if (offset == HADDR_UNDEF) return;
    offset_ = offset;
    storage_ = StorageKind::contiguous;
  }
}

std::string Hdf5Dataset::filters() const {
  std::string out;
  for (const ChunkFilter& filter : pipeline_) out += (out.empty() ? "" : ", ") + filter.name;
  return out.empty() ? "none" : out;
}

void Hdf5Dataset::check_filters() const {
  if (can_undo(pipeline_)) return;
  LibraryCall call;
  for (const ChunkFilter& filter : pipeline_)
    if (H5Zfilter_avail(filter.id) <= 0)
      throw BadInput(text(where(), " is stored with the filter ", filter.name, " (", filter.id,
                          "), which is not installed: install its HDF5 plugin and set HDF5_PLUGIN_PATH, or write the file again without it (h5repack -f GZIP=4)"));
}

void Hdf5Dataset::read_chunk(std::span<const std::int64_t> corner, StoredChunk& chunk) const {
  const std::vector<hsize_t> offset = to_unsigned(corner);
  const auto place = [&] { return text(where(), ": cannot read the chunk at ", shape_text({corner.begin(), corner.end()})); };
  LibraryCall call;
  // H5Dget_chunk_info_by_coord would be a thousand times slower (1.10.8, 60,000 chunks).
  hsize_t bytes = 0;
  // It fails for a chunk that was never written (1.10.8). Whatever it was, reading the rows by the library tells.
  if (H5Dget_chunk_storage_size(id(), offset.data(), &bytes) < 0) bytes = 0;
  // A damaged index may claim anything; filters add little to what they cannot make smaller.
  hsize_t plausible = number_ ? 2 * number_->bytes : 16;
  for (const std::int64_t size : chunk_) plausible *= static_cast<hsize_t>(size);
  if (bytes > plausible + 4096) throw Failure(text(place(), ": it claims ", bytes, " bytes, far more than a chunk has; the file is damaged"));
  chunk.bytes.resize(bytes);
  chunk.filter_mask = 0;
  if (bytes > 0 && H5Dread_chunk(id(), H5P_DEFAULT, offset.data(), &chunk.filter_mask, chunk.bytes.data()) < 0) throw Failure(text(place(), ": ", reason()));
  for (std::size_t axis = 0; edges_unfiltered_ && axis < shape_.size(); ++axis)
    if (corner[axis] + chunk_[axis] > shape_[axis]) chunk.filter_mask = ~std::uint32_t{0};
}

void Hdf5Dataset::read_stored(std::int64_t first, std::int64_t rows, std::span<std::byte> out) const {
  LibraryCall call;
  const Hdf5Handle type = checked(H5Dget_type(id()), H5Tclose, where());
  check_rows(shape_, first, rows, out.size() / H5Tget_size(type.id()), where());
  if (out.empty()) return;
  const RowTransfer selection(id(), shape_, first, rows, where());
  if (H5Dread(id(), type.id(), selection.memory.id(), selection.file.id(), H5P_DEFAULT, out.data()) < 0)
    throw Failure(text(where(), ": cannot read rows ", first, " to ", first + rows, ": ", reason()));
}

}  // namespace vae_dist
