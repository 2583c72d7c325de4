// One IDX file, plain or gzip-compressed, row by row (http://yann.lecun.com/exdb/mnist/, "The IDX
// file format").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct gzFile_s;

namespace vae_dist::datasets {

class IdxReader {
 public:
  /// Reads the header: `axes` is the number of axes that is expected, and `what` the content, for
  /// messages ("images have"). Throws BadInput naming the file: unreadable, not IDX, elements that
  /// are no unsigned bytes, another number of axes, empty.
  IdxReader(const std::string& path, std::size_t axes, const std::string& what);
  IdxReader(const IdxReader&) = delete;
  IdxReader& operator=(const IdxReader&) = delete;
  ~IdxReader();

  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t row_bytes() const { return row_bytes_; }

  /// The next `rows` rows. Memory grows as bytes arrive, not as the header promises. Throws
  /// BadInput naming the file where it ends or is damaged before.
  std::vector<std::uint8_t> read_rows(std::int64_t rows);

  /// Throws BadInput when anything follows.
  void expect_end();

 private:
  void read_header(std::size_t axes, const std::string& what);
  std::vector<std::uint8_t> read(std::size_t count);

  std::string path_;
  gzFile_s* file_;
  std::vector<std::int64_t> shape_;
  std::int64_t row_bytes_ = 1;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace vae_dist::datasets
