// One array of an .npz file, row by row in bounded memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/npy_header.hpp"
#include "datasets/zip_archive.hpp"

namespace vae_dist::datasets {

/// The types that arrays become: everything else numpy has converts to one of them.
enum class NpyTarget { uint8, int64, float32, float64 };

int bytes_of(NpyTarget target);

class NpyArray {
 public:
  /// Opens the array `key` of an .npz file (member `key`.npy) and reads its header. Throws BadInput
  /// naming file and member: absent (with those that there are), not .npy, elements that are no
  /// plain numbers, a size other than the header promises.
  NpyArray(const ZipArchive& archive, const std::string& key);

  static bool is_in(const ZipArchive& archive, const std::string& key) {
    return archive.has(key + ".npy");
  }

  const NpyHeader& header() const { return header_; }
  const std::string& place() const { return member_.place(); }
  std::int64_t rows() const { return header_.shape.empty() ? 0 : header_.shape[0]; }
  std::int64_t row_values() const { return rows() == 0 ? 0 : header_.values() / rows(); }

  /// The next `count` rows in C order, as little-endian `target` values. Throws BadInput naming
  /// file, member and row where the file is damaged or ends too early, and for integers that
  /// `target` cannot hold. A Fortran-ordered array is streamed from its beginning for each call:
  /// the more rows a call asks for, the better.
  std::vector<std::uint8_t> read_rows(std::int64_t count, NpyTarget target);

  /// After the last row: nothing follows, and the member's CRC is right.
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
