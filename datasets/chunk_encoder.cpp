#include "datasets/chunk_encoder.hpp"

#include <libdeflate.h>

#include <algorithm>
#include <memory>

#include "base/error.hpp"

namespace vae_dist::datasets {
namespace {

// HDF5's shuffle filter: the first bytes of all elements, then all second bytes, and so on. Bytes
// after the last whole element stay in place.
std::vector<std::uint8_t> shuffled(std::span<const std::uint8_t> bytes, std::size_t width) {
  std::vector<std::uint8_t> out(bytes.begin(), bytes.end());
  const std::size_t elements = bytes.size() / width;
  for (std::size_t byte = 0; byte < width; ++byte)
    for (std::size_t i = 0; i < elements; ++i) out[byte * elements + i] = bytes[i * width + byte];
  return out;
}

// HDF5's deflate filter stores zlib's format.
std::vector<std::uint8_t> deflated(std::span<const std::uint8_t> bytes, int level) {
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> compressor(
      libdeflate_alloc_compressor(level), libdeflate_free_compressor);
  if (!compressor)
    throw base::Failure(base::text("libdeflate cannot create a compressor of level ", level,
                                   ": the level is unknown or memory is exhausted"));
  std::vector<std::uint8_t> out(libdeflate_zlib_compress_bound(compressor.get(), bytes.size()));
  const std::size_t size = libdeflate_zlib_compress(compressor.get(), bytes.data(), bytes.size(),
                                                    out.data(), out.size());
  if (size == 0)
    throw base::Failure(
        base::text("libdeflate cannot compress a chunk of ", bytes.size(), " bytes"));
  out.resize(size);
  return out;
}

}  // namespace

Compression Compression::parse(const std::string& text_form) {
  if (text_form == "none") return {.deflate_level = 0};
  if (text_form.size() == 6 && text_form.starts_with("gzip:") && text_form[5] >= '1' &&
      text_form[5] <= '9')
    return {.deflate_level = text_form[5] - '0'};
  throw base::BadInput(base::text("unknown compression '", text_form,
                                  "': use none, or gzip:1 (fast) to gzip:9 (small)"));
}

std::vector<std::uint8_t> encode_chunk(std::span<const std::uint8_t> chunk,
                                       std::size_t element_bytes, const Compression& compression) {
  if (compression.deflate_level == 0) return {chunk.begin(), chunk.end()};
  if (!compression.shuffles(element_bytes)) return deflated(chunk, compression.deflate_level);
  return deflated(shuffled(chunk, element_bytes), compression.deflate_level);
}

std::int64_t chunk_rows_for(std::int64_t image_bytes) {
  constexpr std::int64_t kRows = 64, kBytes = 4 << 20;
  return std::clamp(kBytes / std::max<std::int64_t>(image_bytes, 1), std::int64_t{1}, kRows);
}

}  // namespace vae_dist::datasets
