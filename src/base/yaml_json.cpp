#include "base/yaml_json.hpp"

#include <yaml-cpp/yaml.h>

#include "base/error.hpp"
#include "base/yaml_scalar.hpp"

namespace vae_dist::base {
namespace {

nlohmann::ordered_json json_of_scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() != "?") return text;  // in quotes, or said to be text by a tag
  if (const auto value = read_bool(text)) return *value;
  if (const auto value = read_integer(text)) return *value;
  if (const auto value = read_number(text)) return *value;
  return text;
}

nlohmann::ordered_json json_of_node(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map: {
      auto object = nlohmann::ordered_json::object();
      for (const auto& entry : node) object[entry.first.Scalar()] = json_of_node(entry.second);
      return object;
    }
    case YAML::NodeType::Sequence: {
      auto list = nlohmann::ordered_json::array();
      for (const auto& entry : node) list.push_back(json_of_node(entry));
      return list;
    }
    case YAML::NodeType::Scalar:
      return json_of_scalar(node);
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

nlohmann::ordered_json json_of_yaml(const std::string& yaml) {
  try {
    return json_of_node(YAML::Load(yaml));
  } catch (const YAML::Exception& error) {
    throw Failure(base::text("a text that should be YAML is not: ", error.what()));
  }
}

}  // namespace vae_dist::base
