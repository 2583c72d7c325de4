// The one table of configuration keys: name, place in the structs, type, range, meaning, what a resume may change, what is
// available. Reading, `vae_dist config`, the start table's list and the comparison on resume all walk it, so they cannot drift.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/config.hpp"

namespace vae_dist::config {

/// Where a key's value lives in a Config. The alternative is its type.
using Slot = std::variant<bool*, std::int64_t*, double*, std::string*, std::optional<bool>*, std::optional<std::int64_t>*, std::optional<double>*,
                          std::optional<std::string>*, std::vector<std::int64_t>*, std::vector<double>*, std::vector<std::string>*>;

struct Key {
  std::string name;                  ///< dotted: "train.global_batch"
  Slot slot;
  std::string meaning;               ///< one line: unit, effect
  std::vector<std::string> choices;  ///< the values allowed, as YAML text; empty: any of the type
  std::optional<double> least, most;
  bool least_excluded = false;       ///< the range is open at `least`
  bool most_excluded = false;        ///< the range is open at `most`
  bool any_size = false;             ///< a name in digits, not a count: the limits of numbers without `most` do not hold
  std::string empty_word;            ///< how an empty optional or list is written: "null", "auto", "[]"; "": it may not be empty
  std::size_t length = 0;            ///< exact number of list entries; 0: any
  bool required = false;             ///< a run needs it
  bool may_change_on_resume = false;
  std::string default_text;          ///< value_text of the default
  /// Empty: the key always counts. Else the condition under which its value has any effect on the bound config, and the same in words.
  /// Giving a key that does not count is an error.
  std::function<bool()> counts;
  std::string counts_when;
};

/// Every key, in the order of the documentation, bound to `config`, which must outlive the table.
std::vector<Key> key_table(Config& config);

/// The key's present value as YAML flow text: 64, [0, 1], null, "a text".
std::string value_text(const Key& key);

/// The same for messages: of a list that is longer than ten the first ten, and how many more there are.
std::string brief_value_text(const Key& key);

/// Whether the key's value has any effect under the other keys' values.
inline bool counts(const Key& key) { return !key.counts || key.counts(); }

}  // namespace vae_dist::config
