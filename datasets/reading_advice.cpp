#include "datasets/reading_advice.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace vae_dist::datasets {
namespace {

std::string size_text(std::int64_t bytes) {
  if (bytes < 1'000'000) return base::text((bytes + 500) / 1000, " kB");
  return base::text((bytes + 500'000) / 1'000'000, " MB");
}

// Returns the first filter in the list that is not one of HDF5's own cheap ones, or "".
std::string slow_filter(const std::string& filters) {
  for (std::size_t begin = 0; begin < filters.size();) {
    const std::size_t end = std::min(filters.find(", ", begin), filters.size());
    const std::string name = filters.substr(begin, end - begin);
    if (name != "none" && name != "shuffle" && name != "fletcher32" && !name.starts_with("deflate"))
      return name;
    begin = end + 2;
  }
  return "";
}

}  // namespace

ChunkFacts chunk_facts(const std::vector<std::int64_t>& shape,
                       const std::vector<std::int64_t>& chunk, std::int64_t element_bytes) {
  ChunkFacts facts;
  facts.images = shape.empty() ? 0 : shape[0];
  std::int64_t image_bytes = element_bytes;
  for (std::size_t i = 1; i < shape.size(); ++i) image_bytes *= shape[i];
  facts.bytes_for_one = image_bytes;
  if (chunk.empty()) return facts;
  facts.images_per_chunk = chunk[0];
  facts.chunk_bytes = element_bytes * chunk[0];
  for (std::size_t i = 1; i < chunk.size(); ++i) {
    facts.chunk_bytes *= chunk[i];
    facts.chunks_per_image *= (shape[i] + chunk[i] - 1) / chunk[i];
  }
  facts.bytes_for_one = facts.chunk_bytes * facts.chunks_per_image;
  return facts;
}

ReadingAdvice reading_advice(const ChunkFacts& facts, const std::string& filters) {
  constexpr std::int64_t kLarge = 16 << 20, kSmall = 16 << 10, kMany = 1000;
  if (facts.images_per_chunk == 0)
    return {false, "images are stored contiguously and can be read directly"};
  if (facts.chunks_per_image > 1)
    return {true, base::text("each image lies in ", facts.chunks_per_image, " chunks of ",
                             facts.images_per_chunk, " images: for each image, ",
                             size_text(facts.bytes_for_one), " must be decoded")};
  if (const std::string slow = slow_filter(filters); !slow.empty())
    return {true,
            base::text("the filter '", slow, "' is decoded by HDF5 itself, one chunk at a time")};
  if (facts.chunk_bytes > kLarge)
    return {true,
            base::text("a chunk is ", size_text(facts.chunk_bytes),
                       ": few of them fit in memory, so images are shuffled only among those")};
  if (facts.chunk_bytes < kSmall && facts.images / facts.images_per_chunk > kMany)
    return {true, base::text(facts.images / facts.images_per_chunk, " chunks of ",
                             std::max<std::int64_t>(1, facts.chunk_bytes / 1000),
                             " kB: finding them takes longer than reading them")};
  return {false, base::text("chunks of ", facts.images_per_chunk, " whole images, ",
                            size_text(facts.chunk_bytes), " each, suit training")};
}

}  // namespace vae_dist::datasets
