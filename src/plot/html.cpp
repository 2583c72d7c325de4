#include "plot/html.hpp"

#include <cstdint>

#include "base/utf8.hpp"

namespace vae_dist::plot {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

std::string opening(const std::string& tag, const HtmlAttributes& attributes) {
  std::string out = "<" + tag;
  for (const auto& [name, value] : attributes)
    out += " " + name + "=\"" + html_escaped(value) + "\"";
  return out + ">";
}

}  // namespace

std::string html_escaped(std::string_view words) {
  std::string out;
  out.reserve(words.size());
  while (!words.empty()) {
    const std::size_t length = base::utf8_length(words);
    const char c = words[0];
    const bool control =
        (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
    if (length == 0)
      out += base::utf8_text(words.substr(0, 1));
    else if (control)
      out += kReplacement;
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += words.substr(0, length);
    words.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

Html Html::trusted(std::string source) {
  Html out;
  out.source_ = std::move(source);
  return out;
}

Html html_element(const std::string& tag, const HtmlAttributes& attributes, const Html& content) {
  return Html::trusted(opening(tag, attributes) + content.source() + "</" + tag + ">");
}

Html html_void_element(const std::string& tag, const HtmlAttributes& attributes) {
  return Html::trusted(opening(tag, attributes));
}

Html html_code(std::string_view name) {
  Html content;
  while (!name.empty()) {
    const std::size_t end = std::min(name.size(), name.find_first_of("._/"));
    const std::size_t length = std::min(name.size(), end + 1);
    content += name.substr(0, length);
    name.remove_prefix(length);
    const bool in_number = !name.empty() && name[0] >= '0' && name[0] <= '9';
    if (!name.empty() && !in_number) content += html_void_element("wbr", {});
  }
  return html_element("code", content);
}

std::string data_uri(std::string_view type, std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out = "data:" + std::string(type) + ";base64,";
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (k < count ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      out += k <= count ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

}  // namespace vae_dist::plot
