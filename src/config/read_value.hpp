// Reads one YAML value into one key's slot. Checks types only; check_config.hpp checks ranges and
// choices.
#pragma once

#include <string>

#include "config/key_table.hpp"

namespace YAML {
class Node;
}

namespace vae_dist::config {

/// Thrown by read_value(): "takes an integer, not 'many'". The caller puts the place and the key in
/// front.
struct WrongType {
  std::string message;
};

/// Reads `node` into the key's slot. Throws WrongType, leaving the slot unchanged, if the value
/// does not have the key's type.
void read_value(const YAML::Node& node, const base::Key& key);

/// Returns whether the node is `word`, unquoted.
bool is_word(const YAML::Node& node, const std::string& word);

/// Returns the value as a message shows it: 'many', the text "64", a list, a map of keys, null.
std::string shown(const YAML::Node& node);

}  // namespace vae_dist::config
