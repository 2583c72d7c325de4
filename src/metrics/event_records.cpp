#include "metrics/event_records.hpp"

#include <array>
#include <cstddef>

namespace vae_dist::metrics {
namespace {

constexpr std::size_t kLengthBytes = 8, kChecksumBytes = 4;

constexpr std::array<std::uint32_t, 256> kTable = [] {
  constexpr std::uint32_t kPolynomial = 0x82F63B78;  // Castagnoli's, bits reversed
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? kPolynomial : 0);
    table[byte] = rest;
  }
  return table;
}();

template <typename Number>
void append_little_endian(std::string& out, Number number) {
  for (std::size_t byte = 0; byte < sizeof number; ++byte)
    out += static_cast<char>((number >> (8 * byte)) & 0xFF);
}

template <typename Number>
Number little_endian(std::string_view bytes) {
  Number number = 0;
  for (std::size_t byte = 0; byte < sizeof number; ++byte)
    number |= Number{static_cast<unsigned char>(bytes[byte])} << (8 * byte);
  return number;
}

// Takes `size` bytes and their checksum from the front of `file`. False: they are not whole.
bool take_checked(std::string_view& file, std::uint64_t size, std::string_view& taken) {
  if (file.size() < kChecksumBytes || file.size() - kChecksumBytes < size) return false;
  taken = file.substr(0, size);
  file.remove_prefix(size);
  const auto checksum = little_endian<std::uint32_t>(file);
  file.remove_prefix(kChecksumBytes);
  return checksum == masked_crc32c(taken);
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t rest = ~std::uint32_t{0};
  for (const char byte : bytes)
    rest = kTable[(rest ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (rest >> 8);
  return ~rest;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  constexpr std::uint32_t kMask = 0xA282EAD8;
  const std::uint32_t checksum = crc32c(bytes);
  return ((checksum >> 15) | (checksum << 17)) + kMask;
}

void append_record(std::string& file, std::string_view data) {
  std::string length;
  append_little_endian(length, std::uint64_t{data.size()});
  file += length;
  append_little_endian(file, masked_crc32c(length));
  file += data;
  append_little_endian(file, masked_crc32c(data));
}

std::vector<std::string_view> records_in(std::string_view file) {
  std::vector<std::string_view> out;
  std::string_view length, data;
  while (take_checked(file, kLengthBytes, length) &&
         take_checked(file, little_endian<std::uint64_t>(length), data))
    out.push_back(data);
  return out;
}

RecordReader::RecordReader(const std::filesystem::path& path)
    : file_(path, std::ios::binary | std::ios::ate) {
  if (file_) left_ = static_cast<std::uint64_t>(file_.tellg());
  file_.seekg(0);
}

bool RecordReader::next(std::string& data) {
  std::string length;
  const std::uint64_t before = left_;
  if (take_checked(kLengthBytes, length) &&
      take_checked(little_endian<std::uint64_t>(length), data))
    return true;
  left_ = before;
  return false;
}

bool RecordReader::take_checked(std::uint64_t size, std::string& taken) {
  if (left_ < kChecksumBytes || left_ - kChecksumBytes < size) return false;
  taken.resize(size);
  std::string checksum(kChecksumBytes, '\0');
  if (!file_.read(taken.data(), static_cast<std::streamsize>(size)) ||
      !file_.read(checksum.data(), static_cast<std::streamsize>(kChecksumBytes)))
    return false;
  left_ -= size + kChecksumBytes;
  return little_endian<std::uint32_t>(checksum) == masked_crc32c(taken);
}

}  // namespace vae_dist::metrics
