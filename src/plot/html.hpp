// Builds HTML in which text cannot become markup: a string is escaped when it is converted to Html,
// and only Html can be added to a page.
//
//   page.paragraph("KL is " + html_element("b", "3.4") + " nats, of <x>");
//   // <p>KL is <b>3.4</b> nats, of &lt;x&gt;</p>
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vae_dist::plot {

/// Returns `words` with &, <, >, " and ' as entities. Control characters, which HTML does not
/// allow, become U+FFFD; bytes that are not UTF-8 become escapes (base/utf8.hpp).
std::string html_escaped(std::string_view words);

/// A piece of a page: balanced markup, or text.
class Html {
 public:
  Html() = default;
  Html(std::string_view words) : source_(html_escaped(words)) {}
  Html(const std::string& words) : Html(std::string_view(words)) {}
  Html(const char* words) : Html(std::string_view(words)) {}

  /// Wraps markup that our own code wrote. Never pass text from a file, a user or a dataset.
  static Html trusted(std::string source);

  const std::string& source() const { return source_; }
  bool empty() const { return source_.empty(); }

  Html& operator+=(const Html& more) { return source_ += more.source_, *this; }
  friend Html operator+(Html left, const Html& right) { return left += right; }

 private:
  std::string source_;
};

using HtmlAttributes = std::vector<std::pair<std::string, std::string>>;

/// Returns <tag name="value">content</tag>. Values are escaped; tag and names must come from our
/// own code.
Html html_element(const std::string& tag, const HtmlAttributes& attributes, const Html& content);
inline Html html_element(const std::string& tag, const Html& content) {
  return html_element(tag, {}, content);
}

/// Returns <tag name="value">, for HTML elements without an end tag: img, input, br.
Html html_void_element(const std::string& tag, const HtmlAttributes& attributes);

/// Returns the name of a file, function or key as code. A narrow page may break it after . _ and /,
/// but not inside a number.
Html html_code(std::string_view name);

/// Returns "data:<type>;base64,...", which embeds the bytes in the page.
std::string data_uri(std::string_view type, std::string_view bytes);

}  // namespace vae_dist::plot
