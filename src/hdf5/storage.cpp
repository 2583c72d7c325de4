// Determines how the values of a dataset are stored, and transfers them in that form, for decoding
// outside the library.
#include <algorithm>

#include "base/error.hpp"
#include "base/require_bytes.hpp"
#include "hdf5/dataset.hpp"
#include "hdf5/library.hpp"
#include "hdf5/lzf_filter.hpp"
#include "hdf5/open_dataset.hpp"
#include "hdf5/sources.hpp"

namespace vae_dist::hdf5 {
namespace {

// Returns whether the bit fields (sign, exponent, fraction) are those of binary16, 32 or 64 of IEEE
// 754.
bool is_ieee(hid_t type, std::size_t bytes) {
  std::size_t sign = 0, exponent = 0, exponent_bits = 0, fraction = 0, fraction_bits = 0;
  if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &fraction, &fraction_bits) < 0)
    return false;
  const std::size_t wanted = bytes == 2 ? 10 : bytes == 4 ? 23 : bytes == 8 ? 52 : 0;
  return wanted > 0 && sign == 8 * bytes - 1 && fraction == 0 && fraction_bits == wanted &&
         exponent == wanted && exponent_bits == 8 * bytes - 1 - wanted;
}

// Recognises numpy's bool as h5py writes it: an enumeration of FALSE = 0 and TRUE = 1 over a byte.
bool is_boolean(hid_t type) {
  if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2) return false;
  unsigned char first = 0, second = 0;
  if (H5Tget_member_value(type, 0, &first) < 0 || H5Tget_member_value(type, 1, &second) < 0)
    return false;
  return first + second == 1 && first != second;
}

std::optional<StoredNumber> number_of(hid_t type) {
  const std::size_t bytes = H5Tget_size(type);
  const H5T_class_t kind = H5Tget_class(type);
  if (kind == H5T_ENUM) return is_boolean(type) ? std::optional(StoredNumber{}) : std::nullopt;
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
  // Integers that do not fill their bytes are left to the library.
  if ((bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) || H5Tget_precision(type) != 8 * bytes)
    return std::nullopt;
  number.kind = H5Tget_sign(type) == H5T_SGN_NONE ? StoredNumber::Kind::unsigned_integer
                                                  : StoredNumber::Kind::signed_integer;
  return number;
}

ChunkFilter filter_at(hid_t creation, unsigned index) {
  unsigned flags = 0, config = 0, values[8] = {};
  std::size_t count = std::size(values);
  char name[64] = "";
  ChunkFilter filter;
  filter.id = H5Pget_filter2(creation, index, &flags, &count, values, sizeof name, name, &config);
  filter.name = name[0] ? name : base::text("filter ", filter.id);
  if (filter.id == H5Z_FILTER_DEFLATE) {
    filter.kind = ChunkFilter::Kind::deflate;
    filter.name = count > 0 ? base::text("deflate(", values[0], ")") : "deflate";
  } else if (filter.id == kLzfFilter) {
    filter.kind = ChunkFilter::Kind::lzf;
    filter.name = "lzf";
  } else if (filter.id == H5Z_FILTER_SHUFFLE && count > 0 && values[0] > 0) {
    filter.kind = ChunkFilter::Kind::shuffle;
    filter.element_bytes = values[0];
  } else if (filter.id == H5Z_FILTER_FLETCHER32) {
    filter.kind = ChunkFilter::Kind::fletcher32;
  }
  return filter;
}

// Returns the file that holds an object. Behind an external link, that is not the file that was
// opened.
std::string holder_of(hid_t object, const std::string& opened, const std::string& where) {
  const ssize_t length = H5Fget_name(object, nullptr, 0);
  if (length < 0) throw base::Failure(base::text(where, ": ", reason()));
  std::string name(static_cast<std::size_t>(length), '\0');
  H5Fget_name(object, name.data(), name.size() + 1);
  return name.empty() ? opened : name;
}

std::vector<hsize_t> to_unsigned(std::span<const std::int64_t> values) {
  return {values.begin(), values.end()};
}

bool is_never_written(hid_t dataset, const std::vector<hsize_t>& corner) {
  unsigned mask = 0;
  haddr_t address = 0;
  hsize_t bytes = 0;
  return H5Dget_chunk_info_by_coord(dataset, corner.data(), &mask, &address, &bytes) >= 0 &&
         address == HADDR_UNDEF;
}

}  // namespace

