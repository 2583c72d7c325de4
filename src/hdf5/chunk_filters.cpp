#include "hdf5/chunk_filters.hpp"

#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/text.hpp"
#include "hdf5/lzf_filter.hpp"

namespace vae_dist::hdf5 {
namespace {

constexpr std::size_t kChecksumBytes = 4;

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
constexpr std::size_t kLane = 16;
using Lane = unsigned char __attribute__((vector_size(kLane)));

// Turns the planes of 16 elements into these elements, one after another: a plane of the first half
// and its counterpart of the second half are interleaved byte by byte, until all are.
template <std::size_t kPlanes>
void interleave(Lane* planes) {
  for (std::size_t level = 1; level < kPlanes; level *= 2) {
    Lane mixed[kPlanes];
    for (std::size_t i = 0; i < kPlanes / 2; ++i) {
      const Lane first = planes[i], second = planes[i + kPlanes / 2];
      mixed[2 * i] = __builtin_shufflevector(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5,
                                             21, 6, 22, 7, 23);
      mixed[2 * i + 1] = __builtin_shufflevector(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12,
                                                 28, 13, 29, 14, 30, 15, 31);
    }
    std::copy(mixed, mixed + kPlanes, planes);
  }
}
#endif
#endif

// Byte plane b of the stored bytes holds byte b of every element. Trailing bytes that do not fill
// an element are stored unchanged.
template <std::size_t kBytes>
void unshuffle_elements(const std::byte* stored, std::size_t count, std::byte* out) {
  std::size_t i = 0;
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
  for (; i + kLane <= count; i += kLane) {
    Lane planes[kBytes];
    for (std::size_t b = 0; b < kBytes; ++b) std::memcpy(&planes[b], stored + b * count + i, kLane);
    interleave<kBytes>(planes);
    std::memcpy(out + i * kBytes, planes, sizeof planes);
  }
#endif
#endif
  for (; i < count; ++i)
    for (std::size_t b = 0; b < kBytes; ++b) out[i * kBytes + b] = stored[b * count + i];
}

void unshuffle(std::span<const std::byte> stored, std::size_t element_bytes,
               std::span<std::byte> out) {
  const std::size_t count = stored.size() / element_bytes;
  switch (element_bytes) {
    case 2:
      unshuffle_elements<2>(stored.data(), count, out.data());
      break;
    case 4:
      unshuffle_elements<4>(stored.data(), count, out.data());
      break;
    case 8:
      unshuffle_elements<8>(stored.data(), count, out.data());
      break;
    default:
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t b = 0; b < element_bytes; ++b)
          out[i * element_bytes + b] = stored[b * count + i];
  }
  const std::size_t done = count * element_bytes;
  std::copy(stored.begin() + static_cast<std::ptrdiff_t>(done), stored.end(),
            out.begin() + static_cast<std::ptrdiff_t>(done));
}

bool compresses(const ChunkFilter& filter) {
  return filter.kind == ChunkFilter::Kind::deflate || filter.kind == ChunkFilter::Kind::lzf;
}

bool does_nothing(const ChunkFilter& filter) {
  return filter.kind == ChunkFilter::Kind::shuffle && filter.element_bytes <= 1;
}

// Verifies the checksum and returns the bytes without it.
std::span<const std::byte> without_checksum(std::span<const std::byte> bytes) {
  if (bytes.size() < kChecksumBytes)
    throw DamagedChunk(
        base::text("it has ", bytes.size(), " bytes, too few for its Fletcher32 checksum"));
  const std::span<const std::byte> content = bytes.first(bytes.size() - kChecksumBytes);
  std::uint32_t stored = 0;
  for (std::size_t i = 0; i < kChecksumBytes; ++i)
    stored |= std::to_integer<std::uint32_t>(bytes[content.size() + i]) << (8 * i);
  const std::uint32_t found = fletcher32(content);
  // HDF5 before 1.6.3 swapped the bytes of each half on little-endian machines; the library accepts
  // both.
  const std::uint32_t swapped = (found & 0x00ff00ff) << 8 | (found & 0xff00ff00) >> 8;
  if (stored != found && stored != swapped)
    throw DamagedChunk("its Fletcher32 checksum does not match its content");
  return content;
}

void expand_lzf(std::span<const std::byte> stored, std::span<std::byte> out) {
  const auto size = lzf_decompressed(stored, out);
  if (!size)
    throw DamagedChunk(base::text("its LZF stream is damaged, or holds more than the ", out.size(),
                                  " bytes of a chunk"));
  if (*size != out.size())
    throw DamagedChunk(
        base::text("its LZF stream holds ", *size, " bytes instead of ", out.size()));
}

}  // namespace

