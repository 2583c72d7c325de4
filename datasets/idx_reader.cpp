#include "datasets/idx_reader.hpp"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"

namespace vae_dist::datasets {

// gzopen also reads uncompressed files.
IdxReader::IdxReader(const std::string& path, std::size_t axes, const std::string& what)
    : path_(path), file_(gzopen(path.c_str(), "rb")) {
  if (!file_) throw base::BadInput(base::text("cannot read ", path, ": ", std::strerror(errno)));
  try {
    read_header(axes, what);
  } catch (...) {
    gzclose_r(file_);  // the destructor does not run if the constructor throws
    throw;
  }
}

IdxReader::~IdxReader() { gzclose_r(file_); }

std::vector<std::uint8_t> IdxReader::read_rows(std::int64_t rows) {
  const std::vector<std::uint8_t> bytes = read(static_cast<std::size_t>(rows * row_bytes_));
  bytes_read_ += bytes.size();
  if (bytes.size() < static_cast<std::size_t>(rows * row_bytes_))
    throw base::BadInput(base::text(path_, " is truncated: its header promises ", shape_[0],
                                    " rows of ", row_bytes_, " bytes, but ", bytes_read_,
                                    " bytes follow; get the file again"));
  return bytes;
}

void IdxReader::expect_end() {
  if (!read(1).empty())
    throw base::BadInput(base::text(path_, " is damaged: data follows the ", shape_[0], " rows of ",
                                    row_bytes_, " bytes that its header promises"));
}

void IdxReader::read_header(std::size_t axes, const std::string& what) {
  const std::vector<std::uint8_t> magic = read(4);
  if (magic.size() < 4 || magic[0] != 0 || magic[1] != 0)
    throw base::BadInput(base::text(
        path_, " is not an IDX file (plain or gzip): it does not begin with two zero bytes"));
  if (magic[2] != 0x08)
    throw base::BadInput(base::text(path_, " holds elements of IDX type ", int{magic[2]},
                                    "; only type 8, unsigned bytes, can be imported"));
  if (magic[3] != axes)
    throw base::BadInput(base::text(path_, " has ", int{magic[3]}, " axes, but ", what, " ", axes,
                                    ": give the images first and the labels second"));
  const std::vector<std::uint8_t> sizes = read(4 * axes);
  if (sizes.size() < 4 * axes)
    throw base::BadInput(
        base::text(path_, " is truncated: it ends inside its header; get the file again"));
  for (std::size_t i = 0; i < axes; ++i) {
    const std::uint8_t* big_endian = &sizes[4 * i];
    shape_.push_back((std::int64_t{big_endian[0]} << 24) | (big_endian[1] << 16) |
                     (big_endian[2] << 8) | big_endian[3]);
    if (shape_[i] == 0)
      throw base::BadInput(base::text(path_, " is empty: axis ", i, " has no elements"));
    // Keeps the product of sizes within 64 bits.
    if (i > 0 && shape_[i] > 0xffff)
      throw base::BadInput(
          base::text(path_, ": axis ", i, " has ", shape_[i], " elements: no image is that large"));
    if (i > 0) row_bytes_ *= shape_[i];
  }
  // A few compressed bytes can claim, and expand to, any number of zeros.
  constexpr std::int64_t kLargestImage = 1 << 27;
  if (row_bytes_ > kLargestImage)
    throw base::BadInput(base::text(path_, ": its images have ", row_bytes_,
                                    " pixels each: no image is that large"));
}

// Reads up to `count` bytes, fewer at the end of the file.
std::vector<std::uint8_t> IdxReader::read(std::size_t count) {
  constexpr std::size_t kPiece = 1 << 20;
  std::vector<std::uint8_t> bytes;
  while (bytes.size() < count) {
    const std::size_t before = bytes.size(), piece = std::min(kPiece, count - before);
    bytes.resize(before + piece);
    const int got = gzread(file_, bytes.data() + before, static_cast<unsigned>(piece));
    bytes.resize(before + static_cast<std::size_t>(std::max(got, 0)));
    int code = Z_OK;
    const std::string reason = gzerror(file_, &code);
    if (code == Z_BUF_ERROR)
      throw base::BadInput(
          base::text(path_, " is truncated: its gzip stream is incomplete; get the file again"));
    if (got < 0)
      throw base::BadInput(
          base::text("cannot read ", path_, ": ", reason, "; get the file again if it is damaged"));
    if (static_cast<std::size_t>(got) < piece) break;
  }
  return bytes;
}

}  // namespace vae_dist::datasets
