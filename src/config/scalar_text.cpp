#include "config/scalar_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string_view>

namespace vae_dist::config {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigits = "0123456789";

/// Words that some version of YAML reads as null or a boolean, and the word that marks a required
/// key in the printed defaults.
bool is_reserved(std::string value) {
  static constexpr std::array kReserved = {"null", "true", "false", "yes", "no",
                                           "on",   "off",  "y",     "n",   "required"};
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kReserved.begin(), kReserved.end(), value) != kReserved.end();
}

bool is_plain(const std::string& value) {
  if (value.empty() || is_reserved(value)) return false;
  // Accepts addresses such as 0.0.0.0: a text with more than one point is not a number.
  if (value.find_first_not_of("0123456789.") == std::string::npos)
    return std::count(value.begin(), value.end(), '.') >= 2;
  const std::string safe = std::string(kLetters) + std::string(kDigits) + "_/.-";
  const bool safe_start = kLetters.find(value[0]) != std::string_view::npos || value[0] == '/' ||
                          value[0] == '_' || value.starts_with("./") || value.starts_with("../");
  return safe_start && value.find_first_not_of(safe) == std::string::npos;
}

}  // namespace

std::string number_text(double value) {
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  std::string out(buffer.data(), result.ptr);
  const std::size_t exponent = out.find('e');
  if (exponent != std::string::npos && out.find('.') == std::string::npos)
    out.insert(exponent, ".0");
  return out;
}

std::string quoted_if_needed(const std::string& value) {
  if (is_plain(value)) return value;
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      constexpr std::string_view kHex = "0123456789abcdef";
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string joined(const std::vector<std::string>& words, const std::string& separator) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) out += (i ? separator : "") + words[i];
  return out;
}

}  // namespace vae_dist::config
