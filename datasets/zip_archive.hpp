// Streams members of a zip file (libzip): stored or deflated, of any size. The CRC of a member is
// checked at its end.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct zip;
struct zip_file;

namespace vae_dist::datasets {

/// A sequential stream of one member's bytes. Not thread-safe, and neither is concurrent use of two
/// members of the same archive.
class ZipMember {
 public:
  std::int64_t size() const {
    return size_;
  }  ///< according to the archive's directory; verified only at the end of the stream
  const std::string& where() const {
    return where_;
  }  ///< for messages: "file.npz, member 'imgs.npy'"

  /// Reads up to out.size() bytes, fewer only at the end, and returns their number. Throws
  /// BadInput, naming the file and the member, if the data cannot be read or inflated, or if the
  /// CRC or size turns out wrong at the end.
  std::size_t read(std::span<std::uint8_t> out);

 private:
  friend class ZipArchive;
  struct Close {
    void operator()(zip_file* file) const;
  };
  std::shared_ptr<zip> archive_;  // keeps the archive open until its members are closed
  std::unique_ptr<zip_file, Close> file_;
  std::string where_;
  std::int64_t size_ = 0;
};

class ZipArchive {
 public:
  /// Throws BadInput if the file cannot be read, is not a zip file, or has a damaged directory.
  explicit ZipArchive(const std::string& path);

  const std::string& path() const { return path_; }
  std::vector<std::string> names() const;
  bool has(const std::string& name) const;

  /// Throws BadInput, naming the file and the member, if the member is missing, encrypted,
  /// compressed by another method, or a decompression bomb: larger than its compressed size can
  /// produce, or over 64 MiB with a ratio above 500.
  ZipMember open(const std::string& name) const;

 private:
  std::string path_;
  std::uint64_t bytes_ = 0;  // of the file
  std::shared_ptr<zip> archive_;
};

}  // namespace vae_dist::datasets
