// The one table of configuration keys: name, place in the structs, type, range, meaning, what a
// resume may change, what is available. Reading, `vae_dist config`, the start table's list and the
// comparison on resume all walk it, so they cannot drift.
#pragma once

#include <string>
#include <vector>

#include "base/key.hpp"
#include "config/config.hpp"

namespace vae_dist::config {

/// Every key, in the order of the documentation, bound to `config`, which must outlive the table.
std::vector<base::Key> key_table(Config& config);

/// The key's present value as YAML flow text: 64, [0, 1], null, "a text".
std::string value_text(const base::Key& key);

/// The same for messages: of a list that is longer than ten the first ten, and how many more there
/// are.
std::string brief_value_text(const base::Key& key);

}  // namespace vae_dist::config
