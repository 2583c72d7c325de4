// Names and paths are bytes; labels, JSON and pages are UTF-8, and whoever reads them refuses the
// whole for one byte that is not. So what is none is written as an escape before it gets there:
// "caf\xe9".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vae_dist::base {

/// The length in bytes of the UTF-8 character at the start of `bytes`, 0 for none: overlong forms,
/// surrogates and what lies above U+10FFFF are none.
std::size_t utf8_length(std::string_view bytes);

/// `bytes` with each byte that belongs to no UTF-8 character as \xHH, two hexadecimal digits in
/// lower case, as Python's "backslashreplace" has them. UTF-8 stays as it is.
std::string utf8_text(std::string_view bytes);

/// `value` with its texts and the names in it as utf8_text() has them.
template <typename Json>
Json utf8_json(const Json& value) {
  if (value.is_string()) return utf8_text(value.template get_ref<const std::string&>());
  if (!value.is_structured()) return value;
  Json out = value.is_array() ? Json::array() : Json::object();
  if (value.is_array()) {
    for (const Json& each : value) out.push_back(utf8_json(each));
  } else {
    for (const auto& [name, each] : value.items()) out[utf8_text(name)] = utf8_json(each);
  }
  return out;
}

/// `value` as JSON text, its texts and the names in it as utf8_text() has them. `Json`: one of
/// nlohmann's; `indent`: as in its dump(), -1 for one line.
template <typename Json>
std::string json_text(const Json& value, int indent = -1) {
  return utf8_json(value).dump(indent);
}

}  // namespace vae_dist::base
