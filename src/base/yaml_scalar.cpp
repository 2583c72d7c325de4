#include "base/yaml_scalar.hpp"

#include <charconv>
#include <cmath>

namespace vae_dist::base {
namespace {

/// Parses the whole text with std::from_chars, plus the leading + that YAML allows and from_chars
/// rejects.
template <typename Number>
std::optional<Number> read_whole(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<bool> read_bool(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

std::optional<std::int64_t> read_integer(std::string_view text) {
  return read_whole<std::int64_t>(text);
}

std::optional<double> read_number(std::string_view text) {
  // from_chars also accepts "inf" and "nan".
  const auto value = read_whole<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

}  // namespace vae_dist::base
