// The bytes that protobuf's wire format asks for. tests/process/tensorboard_test.py reads all kinds
// of events with TensorBoard's own classes.
#include "metrics/event_messages.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.hpp"

namespace vae_dist::metrics {
namespace {

using std::string_literals::operator""s;

TEST(EventMessages, AScalarIsATagAndAFloat) {
  EXPECT_EQ(scalars_event({1.5, 3}, {{"a", 2.0}}),
            "\x09\x00\x00\x00\x00\x00\x00\xf8\x3f"  // wall_time 1.5
            "\x10\x03"                              // step 3
            "\x2a\x0a\x0a\x08"                      // summary of 10 bytes, value of 8 bytes
            "\x0a\x01\x61"                          // tag "a"
            "\x15\x00\x00\x00\x40"s);               // simple_value 2.0
}

TEST(EventMessages, LargeNumbersAreVarints) {
  EXPECT_EQ(restart_event({0, 300}),
            "\x09\x00\x00\x00\x00\x00\x00\x00\x00"
            "\x10\xac\x02"         // step 300
            "\x3a\x02\x08\x01"s);  // session_log: status START
}

TEST(EventMessages, TellTheirStepTimeAndFirstTag) {
  const EventHead head =
      head_of(scalars_event({1.7e9, std::int64_t{1} << 40}, {{"train/loss", 1}, {"train/kld", 2}}));
  EXPECT_EQ(head.at.step, std::int64_t{1} << 40);
  EXPECT_EQ(head.at.wall_time, 1.7e9);
  EXPECT_EQ(head.tag, "train/loss");
  EXPECT_EQ(head_of(histogram_event({1, 2}, "h", {1, 2, 3})).tag, "h");
  EXPECT_EQ(head_of(text_event({1, 2}, "t", "words")).tag, "t");
  EXPECT_EQ(head_of(version_event(4)).at.wall_time, 4);
  EXPECT_EQ(head_of(version_event(4)).tag, "");
}

TEST(EventMessages, AHeadOfDamagedBytesIsOfWhatCanBeRead) {
  const std::string event = scalars_event({1.5, 300}, {{"train/loss", 1}});
  for (std::size_t size = 0; size < event.size(); ++size) {
    const EventHead head = head_of(std::string_view(event).substr(0, size));
    EXPECT_TRUE(head.at.step == 300 || head.at.step == 0) << size;
    EXPECT_EQ(head.tag, "") << size;
  }
}

TEST(EventMessages, TakeAnotherTime) {
  const TaggedValues values = {{"a", 2.0}, {"b", std::nan("")}};
  EXPECT_EQ(with_wall_time(scalars_event({0, 3}, values), 7.25), scalars_event({7.25, 3}, values));
}

TEST(EventMessages, RefuseAPictureThatIsNone) {
  EXPECT_THROW(image_event({1, 2}, "p", "JFIF and more than a header's worth of bytes"),
               base::BadInput);
  EXPECT_THROW(image_event({1, 2}, "p", "\x89PNG\r\n\x1a\n"), base::BadInput);
}

}  // namespace
}  // namespace vae_dist::metrics
