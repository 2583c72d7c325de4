// HTML in which text cannot become markup: a string is escaped when it becomes Html, and only Html
// goes into a page.
//
//   page.paragraph("KL is " + html_element("b", "3.4") + " nats, of <x>");   // <p>KL is <b>3.4</b>
//   nats, of &lt;x&gt;</p>
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vae_dist::plot {

/// `words` with &, <, >, " and ' as entities. Control characters, which no HTML text may hold,
/// become U+FFFD; bytes that are no UTF-8 become escapes (base/utf8.hpp).
std::string html_escaped(std::string_view words);

/// A piece of a page: balanced markup, or text.
class Html {
 public:
  Html() = default;
  Html(std::string_view words) : source_(html_escaped(words)) {}
  Html(const std::string& words) : Html(std::string_view(words)) {}
  Html(const char* words) : Html(std::string_view(words)) {}

  /// Markup that our own code wrote. Never what a file, a user or a dataset says.
  static Html trusted(std::string source);

  const std::string& source() const { return source_; }
  bool empty() const { return source_.empty(); }

  Html& operator+=(const Html& more) { return source_ += more.source_, *this; }
  friend Html operator+(Html left, const Html& right) { return left += right; }

 private:
  std::string source_;
};

using HtmlAttributes = std::vector<std::pair<std::string, std::string>>;

/// <tag name="value">content</tag>; values are escaped, tag and names are ours.
Html html_element(const std::string& tag, const HtmlAttributes& attributes, const Html& content);
inline Html html_element(const std::string& tag, const Html& content) {
  return html_element(tag, {}, content);
}

/// <tag name="value">, for the elements of HTML that have no end: img, input, br.
Html html_void_element(const std::string& tag, const HtmlAttributes& attributes);

/// A name of a file, function or key; a narrow page may break it behind . _ and /, but not inside
/// of a number.
Html html_code(std::string_view name);

/// "data:<type>;base64,...", which needs no file beside the page.
std::string data_uri(std::string_view type, std::string_view bytes);

}  // namespace vae_dist::plot
