// Reads one IDX file, plain or gzip-compressed, row by row (http://yann.lecun.com/exdb/mnist/, "The
// IDX file format").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct gzFile_s;

namespace vae_dist::datasets {

class IdxReader {
 public:
  /// Reads the header. `axes` is the expected number of axes; `what` names the content in messages
  /// ("images have"). Throws BadInput, naming the file, if it is unreadable, not IDX or empty, if
  /// its elements are not unsigned bytes, or if it has another number of axes.
  IdxReader(const std::string& path, std::size_t axes, const std::string& what);
  IdxReader(const IdxReader&) = delete;
  IdxReader& operator=(const IdxReader&) = delete;
  ~IdxReader();

  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t row_bytes() const { return row_bytes_; }

  /// Reads the next `rows` rows. Memory grows with the bytes that arrive, whatever the header says.
  /// Throws BadInput, naming the file, if it is damaged or ends early.
  std::vector<std::uint8_t> read_rows(std::int64_t rows);

  /// Throws BadInput if anything follows the last row.
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
