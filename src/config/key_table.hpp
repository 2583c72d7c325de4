// The only table of configuration keys: name, place in the structs, type, range, meaning, and
// whether a resume may change the value. The reader, `vae_dist config`, the start table and the
// comparison on resume all walk this table, so they cannot diverge.
#pragma once

#include <string>
#include <vector>

#include "base/key.hpp"
#include "config/config.hpp"

namespace vae_dist::config {

/// Returns every key, in the order of the documentation, bound to `config`. `config` must outlive
/// the table.
std::vector<base::Key> key_table(Config& config);

/// Returns the key's current value as YAML flow text: 64, [0, 1], null, "a text".
std::string value_text(const base::Key& key);

/// Returns the same text, shortened for messages: a list of more than ten entries shows the first
/// ten and the number of the others.
std::string brief_value_text(const base::Key& key);

}  // namespace vae_dist::config
