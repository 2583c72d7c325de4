// Makes text valid UTF-8. Names and paths are arbitrary bytes, but labels, JSON and HTML pages must
// be UTF-8: readers reject the whole document for one invalid byte. Invalid bytes are therefore
// written as escapes: "caf\xe9".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vae_dist::base {

/// Returns the length in bytes of the UTF-8 character at the start of `bytes`, or 0 if there is
/// none. Overlong forms, surrogates and values above U+10FFFF are not characters.
std::size_t utf8_length(std::string_view bytes);

/// Returns `bytes` with each byte outside a UTF-8 character replaced by \xHH, two lower-case
/// hexadecimal digits, like Python's "backslashreplace". Valid UTF-8 is unchanged.
std::string utf8_text(std::string_view bytes);

/// Returns `value` with utf8_text() applied to all its strings and member names.
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

/// Returns `value` as JSON text, with utf8_text() applied to its strings and member names. `Json`:
/// one of nlohmann's types. `indent`: as for its dump(), -1 for one line.
template <typename Json>
std::string json_text(const Json& value, int indent = -1) {
  return utf8_json(value).dump(indent);
}

}  // namespace vae_dist::base
