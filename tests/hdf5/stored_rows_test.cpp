#include "hdf5/stored_rows.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <vector>

#include "../temporary_folder.hpp"
#include "hdf5/file.hpp"

namespace vae_dist::hdf5 {
namespace {

class StoredRowsTest : public TemporaryFolderTest {
 protected:
  // Ten rows of 2x3 bytes 0, 1, 2, ...
  StoredRows rows(const DatasetLayout& options) {
    std::vector<std::uint8_t> values(60);
    std::iota(values.begin(), values.end(), std::uint8_t{0});
    Hdf5File file = Hdf5File::create(path("rows.h5"));
    file.create_dataset("rows", options).write_rows(0, 10, values);
    file.close();
    return StoredRows(Hdf5File::open(path("rows.h5")).dataset("rows"));
  }

  static std::vector<std::byte> expected(std::int64_t first, std::int64_t count) {
    std::vector<std::byte> out;
    for (std::int64_t i = 6 * first; i < 6 * (first + count); ++i)
      out.push_back(static_cast<std::byte>(i));
    return out;
  }
};

TEST_F(StoredRowsTest, ReadsAnyRowsOfAnyStorage) {
  const std::vector<std::int64_t> shape = {10, 2, 3};
  for (const DatasetLayout& options :
       {DatasetLayout{.shape = shape}, DatasetLayout{.shape = shape, .chunk_rows = 4},
        DatasetLayout{.shape = shape, .chunk_rows = 3, .deflate_level = 4, .shuffle = true}}) {
    const StoredRows stored = rows(options);
    DecodeBuffers buffers;
    for (std::int64_t first = 0; first < 10; ++first)
      for (std::int64_t count = 0; first + count <= 10; ++count) {
        std::vector<std::byte> read(static_cast<std::size_t>(6 * count));
        stored.read(first, count, read, buffers);
        EXPECT_EQ(read, expected(first, count)) << first << " " << count;
      }
  }
}

TEST_F(StoredRowsTest, RefusesRoomThatIsNotThatOfTheRows) {
  const StoredRows stored = rows({.shape = {10, 2, 3}, .chunk_rows = 4});
  DecodeBuffers buffers;
  std::vector<std::byte> read(18);
  EXPECT_THROW(stored.read(0, 2, read, buffers), std::invalid_argument);
  EXPECT_THROW(stored.read(0, 4, read, buffers), std::invalid_argument);
}

}  // namespace
}  // namespace vae_dist::hdf5