void Hdf5Dataset::find_storage() {
  const Hdf5Handle type = checked(H5Dget_type(id()), H5Tclose, where());
  const Hdf5Handle creation = checked(H5Dget_create_plist(id()), H5Pclose, where());
  data_file_ = holder_of(id(), file_, where());
  source_files_ = {data_file_};
  number_ = number_of(type.id());
  for (int i = 0; i < H5Pget_nfilters(creation.id()); ++i)
    pipeline_.push_back(filter_at(creation.id(), static_cast<unsigned>(i)));
  if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
    storage_ = StorageKind::chunked;
    unsigned options = 0;
    edges_unfiltered_ = H5Pget_chunk_opts(creation.id(), &options) >= 0 &&
                        (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
  } else if (H5Pget_layout(creation.id()) == H5D_CONTIGUOUS) {
    const bool external = H5Pget_external_count(creation.id()) > 0;
    std::uint64_t bytes = H5Tget_size(type.id());
    for (const std::int64_t size : shape_) bytes *= static_cast<std::uint64_t>(size);
    if (external) {
      segments_ = external_segments(creation.id(), data_file_, bytes, where());
      for (const StoredSegment& segment : segments_) source_files_.push_back(segment.file);
    } else if (const haddr_t offset = H5Dget_offset(id()); offset != HADDR_UNDEF) {
      segments_ = {{data_file_, offset, bytes}};
    }
    if (!segments_.empty()) storage_ = StorageKind::contiguous;
  } else if (H5Pget_layout(creation.id()) == H5D_VIRTUAL) {
    VirtualSources sources = open_virtual_sources(id(), creation.id(), data_file_, where());
    source_files_.insert(source_files_.end(), sources.files.begin(), sources.files.end());
    open_->keep(std::move(sources.open));
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
      throw base::BadInput(
          base::text(where(), " is stored with the filter ", filter.name, " (", filter.id,
                     "), which is not installed: install its plugin and set HDF5_PLUGIN_PATH to "
                     "the plugin's folder (for the Python package hdf5plugin: "
                     "`python -c 'import hdf5plugin; print(hdf5plugin.PLUGIN_PATH)'`), or rewrite "
                     "the file without that filter on a machine that can read it"));
}

void Hdf5Dataset::read_chunk(std::span<const std::int64_t> corner, StoredChunk& chunk) const {
  const std::vector<hsize_t> offset = to_unsigned(corner);
  const auto context = [&] {
    return base::text(where(), ": cannot read the chunk at ",
                      shape_text({corner.begin(), corner.end()}));
  };
  LibraryCall call;
  // H5Dget_chunk_info_by_coord would be a thousand times slower (1.10.8, 60,000 chunks).
  hsize_t bytes = 0;
  // This call fails for a chunk that was never written (1.10.8). Any other cause shows up when the
  // library reads the rows.
  if (H5Dget_chunk_storage_size(id(), offset.data(), &bytes) < 0) bytes = 0;
  // A damaged index may claim any size. Filters add little to data that they cannot compress.
  hsize_t plausible = number_ ? 2 * number_->bytes : 16;
  for (const std::int64_t size : chunk_) plausible *= static_cast<hsize_t>(size);
  if (bytes > plausible + 4096)
    throw base::Failure(base::text(context(), ": it claims ", bytes,
                                   " bytes, far more than a chunk can have; the file is damaged"));
  chunk.bytes.resize(bytes);
  chunk.filter_mask = 0;
  if (bytes > 0 &&
      H5Dread_chunk(id(), H5P_DEFAULT, offset.data(), &chunk.filter_mask, chunk.bytes.data()) < 0) {
    const std::string why = reason();
    // The library reports a size even for an unfiltered chunk that was never written, if the chunk
    // is in its cache because its rows were read (1.10.8).
    if (!is_never_written(id(), offset)) throw base::Failure(base::text(context(), ": ", why));
    chunk.bytes.clear();
  }
  for (std::size_t axis = 0; edges_unfiltered_ && axis < shape_.size(); ++axis)
    if (corner[axis] + chunk_[axis] > shape_[axis]) chunk.filter_mask = ~std::uint32_t{0};
}

void Hdf5Dataset::read_stored(std::int64_t first, std::int64_t rows,
                              std::span<std::byte> out) const {
  LibraryCall call;
  const Hdf5Handle type = checked(H5Dget_type(id()), H5Tclose, where());
  check_rows(shape_, first, rows, out.size() / H5Tget_size(type.id()), where());
  if (out.empty()) return;
  const RowTransfer selection(id(), shape_, {first, rows}, where());
  if (H5Dread(id(), type.id(), selection.memory.id(), selection.file.id(), H5P_DEFAULT,
              out.data()) < 0)
    throw base::Failure(
        base::text(where(), ": cannot read rows ", first, " to ", first + rows, ": ", reason()));
}

void Hdf5Dataset::read_box(const Box& box, std::span<std::byte> out) const {
  LibraryCall call;
  const Hdf5Handle type = checked(H5Dget_type(id()), H5Tclose, where());
  base::require_bytes("Hdf5Dataset::read_box", out.size(),
                      static_cast<std::size_t>(box.values()) * H5Tget_size(type.id()));
  if (out.empty()) return;
  const std::vector<hsize_t> first = to_unsigned(box.first), count = to_unsigned(box.count);
  const Hdf5Handle file = checked(H5Dget_space(id()), H5Sclose, where()),
                   memory = checked(
                       H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr),
                       H5Sclose, where());
  check(
      H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, first.data(), nullptr, count.data(), nullptr),
      where());
  if (H5Dread(id(), type.id(), memory.id(), file.id(), H5P_DEFAULT, out.data()) < 0)
    throw base::Failure(base::text(where(), ": cannot read ", shape_text(box.count), " values at ",
                                   shape_text(box.first), ": ", reason()));
}

void Hdf5Dataset::write_stored(std::int64_t first, std::int64_t rows,
                               std::span<const std::byte> values) {
  LibraryCall call;
  const Hdf5Handle type = checked(H5Dget_type(id()), H5Tclose, where());
  check_rows(shape_, first, rows, values.size() / H5Tget_size(type.id()), where());
  if (values.empty()) return;
  const RowTransfer selection(id(), shape_, {first, rows}, where());
  if (H5Dwrite(id(), type.id(), selection.memory.id(), selection.file.id(), H5P_DEFAULT,
               values.data()) < 0)
    throw base::Failure(
        base::text(where(), ": cannot write rows ", first, " to ", first + rows, ": ", reason()));
}

}  // namespace vae_dist::hdf5
