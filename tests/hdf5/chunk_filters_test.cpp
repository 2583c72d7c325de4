#include "hdf5/chunk_filters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libdeflate.h>

#include <algorithm>

#include "base/keyed_random.hpp"

namespace vae_dist::hdf5 {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::byte>;
using Kind = ChunkFilter::Kind;

const ChunkFilter kDeflate{Kind::deflate, 1, "deflate", 1},
    kFletcher{Kind::fletcher32, 3, "fletcher32", 1};

ChunkFilter shuffle_of(std::size_t element_bytes) {
  return {Kind::shuffle, 2, "shuffle", element_bytes};
}

Bytes some_bytes(std::size_t count) {
  Bytes out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<std::byte>(base::random_block({1, 2}, i, 0, 0)[0] % 7 * 30);
  return out;
}

Bytes deflated(const Bytes& bytes) {
  Bytes out(bytes.size() + 1000);
  libdeflate_compressor* const compressor = libdeflate_alloc_compressor(6);
  out.resize(
      libdeflate_zlib_compress(compressor, bytes.data(), bytes.size(), out.data(), out.size()));
  libdeflate_free_compressor(compressor);
  return out;
}

Bytes shuffled(const Bytes& bytes, std::size_t element_bytes) {
  const std::size_t count = bytes.size() / element_bytes;
  Bytes out = bytes;
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t b = 0; b < element_bytes; ++b)
      out[b * count + i] = bytes[i * element_bytes + b];
  return out;
}

Bytes with_checksum(Bytes bytes) {
  const std::uint32_t sum = fletcher32(bytes);
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::byte>(sum >> (8 * i)));
  return bytes;
}

Bytes stored_with(const std::vector<ChunkFilter>& pipeline, std::uint32_t mask, Bytes bytes) {
  for (std::size_t i = 0; i < pipeline.size(); ++i) {
    if (mask >> i & 1) continue;
    if (pipeline[i].kind == Kind::deflate) bytes = deflated(bytes);
    if (pipeline[i].kind == Kind::shuffle) bytes = shuffled(bytes, pipeline[i].element_bytes);
    if (pipeline[i].kind == Kind::fletcher32) bytes = with_checksum(bytes);
  }
  return bytes;
}

std::string damage(const std::vector<ChunkFilter>& pipeline, const Bytes& stored,
                   std::size_t size) {
  Bytes out(size);
  try {
    ChunkDecoder().decode(pipeline, 0, stored, out);
  } catch (const DamagedChunk& error) {
    return error.what();
  }
  return "decoded";
}

TEST(ChunkDecoder, UndoesEveryPipelineUnderEveryMask) {
  const std::vector<std::vector<ChunkFilter>> pipelines = {
      {},
      {kDeflate},
      {shuffle_of(2), kDeflate},
      {shuffle_of(8), kDeflate, kFletcher},
      {kFletcher, kDeflate},
      {kFletcher, shuffle_of(4), kDeflate},
      {kDeflate, shuffle_of(4)},
      {shuffle_of(3)},
      {shuffle_of(1), kFletcher},
      {shuffle_of(2), shuffle_of(4), kFletcher, kDeflate, kFletcher}};
  ChunkDecoder decoder;  // shared: buffers kept from one chunk must not affect the next
  for (const auto& pipeline : pipelines) {
    ASSERT_TRUE(can_undo(pipeline));
    for (std::uint32_t mask = 0; mask < 1u << pipeline.size(); ++mask)
      for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{7},
                                     std::size_t{16}, std::size_t{1000}, std::size_t{100003}}) {
        const Bytes expected = some_bytes(size);
        Bytes out(size, std::byte{0xee});
        decoder.decode(pipeline, mask, stored_with(pipeline, mask, expected), out);
        EXPECT_TRUE(out == expected)
            << pipeline.size() << " filters, mask " << mask << ", " << size << " bytes";
      }
  }
}

TEST(ChunkDecoder, KnowsWhatItCannotUndo) {
  EXPECT_FALSE(can_undo(std::vector{ChunkFilter{Kind::other, 32015, "zstd", 1}}));
  EXPECT_FALSE(can_undo(std::vector{kDeflate, kDeflate}));
  EXPECT_TRUE(can_undo({}));
}

TEST(ChunkDecoder, RefusesWhatHoldsLessOrMoreThanAChunk) {
  const Bytes chunk = some_bytes(500);
  EXPECT_THAT(damage({}, chunk, 499), HasSubstr("it holds 500 bytes instead of 499"));
  EXPECT_THAT(damage({kDeflate}, deflated(chunk), 499), HasSubstr("holds more than the 499 bytes"));
  EXPECT_THAT(damage({kDeflate}, deflated(chunk), 501),
              HasSubstr("holds 500 bytes instead of 501"));
  EXPECT_THAT(damage({shuffle_of(4), kDeflate}, deflated(chunk), 501),
              HasSubstr("holds 500 bytes instead of 501"));
  EXPECT_THAT(damage({kFletcher}, Bytes(3), 0), HasSubstr("too few"));
  EXPECT_THAT(damage({kDeflate}, {}, 10), HasSubstr("damaged"));
}

TEST(ChunkDecoder, StopsADecompressionBombAtTheChunksSize) {
  const Bytes bomb = deflated(Bytes(std::size_t{64} << 20));
  ASSERT_LT(bomb.size(), std::size_t{100} << 10);
  Bytes guarded(1000 + 64, std::byte{0x5a});
  EXPECT_THROW(
      ChunkDecoder().decode(std::vector{kDeflate}, 0, bomb, std::span(guarded).first(1000)),
      DamagedChunk);
  EXPECT_TRUE(std::all_of(guarded.begin() + 1000, guarded.end(),
                          [](std::byte b) { return b == std::byte{0x5a}; }));
}

TEST(ChunkDecoder, FindsEveryFlippedBitUnderAChecksum) {
  const Bytes stored = with_checksum(some_bytes(60));
  for (std::size_t bit = 0; bit < 8 * stored.size(); ++bit) {
    Bytes flipped = stored;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_THAT(damage({kFletcher}, flipped, 60), HasSubstr("Fletcher32")) << bit;
  }
}

TEST(ChunkDecoder, FindsEveryByteThatIsCutOffADeflateStream) {
  const Bytes stored = deflated(some_bytes(300));
  for (std::size_t size = 0; size < stored.size(); ++size)
    EXPECT_THAT(
        damage({kDeflate},
               Bytes(stored.begin(), stored.begin() + static_cast<std::ptrdiff_t>(size)), 300),
        HasSubstr("deflate stream"))
        << size;
}

// Old files: HDF5 before 1.6.3 stored the halves of the checksum with their bytes swapped.
TEST(ChunkDecoder, TakesTheChecksumOfOldLibraries) {
  Bytes stored = with_checksum(some_bytes(60));
  std::swap(stored[60], stored[61]);
  std::swap(stored[62], stored[63]);
  EXPECT_EQ(damage({kFletcher}, stored, 60), "decoded");
}

}  // namespace
}  // namespace vae_dist::hdf5
