#include "metrics/event_records.hpp"

#include <gmock/gmock.h>

#include <numeric>

namespace vae_dist::metrics {
namespace {

TEST(Crc32c, GivesTheValuesOfRfc3720) {
  std::string ascending(32, '\0');
  std::iota(ascending.begin(), ascending.end(), '\0');
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(crc32c(std::string(ascending.rbegin(), ascending.rend())), 0x113FDB5Cu);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u) << "the usual check value of CRC-32C";
}

TEST(EventRecords, AreLengthDataAndTwoMaskedChecksums) {
  std::string file;
  append_record(file, "abc");
  ASSERT_EQ(file.size(), 8u + 4u + 3u + 4u);
  EXPECT_EQ(file.substr(0, 8), std::string("\x03\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(file.substr(12, 3), "abc");
  const auto number_at = [&](std::size_t at) {
    std::uint32_t out = 0;
    for (std::size_t byte = 4; byte-- > 0;)
      out = out << 8 | static_cast<unsigned char>(file[at + byte]);
    return out;
  };
  const auto masked = [](std::uint32_t crc) { return (crc >> 15 | crc << 17) + 0xA282EAD8u; };
  EXPECT_EQ(number_at(8), masked(crc32c(file.substr(0, 8))));
  EXPECT_EQ(number_at(15), masked(crc32c("abc")));
}

TEST(EventRecords, ReadBack) {
  std::string file;
  const std::string large(100000, '\x80');
  for (const std::string& data : {std::string("one"), std::string(), large})
    append_record(file, data);
  EXPECT_THAT(records_in(file), testing::ElementsAre("one", "", large));
}

TEST(EventRecords, EndAtTheFirstThatIsCutOff) {
  std::string file;
  append_record(file, "whole");
  const std::size_t whole = file.size();
  append_record(file, "cut off");
  for (std::size_t size = whole; size < file.size(); ++size)
    EXPECT_THAT(records_in(std::string_view(file).substr(0, size)), testing::ElementsAre("whole"));
}

TEST(EventRecords, EndAtTheFirstThatIsDamaged) {
  std::string file;
  append_record(file, "whole");
  const std::size_t whole = file.size();
  append_record(file, "damaged");
  append_record(file, "behind it");
  for (std::size_t byte = whole; byte < whole + 8 + 4 + 7 + 4; ++byte) {
    std::string copy = file;
    copy[byte] = static_cast<char>(copy[byte] ^ 0x10);
    EXPECT_THAT(records_in(copy), testing::ElementsAre("whole")) << byte;
  }
}

}  // namespace
}  // namespace vae_dist::metrics
