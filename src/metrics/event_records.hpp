// TFRecord framing, the file format of TensorBoard's event files. A record is
//   length of the data   uint64, little endian
//   checksum             of those 8 bytes, uint32
//   data
//   checksum             of the data, uint32
// Both checksums are masked CRC-32C (Castagnoli), as TensorFlow's record_writer.cc computes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace vae_dist::metrics {

/// Returns the CRC-32C of `bytes` (RFC 3720, appendix B.4).
std::uint32_t crc32c(std::string_view bytes);

/// Returns the checksum that the framing stores: the CRC-32C rotated by 15 bits plus a constant, so
/// that records which themselves contain checksums stay protected.
std::uint32_t masked_crc32c(std::string_view bytes);

/// Appends one record that holds `data`.
void append_record(std::string& file, std::string_view data);

/// Returns the data of the records at the start of `file`, up to the first that is incomplete or
/// damaged, as after a kill or a full disk. The views point into `file`.
std::vector<std::string_view> records_in(std::string_view file);

/// Reads the records of a file one after another, so that only one of them is in memory.
class RecordReader {
 public:
  /// A file that cannot be opened has no records.
  explicit RecordReader(const std::filesystem::path& path);

  /// Reads the data of the next record. Returns false after the last one, and before one that is
  /// incomplete or damaged.
  bool next(std::string& data);

  /// Returns whether the file ends with the last record that was read.
  bool is_at_end() const { return left_ == 0; }

 private:
  bool take_checked(std::uint64_t size, std::string& taken);

  std::ifstream file_;
  std::uint64_t left_ = 0;  // bytes of the file after the last record
};

}  // namespace vae_dist::metrics
