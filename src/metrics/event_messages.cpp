#include "metrics/event_messages.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "base/digits.hpp"
#include "base/error.hpp"
#include "base/utf8.hpp"

namespace vae_dist::metrics {
namespace {

// How protobuf encodes a field's value.
enum WireType : std::uint64_t { kVarint = 0, kFixed64 = 1, kDelimited = 2, kFixed32 = 5 };

std::string varint(std::uint64_t number) {
  std::string out;
  for (; number >= 0x80; number >>= 7) out += static_cast<char>((number & 0x7F) | 0x80);
  out += static_cast<char>(number);
  return out;
}

template <typename Bits>
std::string fixed(Bits bits) {
  std::string out;
  for (std::size_t byte = 0; byte < sizeof bits; ++byte)
    out += static_cast<char>((bits >> (8 * byte)) & 0xFF);
  return out;
}

std::string key_of(int field, WireType type) {
  return varint((static_cast<std::uint64_t>(field) << 3) | type);
}

// One field of a message.
std::string integer(int field, std::int64_t value) {
  return key_of(field, kVarint) + varint(static_cast<std::uint64_t>(value));
}
std::string real(int field, double value) {
  return key_of(field, kFixed64) + fixed(std::bit_cast<std::uint64_t>(value));
}
std::string single(int field, double value) {
  return key_of(field, kFixed32) + fixed(std::bit_cast<std::uint32_t>(static_cast<float>(value)));
}
std::string bytes(int field, std::string_view value) {
  std::string out = key_of(field, kDelimited) + varint(value.size());
  out += value;
  return out;
}
// Readers refuse a message whose strings are not UTF-8.
std::string string(int field, std::string_view value) {
  return bytes(field, base::utf8_text(value));
}
std::string reals(int field, const std::vector<double>& values) {
  std::string packed;
  for (const double value : values) packed += fixed(std::bit_cast<std::uint64_t>(value));
  return bytes(field, packed);
}

// Event: wall_time 1, step 2, file_version 3, summary 5, session_log 7.
std::string event(EventTime at, const std::string& what) {
  return real(1, at.wall_time) + integer(2, at.step) + what;
}

// Summary: value 1. Summary.Value: tag 1, simple_value 2, image 4, histo 5, tensor 8, metadata 9.
std::string value(const std::string& tag, const std::string& what) {
  return bytes(1, string(1, tag) + what);
}
std::string summary_event(EventTime at, const std::string& values) {
  return event(at, bytes(5, values));
}

// SummaryMetadata: plugin_data 1. PluginData: plugin_name 1, content 2.
std::string metadata(const std::string& plugin, const std::string& content) {
  return bytes(9, bytes(1, string(1, plugin) + bytes(2, content)));
}

// HParamsPluginData: session_start_info 3, session_end_info 4.
std::string session_event(EventTime at, const std::string& tag, int field,
                          const std::string& info) {
  return summary_event(at, value(tag, metadata("hparams", bytes(field, info))));
}

// google.protobuf.Value: number_value 2, string_value 3, bool_value 4.
std::string plain_value(const std::string& yaml) {
  if (yaml == "true" || yaml == "false") return integer(4, yaml == "true" ? 1 : 0);
  if (const auto number = base::number_in(yaml); number && std::isfinite(*number))
    return real(2, *number);
  return string(3, yaml);
}

struct Bins {
  std::vector<double> upper_bounds, counts;
};

Bins equal_bins(const std::vector<double>& values, double low, double high) {
  constexpr std::size_t kMostBins = 30;
  const std::size_t count = high > low ? kMostBins : 1;
  Bins out{std::vector<double>(count), std::vector<double>(count)};
  const double width = (high - low) / static_cast<double>(count);
  for (std::size_t bin = 0; bin < count; ++bin)
    out.upper_bounds[bin] = bin + 1 == count ? high : low + width * static_cast<double>(bin + 1);
  for (const double each : values) {
    const auto above = std::lower_bound(out.upper_bounds.begin(), out.upper_bounds.end() - 1, each);
    out.counts[static_cast<std::size_t>(above - out.upper_bounds.begin())] += 1;
  }
  return out;
}

// The next field of a message.
struct Field {
  std::uint64_t number = 0, bits = 0;  // bits: of a varint or a fixed value
  std::string_view content;            // of a delimited one
};

std::optional<std::uint64_t> take_varint(std::string_view& message) {
  std::uint64_t out = 0;
  for (int shift = 0; shift < 64 && !message.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(message.front());
    message.remove_prefix(1);
    out |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return out;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> take_fixed(std::string_view& message, std::size_t size) {
  if (message.size() < size) return std::nullopt;
  std::uint64_t out = 0;
  for (std::size_t byte = 0; byte < size; ++byte)
    out |= std::uint64_t{static_cast<unsigned char>(message[byte])} << (8 * byte);
  message.remove_prefix(size);
  return out;
}

// Empty: the message ends here, or cannot be read any further.
std::optional<Field> take_field(std::string_view& message) {
  const auto key = take_varint(message);
  if (!key) return std::nullopt;
  Field out{*key >> 3, 0, {}};
  const std::uint64_t type = *key & 7;
  const auto number = type == kFixed64   ? take_fixed(message, 8)
                      : type == kFixed32 ? take_fixed(message, 4)
                                         : take_varint(message);
  if (!number || (type != kVarint && type != kFixed64 && type != kFixed32 && type != kDelimited))
    return std::nullopt;
  out.bits = *number;
  if (type != kDelimited) return out;
  if (message.size() < *number) return std::nullopt;
  out.content = message.substr(0, *number);
  message.remove_prefix(*number);
  return out;
}

// Returns the content of the first field with this number; empty: there is none.
std::string_view content_of(std::string_view message, std::uint64_t number) {
  while (const auto field = take_field(message))
    if (field->number == number) return field->content;
  return {};
}

}  // namespace

std::string version_event(double wall_time) {
  return real(1, wall_time) + string(3, "brain.Event:2");
}

std::string restart_event(EventTime at) {
  constexpr std::int64_t kStart = 1;  // SessionLog: status 1
  return event(at, bytes(7, integer(1, kStart)));
}

std::string scalars_event(EventTime at, const TaggedValues& values) {
  std::string all;
  for (const auto& [tag, number] : values) all += value(tag, single(2, number));
  return summary_event(at, all);
}

std::string histogram_event(EventTime at, const std::string& tag,
                            const std::vector<double>& values) {
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
               [](double each) { return std::isfinite(each); });
  double low = 0, high = 0, sum = 0, squares = 0;
  if (!finite.empty()) {
    const auto [least, most] = std::minmax_element(finite.begin(), finite.end());
    low = *least;
    high = *most;
  }
  for (const double each : finite) {
    sum += each;
    squares += each * each;
  }
  const Bins bins = equal_bins(finite, low, high);
  // HistogramProto: min 1, max 2, num 3, sum 4, sum_squares 5, bucket_limit 6, bucket 7.
  const std::string histogram =
      real(1, low) + real(2, high) + real(3, static_cast<double>(finite.size())) + real(4, sum) +
      real(5, squares) + reals(6, bins.upper_bounds) + reals(7, bins.counts);
  return summary_event(at, value(tag, bytes(5, histogram)));
}

std::string image_event(EventTime at, const std::string& tag, std::string_view png) {
  constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n", 8);
  constexpr std::size_t kWidth = 16, kHeight = 20, kColourType = 25;  // offsets in its header
  if (!png.starts_with(kSignature) || png.size() <= kColourType)
    throw base::BadInput("this is no PNG file");
  const auto big_endian = [&](std::size_t at_byte) {
    std::int64_t out = 0;
    for (std::size_t byte = 0; byte < 4; ++byte)
      out = out << 8 | static_cast<unsigned char>(png[at_byte + byte]);
    return out;
  };
  // PNG: grey 0, colours 2, palette 3, grey and opacity 4, colours and opacity 6. TensorBoard
  // counts the channels.
  constexpr std::int64_t kChannels[] = {1, 3, 3, 3, 2, 3, 4};
  const auto type = std::min<std::size_t>(6, static_cast<unsigned char>(png[kColourType]));
  // Summary.Image: height 1, width 2, colorspace 3, encoded_image_string 4.
  return summary_event(
      at, value(tag, bytes(4, integer(1, big_endian(kHeight)) + integer(2, big_endian(kWidth)) +
                                  integer(3, kChannels[type]) + bytes(4, png))));
}

std::string text_event(EventTime at, const std::string& tag, std::string_view markdown) {
  constexpr std::int64_t kDtString = 7;
  // TensorProto: dtype 1, tensor_shape 2, string_val 8. TensorShapeProto: dim 2. Dim: size 1.
  const std::string tensor =
      integer(1, kDtString) + bytes(2, bytes(2, integer(1, 1))) + string(8, markdown);
  return summary_event(at, value(tag, metadata("text", "") + bytes(8, tensor)));
}

std::string session_start_event(EventTime at,
                                const std::vector<std::pair<std::string, std::string>>& values) {
  // SessionStartInfo: hparams 1 (a map: key 1, value 2), start_time_secs 5.
  std::string info;
  for (const auto& [name, yaml] : values)
    info += bytes(1, string(1, name) + bytes(2, plain_value(yaml)));
  return session_event(at, "_hparams_/session_start_info", 3, info + real(5, at.wall_time));
}

std::string session_end_event(EventTime at) {
  constexpr std::int64_t kSuccess = 1;  // SessionEndInfo: status 1, end_time_secs 2
  return session_event(at, "_hparams_/session_end_info", 4,
                       integer(1, kSuccess) + real(2, at.wall_time));
}

EventHead head_of(std::string_view event) {
  EventHead out;
  while (const auto field = take_field(event)) {
    if (field->number == 1) out.at.wall_time = std::bit_cast<double>(field->bits);
    if (field->number == 2) out.at.step = static_cast<std::int64_t>(field->bits);
    if (field->number == 5) out.tag = content_of(content_of(field->content, 1), 1);
  }
  return out;
}

std::string with_wall_time(std::string_view event, double wall_time) {
  std::string out = real(1, wall_time);  // always the first field, of a fixed size
  out += event.substr(out.size());
  return out;
}

}  // namespace vae_dist::metrics
