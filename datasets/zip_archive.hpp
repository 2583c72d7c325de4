// Members of a zip file as streams (libzip): stored or deflated, of any size, each checked against
// its CRC at its end.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct zip;
struct zip_file;

namespace vae_dist::datasets {

/// Bytes of one member, from first to last. Not for several threads at once, nor are two members of
/// one archive.
class ZipMember {
 public:
  std::int64_t size() const {
    return size_;
  }  ///< as the archive's directory says: until the end is reached a promise
  const std::string& place() const {
    return place_;
  }  ///< for messages: "file.npz, member 'imgs.npy'"

  /// Fills `out`, less at the end, and returns how much. Throws BadInput naming file and member:
  /// cannot be read or inflated, and at the end a CRC or size other than promised.
  std::size_t read(std::span<std::uint8_t> out);

 private:
  friend class ZipArchive;
  struct Close {
    void operator()(zip_file* file) const;
  };
  std::shared_ptr<zip> archive_;  // closed after its members
  std::unique_ptr<zip_file, Close> file_;
  std::string place_;
  std::int64_t size_ = 0;
};

class ZipArchive {
 public:
  /// Throws BadInput: cannot be read, not a zip file, its directory is damaged.
  explicit ZipArchive(const std::string& path);

  const std::string& path() const { return path_; }
  std::vector<std::string> names() const;
  bool has(const std::string& name) const;

  /// Throws BadInput naming file and member: absent, encrypted, compressed by another method, and a
  /// decompression bomb: a size that no data of its compressed size makes, or more than 64 MiB of
  /// nearly nothing (over 500 times).
  ZipMember open(const std::string& name) const;

 private:
  std::string path_;
  std::uint64_t bytes_ = 0;  // of the file
  std::shared_ptr<zip> archive_;
};

}  // namespace vae_dist::datasets
