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
  const base::Key& key;
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
  // A required key that is not set shows the placeholder word "required".
  std::string operator()(const std::string* value) const {
    return key.required && value->empty() ? "required" : scalar_text(*value);
  }
  template <typename Value>
  std::string operator()(const std::optional<Value>* value) const {
    return *value ? scalar_text(**value) : key.empty_word;
  }
  std::string operator()(const base::Choice* choice) const {
    return quoted_if_needed(choice->word());
  }
  std::string operator()(const base::ItemList* list) const {
    std::vector<std::string> texts;
    for (base::ItemList::Entry entry : list->entries()) {
      std::vector<std::string> parts = {"name: " + entry.item->name};
      for (const base::Key& own : base::ItemList::keys_of(entry))
        if (base::counts(own)) parts.push_back(own.name + ": " + value_text(own));
      texts.push_back("{" + joined(parts, ", ") + "}");
    }
    return "[" + (brief ? base::list_of_ten(texts) : joined(texts, ", ")) + "]";
  }
  template <typename Entry>
  std::string operator()(const std::vector<Entry>* list) const {
    if (list->empty()) return key.required ? "required" : key.empty_word;
    // A single file is written without brackets.
    if (std::is_same_v<Entry, std::string> && list->size() == 1) return scalar_text(list->front());
    return list_text(*list);
  }
};

std::vector<base::Key> bind(Config& config) {
  std::vector<base::Key> keys;
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

std::vector<base::Key> key_table(Config& config) {
  Config defaults;
  const std::vector<base::Key> default_keys = bind(defaults);
  std::vector<base::Key> keys = bind(config);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i].default_text = value_text(default_keys[i]);
  }
  return keys;
}

std::string value_text(const base::Key& key) { return std::visit(ValueText{key}, key.slot); }

std::string brief_value_text(const base::Key& key) {
  return std::visit(ValueText{key, /*brief=*/true}, key.slot);
}

}  // namespace vae_dist::config
