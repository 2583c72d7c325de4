#include "hdf5/stored_rows.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/planted_fault.hpp"
#include "base/require_bytes.hpp"
#include "hdf5/read_bytes.hpp"

namespace vae_dist::hdf5 {
namespace {

constexpr std::int64_t kBlockBytes = std::int64_t{512} * 1024;

// Copies the part of a chunk that lies within rows [first, first + count) and within the dataset to
// its place among these rows. Walks all axes but the last in order; the last axis is copied in one
// piece.
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
                   " values; images must be integers or floats (of 16, 32 or 64 bits)"));
  const auto& shape = dataset_.shape();
  if (shape.empty())
    throw base::BadInput(base::text(dataset_.where(), " is a single value: it has no rows"));
  row_bytes_ = number().bytes;
  for (std::size_t axis = 1; axis < shape.size(); ++axis)
    row_bytes_ *= static_cast<std::size_t>(shape[axis]);

  if (dataset_.storage() == StorageKind::chunked) {
    const auto& chunk = dataset_.chunk();
    block_rows_ = chunk[0];
    chunk_bytes_ = number().bytes;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      chunk_bytes_ *= static_cast<std::size_t>(chunk[axis]);
      if (axis > 0) chunks_per_block_ *= (shape[axis] + chunk[axis] - 1) / chunk[axis];
    }
    decodes_chunks_ = can_undo(dataset_.pipeline());
    dataset_.check_filters();
  } else {
    block_rows_ = std::max<std::int64_t>(
        1, kBlockBytes / std::max<std::int64_t>(1, static_cast<std::int64_t>(row_bytes_)));
    contiguous_ = dataset_.storage() == StorageKind::contiguous;
    for (const StoredSegment& segment : dataset_.segments())
      offset_files_.push_back(std::make_unique<OffsetFile>(segment.file));
  }
}

void StoredRows::read(std::int64_t first, std::int64_t count, std::span<std::byte> out,
                      DecodeBuffers& buffers) const {
  base::require_bytes("StoredRows::read", out.size(), static_cast<std::size_t>(count) * row_bytes_);
  if (count == 0) return;
  if (contiguous_) return read_contiguous(first, out);
  if (!decodes_chunks_) {
    ++counts_->library_reads;
    add_read_bytes(out.size());
    return dataset_.read_stored(first, count, out);
  }
  const auto &shape = dataset_.shape(), &chunk = dataset_.chunk();
  std::vector<std::int64_t> corner(shape.size(), 0);
  for (corner[0] = first / chunk[0] * chunk[0]; corner[0] < first + count; corner[0] += chunk[0]) {
    // Visits the chunks of a block, the last axis fastest.
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
  // HDF5 1.10 finds the address of a chunk only by searching all of them (1.8 ms among 60,000).
  // Guessing the address from the chunk's number (files are mostly written in that order) was not
  // reliably faster: 1.14 and 0.95 times as fast from a cold disk with 1 and 2 threads, against
  // 1.22 and 1.25 here.
  if (!contiguous_) return;
  for_each_part(static_cast<std::uint64_t>(first) * row_bytes_,
                static_cast<std::uint64_t>(count) * row_bytes_,
                [](const OffsetFile& file, std::uint64_t offset, std::uint64_t,
                   std::uint64_t bytes) { file.will_need(offset, bytes); });
}

template <typename Visit>
void StoredRows::for_each_part(std::uint64_t first, std::uint64_t bytes, Visit visit) const {
  std::uint64_t begin = 0;  // position of the segment among the values
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
                  [&](const OffsetFile& file, std::uint64_t offset, std::uint64_t position,
                      std::uint64_t bytes) { file.read(offset, out.subspan(position, bytes)); });
  } catch (const base::Failure& error) {
    throw base::Failure(base::text(dataset_.where(), ": cannot read the rows starting at row ",
                                   first, ": ", error.what()));
  }
  add_read_bytes(out.size());
}

void StoredRows::read_chunk(std::span<const std::int64_t> corner, std::int64_t first,
                            std::int64_t count, std::span<std::byte> out,
                            DecodeBuffers& buffers) const {
  dataset_.read_chunk(corner, buffers.stored);
  add_read_bytes(buffers.stored.bytes.size());
  if (buffers.stored.bytes.empty()) {  // never written: the library knows the fill value
    const std::int64_t begin = std::max(first, corner[0]),
                       end = std::min({first + count, corner[0] + dataset_.chunk()[0], rows()});
    ++counts_->library_reads;
    return dataset_.read_stored(begin, end - begin,
                                out.subspan(static_cast<std::size_t>(begin - first) * row_bytes_,
                                            static_cast<std::size_t>(end - begin) * row_bytes_));
  }
  // A chunk of whole rows that are all wanted is decoded straight into `out`.
  const bool whole = chunk_bytes_ == static_cast<std::size_t>(block_rows_) * row_bytes_ &&
                     corner[0] >= first &&
                     corner[0] + block_rows_ <= std::min(first + count, rows());
  if (!whole && buffers.chunk.size() < chunk_bytes_) buffers.chunk.resize(chunk_bytes_);
  const std::span<std::byte> decoded =
      whole ? out.subspan(static_cast<std::size_t>(corner[0] - first) * row_bytes_, chunk_bytes_)
            : std::span(buffers.chunk).first(chunk_bytes_);
  try {
    buffers.decoder.decode(dataset_.pipeline(), buffers.stored.filter_mask, buffers.stored.bytes,
                           decoded);
  } catch (const DamagedChunk& damage) {
    throw base::Failure(base::text(dataset_.where(), ": the chunk at ",
                                   shape_text({corner.begin(), corner.end()}),
                                   " cannot be decoded: ", damage.what()));
  }
  ++counts_->chunks;
  if (base::planted(base::PlantedFault::reader)) *(out.data() + out.size()) = std::byte{};
  if (!whole) ChunkPart(dataset_, corner, first, count).copy(decoded.data(), out.data());
}

}  // namespace vae_dist::hdf5