bool can_undo(std::span<const ChunkFilter> pipeline) {
  return std::none_of(pipeline.begin(), pipeline.end(),
                      [](const ChunkFilter& f) { return f.kind == ChunkFilter::Kind::other; }) &&
         std::count_if(pipeline.begin(), pipeline.end(), compresses) <= 1;
}

void ChunkDecoder::Free::operator()(libdeflate_decompressor* decompressor) const {
  libdeflate_free_decompressor(decompressor);
}

ChunkDecoder::ChunkDecoder() : decompressor_(libdeflate_alloc_decompressor()) {
  if (!decompressor_) throw std::bad_alloc();
}

void ChunkDecoder::inflate(std::span<const std::byte> stored, std::span<std::byte> out) {
  std::size_t size = 0;
  switch (libdeflate_zlib_decompress(decompressor_.get(), stored.data(), stored.size(), out.data(),
                                     out.size(), &size)) {
    case LIBDEFLATE_SUCCESS:
      break;
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      throw DamagedChunk(
          base::text("its deflate stream holds more than the ", out.size(), " bytes of a chunk"));
    default:
      throw DamagedChunk("its deflate stream is damaged");
  }
  if (size != out.size())
    throw DamagedChunk(
        base::text("its deflate stream holds ", size, " bytes instead of ", out.size()));
}

void ChunkDecoder::decode(std::span<const ChunkFilter> pipeline, std::uint32_t mask,
                          std::span<const std::byte> stored, std::span<std::byte> out) {
  // The filters to undo, and the number of bytes before each of them was applied. That number is
  // known only up to the filter that compresses.
  std::vector<const ChunkFilter*> steps;
  std::vector<std::size_t> sizes;
  std::size_t size = out.size();
  for (std::size_t i = 0; i < pipeline.size(); ++i) {
    if ((i < 32 && (mask >> i & 1) != 0) || does_nothing(pipeline[i])) continue;
    steps.push_back(&pipeline[i]);
    sizes.push_back(size);
    if (pipeline[i].kind == ChunkFilter::Kind::fletcher32) size += kChecksumBytes;
  }

  std::span<const std::byte> bytes = stored;
  int next_scratch = 0;
  for (std::size_t left = steps.size(); left-- > 0;) {
    const ChunkFilter& filter = *steps[left];
    if (filter.kind == ChunkFilter::Kind::fletcher32) {
      bytes = without_checksum(bytes);
      continue;
    }
    // The last step writes straight into `out`.
    const std::size_t result = compresses(filter) ? sizes[left] : bytes.size();
    std::span<std::byte> to = out;
    if (left > 0 || result != out.size()) {
      std::vector<std::byte>& scratch = scratch_[next_scratch];
      next_scratch = 1 - next_scratch;
      if (scratch.size() < result) scratch.resize(result);
      to = std::span(scratch).first(result);
    }
    if (filter.kind == ChunkFilter::Kind::deflate) {
      inflate(bytes, to);
    } else if (filter.kind == ChunkFilter::Kind::lzf) {
      expand_lzf(bytes, to);
    } else if (filter.kind == ChunkFilter::Kind::shuffle) {
      unshuffle(bytes, filter.element_bytes, to);
    } else {
      throw DamagedChunk(
          base::text("it was written with filter ", filter.id, ", which is not supported"));
    }
    bytes = to;
  }
  if (bytes.size() != out.size())
    throw DamagedChunk(base::text("it holds ", bytes.size(), " bytes instead of ", out.size()));
  if (bytes.data() != out.data()) std::copy(bytes.begin(), bytes.end(), out.begin());
}

std::uint32_t fletcher32(std::span<const std::byte> bytes) {
  // This many words can be added before 32 bits overflow.
  constexpr std::size_t kWordsAtOnce = 360;
  const auto fold = [](std::uint32_t sum) { return (sum & 0xffff) + (sum >> 16); };
  std::uint32_t sum1 = 0, sum2 = 0;
  const std::byte* data = bytes.data();
  for (std::size_t words = bytes.size() / 2; words > 0;) {
    const std::size_t now = std::min(words, kWordsAtOnce);
    words -= now;
    for (std::size_t i = 0; i < now; ++i, data += 2) {
      sum1 +=
          std::to_integer<std::uint32_t>(data[0]) << 8 | std::to_integer<std::uint32_t>(data[1]);
      sum2 += sum1;
    }
    sum1 = fold(sum1);
    sum2 = fold(sum2);
  }
  if (bytes.size() % 2 != 0) {
    sum1 = sum1 + (std::to_integer<std::uint32_t>(*data) << 8);
    sum2 = sum2 + sum1;
    sum1 = fold(sum1);
    sum2 = fold(sum2);
  }
  return fold(sum2) << 16 | fold(sum1);
}

}  // namespace vae_dist::hdf5
