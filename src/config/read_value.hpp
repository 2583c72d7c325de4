// One YAML value into one key's slot: types only; ranges and choices are check_config.hpp's.
#pragma once

#include <string>

#include "config/key_table.hpp"

namespace YAML {
class Node;
}

namespace vae_dist::config {

/// What read_value throws: "takes an integer, not 'many'". The caller knows the place and puts it
/// and the key in front.
struct WrongType {
  std::string message;
};

/// Reads `node` into the key's slot. Throws WrongType, and leaves the slot as it was, when the type
/// is not the key's.
void read_value(const YAML::Node& node, const base::Key& key);

/// Whether the node is `word`, without quotes.
bool is_word(const YAML::Node& node, const std::string& word);

/// The value as a message shows it: 'many', the text "64", a list, a map of keys, null.
std::string shown(const YAML::Node& node);

}  // namespace vae_dist::config
