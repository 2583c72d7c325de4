#include "checkpoint/config_json.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/utf8.hpp"

namespace vae_dist::checkpoint {
namespace {

using Json = nlohmann::ordered_json;

template <typename Number>
std::optional<Number> whole_number_in(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A scalar without quotes, as the core schema of YAML 1.2 reads it.
Json plain_value(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (const auto integer = whole_number_in<std::int64_t>(text)) return *integer;
  // from_chars also reads "inf" and "nan", which JSON does not have; here they are names.
  if (const auto number = whole_number_in<double>(text); number && std::isfinite(*number))
    return *number;
  return text;
}

Json value_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map: {
      Json object = Json::object();
      for (const auto& entry : node) object[entry.first.Scalar()] = value_of(entry.second);
      return object;
    }
    case YAML::NodeType::Sequence: {
      Json list = Json::array();
      for (const auto& entry : node) list.push_back(value_of(entry));
      return list;
    }
    case YAML::NodeType::Scalar:
      // yaml-cpp gives a scalar without quotes the tag "?".
      return node.Tag() == "?" ? plain_value(node.Scalar()) : Json(node.Scalar());
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

std::string config_json(const std::string& yaml) {
  try {
    return base::json_text(value_of(YAML::Load(yaml)), 2) + "\n";
  } catch (const YAML::Exception& error) {
    throw base::Failure(base::text("the resolved configuration is not YAML: ", error.what()));
  }
}

}  // namespace vae_dist::checkpoint
