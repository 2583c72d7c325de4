#include "config/config_schema.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/yaml_json.hpp"
#include "config/check_config.hpp"
#include "config/key_table.hpp"

namespace vae_dist::config {
namespace {

using Json = nlohmann::ordered_json;

/// Values of the table ("null", "[0, 1]", "a text") as JSON.
Json json_of(const std::vector<std::string>& yaml) {
  Json out = Json::array();
  for (const std::string& each : yaml) out.push_back(base::json_of_yaml(each));
  return out;
}

Json number(double value) {
  constexpr double kExactIntegers = 9007199254740992;  // 2^53
  if (value == std::floor(value) && std::abs(value) <= kExactIntegers)
    return static_cast<std::int64_t>(value);
  return value;
}

/// A scalar that the reader takes as text: any, as it is written.
Json text() { return {{"type", {"string", "number", "boolean"}}, {"minLength", 1}}; }

/// Returns a schema that accepts what one of the alternatives accepts.
Json any_of(const std::vector<Json>& alternatives) {
  return alternatives.size() == 1 ? alternatives.front() : Json{{"anyOf", alternatives}};
}

Json schema_of(const base::Key& key);

/// The schema of a key's values, by the type of its slot; without a description.
struct ValueSchema {
  const base::Key& key;

  Json scalar(bool) const { return {{"type", "boolean"}}; }
  Json scalar(const std::string&) const {
    if (!key.entry_choices.empty()) return {{"enum", key.entry_choices}};
    Json out = text();
    if (key.required) out["not"] = {{"const", "required"}};  // the word of the printed defaults
    return out;
  }
  Json scalar(std::int64_t) const {
    return bounded("integer", key.any_size ? Json(std::numeric_limits<std::int64_t>::max())
                                           : Json(kLargestCount));
  }
  Json scalar(double) const { return bounded("number", Json(kLargestNumber)); }

  Json bounded(const char* type, Json largest) const {
    Json out = {{"type", type}};
    if (key.least) out[key.least_excluded ? "exclusiveMinimum" : "minimum"] = number(*key.least);
    if (key.most && number(*key.most) <= largest)
      out[key.most_excluded ? "exclusiveMaximum" : "maximum"] = number(*key.most);
    else
      out["maximum"] = std::move(largest);
    return out;
  }

  template <typename Value>
  Json operator()(const Value*) const {
    return key.choices.empty() ? scalar(Value{}) : Json{{"enum", json_of(key.choices)}};
  }
  template <typename Value>
  Json operator()(const std::optional<Value>*) const {
    return any_of({{{"const", base::json_of_yaml(key.empty_word)}}, scalar(Value{})});
  }
  Json operator()(const base::Choice* choice) const { return {{"enum", choice->words()}}; }
  template <typename Entry>
  Json operator()(const std::vector<Entry>*) const {
    if (!key.choices.empty()) return {{"enum", json_of(key.choices)}};
    const bool may_be_empty = !key.empty_word.empty();
    Json list = {{"type", "array"}, {"items", scalar(Entry{})}};
    if (key.length > 0) {
      list["maxItems"] = key.length;
      if (!may_be_empty) list["minItems"] = key.length;
      if (may_be_empty) list["anyOf"] = {{{"maxItems", 0}}, {{"minItems", key.length}}};
    } else if (!may_be_empty) {
      list["minItems"] = 1;
    }
    std::vector<Json> alternatives = {list};
    if (std::is_same_v<Entry, std::string>) alternatives.push_back(scalar(Entry{}));
    if (may_be_empty && !base::json_of_yaml(key.empty_word).is_array())
      alternatives.push_back({{"const", base::json_of_yaml(key.empty_word)}});
    return any_of(alternatives);
  }
  Json operator()(const base::ItemList* list) const {
    Json items = {{"type", "object"},
                  {"required", Json::array({"name"})},
                  {"properties", {{"name", {{"enum", list->names()}}}}},
                  {"allOf", Json::array()}};
    for (const std::string& name : list->names()) {
      base::ItemList one = *list;
      base::ItemList::Entry* const entry = one.add(name);
      Json own = {{"name", {{"description", entry->item->help}}}};
      for (base::Key& each : base::ItemList::keys_of(*entry)) {
        each.default_text = value_text(each);
        own[each.name] = schema_of(each);
      }
      items["allOf"].push_back(
          {{"if", {{"properties", {{"name", {{"const", name}}}}}}},
           {"then", {{"properties", std::move(own)}, {"additionalProperties", false}}}});
    }
    return {{"type", "array"}, {"items", std::move(items)}};
  }
};

Json schema_of(const base::Key& key) {
  Json out = {{"description",
               key.meaning +
                   (key.counts_when.empty() ? "" : ". It applies only when " + key.counts_when) +
                   (key.may_change_on_resume ? ". It may change when a run is resumed" : "")}};
  if (!key.required && !key.default_text.empty())
    out["default"] = base::json_of_yaml(key.default_text);
  out.update(std::visit(ValueSchema{key}, key.slot));
  return out;
}

/// The whole schema. Every key and every group of keys is a definition with its dotted name, to
/// which the groups around it refer: a file may write `train: {optimizer: {name: sgd}}`, but also
/// `train.optimizer: {name: sgd}` and `train.optimizer.name: sgd`.
class Schema {
 public:
  Schema() : keys_(key_table(config_)) {
    for (const base::Key& key : keys_) {
      for (std::size_t dot = key.name.find('.'); dot != std::string::npos;
           dot = key.name.find('.', dot + 1))
        add_name(key.name.substr(0, dot));
      add_name(key.name);
      rows_[key.name].push_back(&key);
    }
  }
  Schema(const Schema&) = delete;  // keys_ point into config_
  Schema& operator=(const Schema&) = delete;

