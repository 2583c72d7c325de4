#include "hdf5/stored_rows.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "hdf5/read_bytes.hpp"

namespace vae_dist::hdf5 {
namespace {

constexpr std::int64_t kBandBytes = 512 * 1024;

// Copies the part of a chunk that lies within rows [first, first + count) and within the dataset to
// its place among these rows. All axes but the first are walked in order; the last is copied in one
// go.
class ChunkPart {
 public:
  ChunkPart(const Hdf5Dataset& dataset, std::span<const std::int64_t> corner, std::int64_t first,
            std::int64_t count)
      : shape_(dataset.shape()),
        chunk_(dataset.chunk()),
        corner_(corner),
        value_bytes_(static_cast<std::int64_t>(dataset.number()->bytes)),
        first_(first) {
    begin_ = std::max(first, corner[0]);
    end_ = std::min({first + count, corner[0] + chunk_[0], shape_[0]});
  }

  void copy(const std::byte* chunk, std::byte* rows) const {
    for (std::int64_t row = begin_; row < end_; ++row)
      copy_axis(1, chunk, row - corner_[0], rows, row - first_);
  }

 private:
  void copy_axis(std::size_t axis, const std::byte* chunk, std::int64_t from, std::byte* rows,
                 std::int64_t to) const {
    if (axis == shape_.size()) {
      std::memcpy(rows + to * value_bytes_, chunk + from * value_bytes_,
                  static_cast<std::size_t>(value_bytes_));
      return;
    }
    const std::int64_t size = std::min(chunk_[axis], shape_[axis] - corner_[axis]);
    from *= chunk_[axis];
    to = to * shape_[axis] + corner_[axis];
    if (axis + 1 == shape_.size()) {
      std::memcpy(rows + to * value_bytes_, chunk + from * value_bytes_,
                  static_cast<std::size_t>(size * value_bytes_));
      return;
    }
    for (std::int64_t i = 0; i < size; ++i) copy_axis(axis + 1, chunk, from + i, rows, to + i);
  }

  const std::vector<std::int64_t>&shape_, &chunk_;
  std::span<const std::int64_t> corner_;
  std::int64_t value_bytes_, first_, begin_, end_;
};

}  // namespace

StoredRows::StoredRows(Hdf5Dataset dataset) : dataset_(std::move(dataset)) {
  if (!dataset_.number())
    throw base::BadInput(
        base::text(dataset_.where(), " holds ", dataset_.type_name(),
                   " values; images are integers or floats (of 16, 32 or 64 bits)"));
  const auto& shape = dataset_.shape();
  if (shape.empty())
    throw base::BadInput(base::text(dataset_.where(), " is a single value: it has no rows"));
  row_bytes_ = number().bytes;
  for (std::size_t axis = 1; axis < shape.size(); ++axis)
    row_bytes_ *= static_cast<std::size_t>(shape[axis]);

  if (dataset_.storage() == StorageKind::chunked) {
    const auto& chunk = dataset_.chunk();
    band_rows_ = chunk[0];
    chunk_bytes_ = number().bytes;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      chunk_bytes_ *= static_cast<std::size_t>(chunk[axis]);
      if (axis > 0) chunks_per_band_ *= (shape[axis] + chunk[axis] - 1) / chunk[axis];
    }
    decoded_here_ = can_undo(dataset_.pipeline());
    dataset_.check_filters();
  } else {
    band_rows_ = std::max<std::int64_t>(
        1, kBandBytes / std::max<std::int64_t>(1, static_cast<std::int64_t>(row_bytes_)));
    contiguous_ = dataset_.storage() == StorageKind::contiguous;
    for (const StoredSegment& segment : dataset_.segments())
      offset_files_.push_back(std::make_unique<OffsetFile>(segment.file));
  }
}

void StoredRows::read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
                      DecodeBuffers& buffers) const {
  if (count == 0) return;
  if (contiguous_) return read_contiguous(first, out);
  if (!decoded_here_) {
    ++counts_->library_reads;
    add_read_bytes(out.size());
    return dataset_.read_stored(first, count, out);
  }
  const auto &shape = dataset_.shape(), &chunk = dataset_.chunk();
  std::vector<std::int64_t> corner(shape.size(), 0);
  for (corner[0] = first / chunk[0] * chunk[0]; corner[0] < first + count; corner[0] += chunk[0]) {
    // The chunks of a band, the last axis fastest.
    for (bool more = true; more;) {
      read_chunk(corner, first, count, out, buffers);
      more = false;
      for (std::size_t axis = shape.size(); axis-- > 1 && !more;) {
        corner[axis] += chunk[axis];
        more = corner[axis] < shape[axis];
        if (!more) corner[axis] = 0;
      }
    }
  }
}

