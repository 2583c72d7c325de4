#include "base/registry.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace vae_dist::base {
namespace {

// Joins the names: "adam, adamax or adamw".
std::string joined_with_or(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i)
    out += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  return out;
}

// Returns whether one of the keys with index first .. last - 1 has the name.
bool contains_name(const std::vector<Key>& keys, std::size_t first, std::size_t last,
                   const std::string& name) {
  return std::any_of(keys.begin() + static_cast<std::ptrdiff_t>(first),
                     keys.begin() + static_cast<std::ptrdiff_t>(last),
                     [&](const Key& key) { return key.name == name; });
}

}  // namespace

// Aborts because no code can catch an exception before main() begins.
void end_of_double_registration(const std::string& name) {
  std::fprintf(stderr, "two files of this program register the name '%s': rename one of them\n",
               name.c_str());
  std::abort();
}

void add_own_keys(std::vector<Key>& keys, const std::string& section, const std::string& chosen_key,
                  const std::string& chosen, const std::vector<const Item*>& items,
                  ItemSettings& settings) {
  std::map<std::string, std::vector<std::string>> owners;  // items by settings
  for (const Item* item : items)
    if (item->own.defaults.has_value()) owners[item->settings_name()].push_back(item->name);

  const std::size_t others = keys.size();
  for (const Item* item : items) {
    if (!item->own.defaults.has_value() || owners.at(item->settings_name()).front() != item->name)
      continue;
    const std::vector<std::string>& names = owners.at(item->settings_name());
    const std::size_t first = keys.size();
    Section own(keys, section);
    item->own.describe(own, settings.of(*item));
    for (std::size_t i = first; i < keys.size(); ++i) {
      Key& key = keys[i];
      if (contains_name(keys, 0, others, key.name) || contains_name(keys, first, i, key.name))
        end_of_double_registration(key.name);
      key.meaning = joined_with_or(names) + ": " + key.meaning;
      key.chosen_by = chosen_key;
      key.owners = names;
      const auto is_chosen = [&chosen, names] {
        return std::find(names.begin(), names.end(), chosen) != names.end();
      };
      key.counts_when = chosen_key + " is " + joined_with_or(names) +
                        (key.counts_when.empty() ? "" : " and " + key.counts_when);
      key.counts = [is_chosen, also = key.counts] { return is_chosen() && (!also || also()); };
    }
  }
}

ItemList::Entry* ItemList::add(const std::string& name) {
  const Item* const item = find_ ? find_(name) : nullptr;
  if (!item) return nullptr;
  entries_.push_back({item, item->own.defaults});
  return &entries_.back();
}

std::vector<Key> own_keys_of(const Item& item, std::any& settings) {
  std::vector<Key> keys;
  Section own(keys, "");
  if (settings.has_value()) item.own.describe(own, settings);
  return keys;
}

std::vector<Key> ItemList::keys_of(Entry& entry) {
  std::vector<Key> keys = own_keys_of(*entry.item, entry.settings);
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i].name == "name" || contains_name(keys, 0, i, keys[i].name))
      end_of_double_registration(entry.item->name + "." + keys[i].name);
  return keys;
}

}  // namespace vae_dist::base