  Json whole() const {
    Json out = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                {"title", "A configuration of vae_dist"}};
    Json root = group("");
    const std::string help =
        "file whose keys this one takes over and may override, relative to this one's folder; or a "
        "list of such files, of which the later take precedence";
    root["properties"]["include"] = {
        {"description", help},
        {"anyOf", {text(), {{"type", "array"}, {"items", text()}, {"minItems", 1}}}}};
    root["patternProperties"]["^x-"] = {{"description", "holds what anchors refer to"}};
    out.update(root);
    for (const std::string& name : names_) out["$defs"][name] = definition(name);
    return out;
  }

 private:
  void add_name(const std::string& name) {
    if (known_.insert(name).second) names_.push_back(name);
  }

  Json definition(const std::string& name) const {
    const auto found = rows_.find(name);
    if (found == rows_.end()) return group(name);
    // Several items have a key of this name. group() says which counts.
    std::vector<Json> rows;
    for (const base::Key* row : found->second) rows.push_back(schema_of(*row));
    return any_of(rows);
  }

  Json group(const std::string& name) const {
    const std::string prefix = name.empty() ? "" : name + ".";
    Json properties = Json::object(), patterns = {{"^<<$", {{"type", {"object", "array"}}}}};
    for (const std::string& each : names_) {
      if (!each.starts_with(prefix)) continue;
      const std::string rest = each.substr(prefix.size());
      Json place = {{"$ref", "#/$defs/" + each}};
      if (rest.find('.') == std::string::npos)
        properties[rest] = std::move(place);
      else  // as a pattern, so that editors do not suggest it
        patterns["^" + with_escaped_dots(rest) + "$"] = std::move(place);
    }
    Json out = {{"type", {"object", "null"}},
                {"properties", std::move(properties)},
                {"patternProperties", std::move(patterns)},
                {"additionalProperties", false}};
    if (Json choices = chosen_items(prefix); !choices.empty()) out["allOf"] = std::move(choices);
    return out;
  }

  /// Where a group names a registered item, that item's own keys are meant, and those of others
  /// have no effect.
  Json chosen_items(const std::string& prefix) const {
    std::map<std::string, std::set<std::string>> own;  // by the key that chooses the item
    for (const base::Key& key : keys_)
      if (!key.owners.empty() && key.chosen_by.substr(0, key.chosen_by.rfind('.') + 1) == prefix &&
          key.name.find('.', prefix.size()) == std::string::npos)
        own[key.chosen_by].insert(key.name);
    Json out = Json::array();
    for (const auto& [chooser, names] : own) {
      const std::string leaf = chooser.substr(prefix.size());
      for (const std::string& item : rows_.at(chooser).front()->choices) {
        Json then = Json::object();
        for (const std::string& name : names) {
          const std::vector<const base::Key*>& rows = rows_.at(name);
          const auto row = std::find_if(rows.begin(), rows.end(), [&](const base::Key* each) {
            return std::find(each->owners.begin(), each->owners.end(), item) != each->owners.end();
          });
          if (row == rows.end())
            then[name.substr(prefix.size())] = false;
          else if (rows.size() > 1)
            then[name.substr(prefix.size())] = schema_of(**row);
        }
        out.push_back(
            {{"if",
              {{"properties", {{leaf, {{"const", item}}}}}, {"required", Json::array({leaf})}}},
             {"then", {{"properties", std::move(then)}}}});
      }
    }
    return out;
  }

  static std::string with_escaped_dots(const std::string& name) {
    std::string out;
    for (const char c : name) out += c == '.' ? std::string("\\.") : std::string(1, c);
    return out;
  }

  Config config_;
  std::vector<base::Key> keys_;
  std::vector<std::string> names_;  // of keys and groups, in the order of the table
  std::set<std::string> known_;
  std::map<std::string, std::vector<const base::Key*>> rows_;  // by name
};

}  // namespace

std::string config_schema() { return Schema().whole().dump(1) + "\n"; }

}  // namespace vae_dist::config