void StoredRows::will_need(std::int64_t first, std::int64_t count) const {
  // Of a chunk HDF5 1.10 tells the address only by a search through all of them (1.8 ms among
  // 60,000). Guessing it from the chunk's number (in the order of which files are mostly written)
  // made nothing reliably faster: 1.14 and 0.95 times as fast from a cold disk by 1 and 2 threads,
  // against 1.22 and 1.25 here.
  if (!contiguous_) return;
  for_each_part(static_cast<std::uint64_t>(first) * row_bytes_,
                static_cast<std::uint64_t>(count) * row_bytes_,
                [](const OffsetFile& file, std::uint64_t offset, std::uint64_t,
                   std::uint64_t bytes) { file.will_need(offset, bytes); });
}

template <typename Visit>
void StoredRows::for_each_part(std::uint64_t first, std::uint64_t bytes, Visit visit) const {
  std::uint64_t begin = 0;  // of the segment, among the values
  for (std::size_t i = 0; i < offset_files_.size(); ++i) {
    const StoredSegment& segment = dataset_.segments()[i];
    const std::uint64_t from = std::max(first, begin),
                        to = std::min(first + bytes, begin + segment.bytes);
    if (from < to)
      visit(*offset_files_[i], segment.offset + (from - begin), from - first, to - from);
    begin += segment.bytes;
  }
}

void StoredRows::read_contiguous(std::int64_t first, std::span<std::byte> out) const {
  try {
    for_each_part(static_cast<std::uint64_t>(first) * row_bytes_, out.size(),
                  [&](const OffsetFile& file, std::uint64_t offset, std::uint64_t place,
                      std::uint64_t bytes) { file.read(offset, out.subspan(place, bytes)); });
  } catch (const base::Failure& error) {
    throw base::Failure(
        base::text(dataset_.where(), ": cannot read the rows from ", first, ": ", error.what()));
  }
  add_read_bytes(out.size());
}

void StoredRows::read_chunk(std::span<const std::int64_t> corner, std::int64_t first,
                            std::int64_t count, std::span<std::byte> out,
                            DecodeBuffers& buffers) const {
  dataset_.read_chunk(corner, buffers.stored);
  add_read_bytes(buffers.stored.bytes.size());
  if (buffers.stored.bytes.empty()) {  // never written: the fill value, which the library knows
    const std::int64_t begin = std::max(first, corner[0]),
                       end = std::min({first + count, corner[0] + dataset_.chunk()[0], rows()});
    ++counts_->library_reads;
    return dataset_.read_stored(begin, end - begin,
                                out.subspan(static_cast<std::size_t>(begin - first) * row_bytes_,
                                            static_cast<std::size_t>(end - begin) * row_bytes_));
  }
  // A chunk that holds whole rows, all of them wanted, is decoded where it belongs.
  const bool whole = chunk_bytes_ == static_cast<std::size_t>(band_rows_) * row_bytes_ &&
                     corner[0] >= first &&
                     corner[0] + band_rows_ <= std::min(first + count, rows());
  if (!whole && buffers.chunk.size() < chunk_bytes_) buffers.chunk.resize(chunk_bytes_);
  const std::span<std::byte> place =
      whole ? out.subspan(static_cast<std::size_t>(corner[0] - first) * row_bytes_, chunk_bytes_)
            : std::span(buffers.chunk).first(chunk_bytes_);
  try {
    buffers.decoder.decode(dataset_.pipeline(), buffers.stored.filter_mask, buffers.stored.bytes,
                           place);
  } catch (const DamagedChunk& damage) {
    throw base::Failure(base::text(dataset_.where(), ": the chunk at ",
                                   shape_text({corner.begin(), corner.end()}),
                                   " cannot be decoded: ", damage.what()));
  }
  ++counts_->chunks;
  if (!whole) ChunkPart(dataset_, corner, first, count).copy(place.data(), out.data());
}

}  // namespace vae_dist::hdf5
