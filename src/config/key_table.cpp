#include "config/key_table.hpp"

#include <type_traits>

#include "base/list_of_ten.hpp"
#include "config/key_rows.hpp"
#include "config/scalar_text.hpp"

namespace vae_dist::config {
namespace {

std::string scalar_text(bool value) { return value ? "true" : "false"; }
std::string scalar_text(std::int64_t value) { return std::to_string(value); }
std::string scalar_text(double value) { return number_text(value); }
std::string scalar_text(const std::string& value) { return quoted_if_needed(value); }

struct ValueText {
  const Key& key;
  bool brief = false;

  template <typename Entry>
  std::string list_text(const std::vector<Entry>& entries) const {
    std::vector<std::string> texts;
    for (const Entry& entry : entries) texts.push_back(scalar_text(entry));
    return "[" + (brief ? base::list_of_ten(texts) : joined(texts, ", ")) + "]";
  }

  template <typename Value>
  std::string operator()(const Value* value) const {
    return scalar_text(*value);
  }
  // A required key that nobody has set shows as the word that asks for it.
  std::string operator()(const std::string* value) const { return key.required && value->empty() ? "required" : scalar_text(*value); }
  template <typename Value>
  std::string operator()(const std::optional<Value>* value) const {
    return *value ? scalar_text(**value) : key.empty_word;
  }
  template <typename Entry>
  std::string operator()(const std::vector<Entry>* list) const {
    if (list->empty()) return key.required ? "required" : key.empty_word;
    // A single file stands without brackets.
    if (std::is_same_v<Entry, std::string> && list->size() == 1) return scalar_text(list->front());
    return list_text(*list);
  }
};

std::vector<Key> bind(Config& config) {
  std::vector<Key> keys;
  add_run_keys(keys, config.run);
  add_model_keys(keys, config.model);
  add_objective_keys(keys, config);
  add_data_keys(keys, config.data);
  add_train_keys(keys, config);
  add_distributed_keys(keys, config.distributed);
  add_outcome_keys(keys, config);
  return keys;
}

}  // namespace

std::vector<Key> key_table(Config& config) {
  Config defaults;
  const std::vector<Key> default_keys = bind(defaults);
  std::vector<Key> keys = bind(config);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i].default_text = value_text(default_keys[i]);
  }
  return keys;
}

std::string value_text(const Key& key) { return std::visit(ValueText{key}, key.slot); }

std::string brief_value_text(const Key& key) { return std::visit(ValueText{key, /*brief=*/true}, key.slot); }

Row Section::add(const std::string& name, Slot slot, const std::string& meaning, const std::string& empty_word) {
  Key key;
  key.name = prefix_ + name;
  key.slot = slot;
  key.meaning = meaning;
  key.empty_word = empty_word;
  keys_.push_back(std::move(key));
  return Row(keys_.back());
}

}  // namespace vae_dist::config
