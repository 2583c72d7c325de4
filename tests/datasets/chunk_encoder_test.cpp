#include "datasets/chunk_encoder.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "../temporary_folder.hpp"
#include "base/error.hpp"
#include "datasets/chunk_writer.hpp"
#include "hdf5/file.hpp"

namespace vae_dist::datasets {
namespace {

class ChunkEncoder : public TemporaryFolderTest {};

// HDF5 itself decodes chunks that were encoded outside the library.
TEST_F(ChunkEncoder, WritesWhatHdf5Reads) {
  std::mt19937 random(1);
  std::vector<double> values(7 * 5);
  for (double& value : values) value = random();
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(values.data()),
                        values.size() * sizeof(double));
  for (const int level : {0, 1, 6, 9}) {
    const Compression compression{.deflate_level = level};
    hdf5::Hdf5File file = hdf5::Hdf5File::create(path("out.h5"));
    hdf5::Hdf5Dataset dataset =
        file.create_dataset("x", {.shape = {7, 5},
                                  .type = hdf5::ElementType::float64,
                                  .chunk_rows = 3,
                                  .deflate_level = level,
                                  .shuffle = compression.shuffles(sizeof(double))});
    ChunkWriter writer(
        {.chunk_rows = 3, .row_bytes = 5 * sizeof(double), .element_bytes = sizeof(double)},
        compression, 2, [&](std::int64_t first, std::span<const std::uint8_t> chunk) {
          dataset.write_chunk(first, chunk);
        });
    // Append pieces that do not end at row boundaries.
    for (std::size_t at = 0, size = 1; at < bytes.size(); at += size++)
      writer.append(bytes.subspan(at, std::min(size, bytes.size() - at)));
    writer.finish();
    std::vector<double> seen(values.size());
    dataset.read_rows(0, 7, std::span(seen));
    EXPECT_EQ(seen, values) << level;
  }
}

TEST_F(ChunkEncoder, ADatasetCanGiveUpRowsAtItsEnd) {
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("out.h5"));
  hdf5::Hdf5Dataset dataset =
      file.create_dataset("x", {.shape = {10, 2}, .chunk_rows = 4, .deflate_level = 1});
  std::vector<std::uint8_t> values(20);
  std::iota(values.begin(), values.end(), std::uint8_t{0});
  dataset.write_rows(0, 10, std::span<const std::uint8_t>(values));
  dataset.shrink(5);
  file.close();
  const hdf5::Hdf5Dataset shrunk = hdf5::Hdf5File::open(path("out.h5")).dataset("x");
  EXPECT_EQ(shrunk.shape(), (std::vector<std::int64_t>{5, 2}));
  std::vector<std::uint8_t> seen(10);
  shrunk.read_rows(0, 5, std::span(seen));
  EXPECT_TRUE(std::equal(seen.begin(), seen.end(), values.begin()));
}

TEST(Compression, IsReadFromItsName) {
  EXPECT_EQ(Compression::parse("none").deflate_level, 0);
  EXPECT_EQ(Compression::parse("gzip:4").deflate_level, 4);
  for (const char* wrong : {"", "gzip", "gzip:", "gzip:0", "gzip:10", "lzf", "GZIP:4"})
    EXPECT_THROW(Compression::parse(wrong), base::BadInput) << wrong;
}

TEST(ChunkRows, Are64UnlessTheyWouldBeLarge) {
  EXPECT_EQ(chunk_rows_for(28 * 28), 64);
  EXPECT_EQ(chunk_rows_for(64 * 64 * 3), 64);
  EXPECT_EQ(chunk_rows_for(512 * 512 * 3), 5);
  EXPECT_EQ(chunk_rows_for(4000 * 3000 * 3), 1);
}

}  // namespace
}  // namespace vae_dist::datasets
