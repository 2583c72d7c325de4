#include "config/read_value.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/yaml_scalar.hpp"
#include "config/check_config.hpp"
#include "config/scalar_text.hpp"

namespace vae_dist::config {
namespace {

bool is_quoted(const YAML::Node& node) { return node.Tag() == "!"; }

[[noreturn]] void refuse(const std::string& wanted, const YAML::Node& node,
                         const std::string& hint = "") {
  throw WrongType{"takes " + wanted + ", not " + shown(node) + hint};
}

void read(const YAML::Node& node, bool& value) {
  const auto parsed =
      node.IsScalar() && !is_quoted(node) ? base::read_bool(node.Scalar()) : std::nullopt;
  if (!parsed) refuse("true or false", node);
  value = *parsed;
}

void read(const YAML::Node& node, std::int64_t& value) {
  const bool plain = node.IsScalar() && !is_quoted(node);
  const auto parsed = plain ? base::read_integer(node.Scalar()) : std::nullopt;
  if (!parsed)
    refuse("an integer", node,
           plain && base::read_number(node.Scalar()) ? " (write plain digits: 64; at most 64 bits)"
                                                     : "");
  value = *parsed;
}

void read(const YAML::Node& node, double& value) {
  const auto parsed =
      node.IsScalar() && !is_quoted(node) ? base::read_number(node.Scalar()) : std::nullopt;
  if (!parsed) refuse("a number", node);
  value = *parsed;
}

// Any scalar is accepted as text, exactly as written: a run may be called 2024.
void read(const YAML::Node& node, std::string& value) {
  if (!node.IsScalar()) refuse("text", node);
  if (node.Scalar().empty()) throw WrongType{"is empty"};
  value = node.Scalar();
}

template <typename Entry>
void read(const YAML::Node& node, std::vector<Entry>& list) {
  std::vector<Entry> entries;
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) read(item, entries.emplace_back());
  } else if (std::is_same_v<Entry, std::string> && node.IsScalar()) {
    read(node, entries.emplace_back());
  } else {
    refuse(std::is_same_v<Entry, std::string> ? "text or a list of texts" : "a list such as [1, 2]",
           node);
  }
  list = std::move(entries);
}

template <typename Value>
void read(const YAML::Node& node, std::optional<Value>& value) {
  Value inner{};
  read(node, inner);
  value = inner;
}

/// Returns whether the node is the word that leaves the key empty.
bool is_empty_word(const YAML::Node& node, const base::Key& key) {
  if (key.empty_word.empty()) return false;
  if (node.IsNull()) return key.empty_word == "null";
  return is_word(node, key.empty_word);
}

// Each entry is a map with the item's name and the item's own keys.
void read_items(const YAML::Node& node, base::ItemList& list) {
  const std::string wanted =
      "a list such as [{name: " + (list.names().empty() ? "..." : list.names().front()) + "}]";
  if (!node.IsSequence()) refuse(wanted, node);
  base::ItemList entries = list;
  entries.clear();
  for (const YAML::Node& item : node) {
    if (!item.IsMap()) refuse(wanted, item);
    const YAML::Node name = item["name"];
    if (!name || !name.IsScalar())
      throw WrongType{"has an entry without a name; choose one of " + joined(list.names(), " | ")};
    base::ItemList::Entry* const entry = entries.add(name.Scalar());
    if (!entry)
      throw WrongType{"has an entry '" + name.Scalar() + "'; choose one of " +
                      joined(list.names(), " | ")};
    std::vector<base::Key> keys = base::ItemList::keys_of(*entry);
    std::vector<std::string> given;
    for (const auto& pair : item) {
      const std::string key_name = pair.first.IsScalar() ? pair.first.Scalar() : "";
      if (std::find(given.begin(), given.end(), key_name) != given.end())
        throw WrongType{"gives '" + key_name + "' for " + entry->item->name + " twice"};
      given.push_back(key_name);
      if (key_name == "name") continue;
      const auto key = std::find_if(keys.begin(), keys.end(),
                                    [&](const base::Key& each) { return each.name == key_name; });
      if (key == keys.end()) {
        std::vector<std::string> known = {"name"};
        for (const base::Key& each : keys) known.push_back(each.name);
        throw WrongType{"has an entry " + entry->item->name + " with the unknown key '" + key_name +
                        "'; its keys are " + joined(known, ", ")};
      }
      try {
        read_value(pair.second, *key);
      } catch (const WrongType& wrong) {
        throw WrongType{"has an entry " + entry->item->name + " whose " + key_name + " " +
                        wrong.message};
      }
      if (const std::string complaint = value_error(*key); !complaint.empty())
        throw WrongType{"has an entry " + entry->item->name + " whose " + complaint};
    }
    for (const base::Key& key : keys)
      if (!base::counts(key) && std::find(given.begin(), given.end(), key.name) != given.end())
        throw WrongType{"has an entry " + entry->item->name + " with " + key.name +
                        ", which applies only when " + key.counts_when};
  }
  list = std::move(entries);
}

struct Assign {
  const YAML::Node& node;
  const base::Key& key;

  template <typename Value>
  void operator()(Value* value) const {
    read(node, *value);
  }
  template <typename Value>
  void operator()(std::optional<Value>* value) const {
    if (is_empty_word(node, key)) return value->reset();
    try {
      read(node, *value);
    } catch (WrongType& wrong) {
      wrong.message += "; or " + key.empty_word;
      throw;
    }
  }
  void operator()(base::Choice* choice) const {
    std::string word;
    read(node, word);
    if (!choice->choose(word))
      throw WrongType{"is " + quoted_if_needed(word) + "; choose one of " +
                      joined(choice->words(), " | ")};
  }
  void operator()(base::ItemList* list) const { read_items(node, *list); }
  template <typename Entry>
  void operator()(std::vector<Entry>* list) const {
    if (is_empty_word(node, key)) return list->clear();
    read(node, *list);
    if (list->empty() && key.empty_word.empty()) throw WrongType{"takes at least one entry"};
  }
};

}  // namespace

void read_value(const YAML::Node& node, const base::Key& key) {
  std::visit(Assign{node, key}, key.slot);
}

bool is_word(const YAML::Node& node, const std::string& word) {
  return node.IsScalar() && !is_quoted(node) && node.Scalar() == word;
}

std::string shown(const YAML::Node& node) {
  if (node.IsMap()) return "a map of keys";
  if (node.IsSequence()) return "a list";
  if (node.IsNull()) return "null";
  return is_quoted(node) ? "the text \"" + node.Scalar() + "\"" : "'" + node.Scalar() + "'";
}

}  // namespace vae_dist::config
