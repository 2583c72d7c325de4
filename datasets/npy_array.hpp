// Reads one array of an .npz file row by row in bounded memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/npy_header.hpp"
#include "datasets/zip_archive.hpp"

namespace vae_dist::datasets {

/// The element types that arrays are converted to.
enum class NpyTarget { uint8, int64, float32, float64 };

int bytes_of(NpyTarget target);

class NpyArray {
 public:
  /// Opens the array `key` of an .npz file (member `key`.npy) and reads its header. Throws
  /// BadInput, naming the file and the member, if the array is missing (listing the existing ones),
  /// is not .npy, holds anything but plain numbers, or has another size than its header says.
  NpyArray(const ZipArchive& archive, const std::string& key);

  static bool is_in(const ZipArchive& archive, const std::string& key) {
    return archive.has(key + ".npy");
  }

  const NpyHeader& header() const { return header_; }
  const std::string& where() const { return member_.where(); }
  std::int64_t rows() const { return header_.shape.empty() ? 0 : header_.shape[0]; }
  std::int64_t row_values() const { return rows() == 0 ? 0 : header_.values() / rows(); }

  /// Returns the next `count` rows in C order, as little-endian `target` values. Throws BadInput,
  /// naming the file, the member and the row, if the file is damaged or ends early, or if `target`
  /// cannot hold an integer. Every call streams a Fortran-ordered array from its beginning, so ask
  /// for as many rows per call as possible.
  std::vector<std::uint8_t> read_rows(std::int64_t count, NpyTarget target);

  /// Call after the last row. Throws BadInput if data follows or the member's CRC is wrong.
  void expect_end();

 private:
  void read_header();
  void read_exactly(std::span<std::uint8_t> out);
  std::vector<std::uint8_t> read_c_order(std::int64_t count);
  std::vector<std::uint8_t> gather_fortran_order(std::int64_t count);

  const ZipArchive& archive_;
  std::string key_;
  ZipMember member_;
  NpyHeader header_;
  std::int64_t next_row_ = 0;
};

}  // namespace vae_dist::datasets
