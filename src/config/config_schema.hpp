// Describes configurations as a JSON Schema, so that editors check and complete them as they are
// written. Made from the table of keys (key_table.hpp) and the registry.
#pragma once

#include <string>

namespace vae_dist::config {

/// Returns a JSON Schema (draft 2020-12, https://json-schema.org/draft/2020-12) of one file of a
/// configuration, with the items that are registered in this program. It states what a key takes by
/// itself: type, range, words, number of entries; and the keys of the chosen item. What the program
/// checks beyond that (required keys, which a file that includes this one or the command line may
/// give, and keys that contradict each other) is not in it. Nor are two things that JSON cannot
/// tell apart: 64 from 64.0, and a word from the same word in quotes.
std::string config_schema();

}  // namespace vae_dist::config
