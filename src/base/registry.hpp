// Things of which there are several kinds under one name in the configuration (networks,
// likelihoods, optimizers, ...): each is one .cpp that registers itself, and nobody else lists it.
// What an item is called, what it is for and which keys of the configuration are its own is known
// here, without tensors, to the configuration's checks and its documentation. How it is made is
// known to the room that it belongs to.
//
//   struct CapsuleSettings {
//     std::int64_t routings = 3;
//   };
//   const model::RegisteredNetwork registered({{.name = "capsule_vae", .help = "capsules with
//   dynamic routing", .own = base::own_keys<CapsuleSettings>([](base::Section& keys,
//   CapsuleSettings& own) {
//     keys.key("routings", own.routings, "rounds of routing").at_least(1);
//   })}}, make_capsule_vae);
#pragma once

#include <any>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/key.hpp"

namespace vae_dist::base {

/// The settings that an item has for itself: a plain struct with its defaults, and the keys that
/// its fields are read from.
struct OwnKeys {
  std::string
      name;  ///< of the settings; items that name the same share them; empty: the item's name
  std::any defaults;  ///< the struct; empty: the item has no settings
  std::function<void(Section& keys, std::any& settings)> describe;
};

/// `Settings` is copied as the configuration is. `name`: shared by items that have the same keys
/// ("adam" for adam, adamw and adamax).
template <typename Settings>
OwnKeys own_keys(std::function<void(Section& keys, Settings& own)> describe,
                 const std::string& name = "") {
  return {name, Settings(), [describe = std::move(describe)](Section& keys, std::any& settings) {
            describe(keys, std::any_cast<Settings&>(settings));
          }};
}

/// What there is to know of an item without making it.
struct Item {
  std::string name;  ///< as the configuration writes it
  std::string help;  ///< half a line
  OwnKeys own = {};

  const std::string& settings_name() const { return own.name.empty() ? name : own.name; }
};

/// Says which name two files claim, and aborts.
[[noreturn]] void end_of_double_registration(const std::string& name);

/// All items of a kind, in the order of their names. `Described` is an Item with what else is to be
/// known of its kind.
template <typename Described>
class Registry {
 public:
  static Registry& all() {
    static Registry registry;
    return registry;
  }

  /// Called before main() begins, by the objects that register. A second item of the same name ends
  /// the program, which has been put together wrongly.
  void add(Described item) {
    const std::string name = item.name;
    if (!items_.emplace(name, std::move(item)).second) end_of_double_registration(name);
  }

  /// Null: nobody registered it.
  const Described* find(const std::string& name) const {
    const auto found = items_.find(name);
    return found == items_.end() ? nullptr : &found->second;
  }

  /// Throws std::logic_error where nobody registered it.
  const Described& at(const std::string& name) const {
    if (const Described* const found = find(name)) return *found;
    throw std::logic_error("nobody has registered '" + name + "'");
  }

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, item] : items_) out.push_back(name);
    return out;
  }

  std::vector<const Item*> items() const {
    std::vector<const Item*> out;
    for (const auto& [name, item] : items_) out.push_back(&item);
    return out;
  }

  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::map<std::string, Described> items_;
};

/// How the items of a kind are made, by name: beside their descriptions, as only their room knows
/// what a maker takes and gives.
template <typename Make>
std::map<std::string, Make>& makers() {
  static std::map<std::string, Make> all;
  return all;
}

/// A constant of this type in an item's file registers it, with how it is made, in any program that
/// the file is linked into.
template <typename Described, typename Make>
class Registered {
 public:
  Registered(Described described, Make make) {
    makers<Make>()[described.name] = std::move(make);
    Registry<Described>::all().add(std::move(described));
  }
};

/// A configuration's settings of all items of a kind, also of those that it does not name.
class ItemSettings {
 public:
  /// The defaults of all that is registered.
  template <typename Described>
  static ItemSettings defaults_of(const Registry<Described>& registry) {
    ItemSettings out;
    for (const auto& [name, item] : registry)
      if (item.own.defaults.has_value())
        out.settings_.emplace(item.settings_name(), item.own.defaults);
    return out;
  }

  /// By the settings' name. Throws std::out_of_range where there are none, std::bad_any_cast where
  /// they are others.
  template <typename Settings>
  const Settings& get(const std::string& name) const {
    return std::any_cast<const Settings&>(settings_.at(name));
  }
  template <typename Settings>
  Settings& get(const std::string& name) {
    return std::any_cast<Settings&>(settings_.at(name));
  }

  /// Empty where the item has none.
  std::any& of(const Item& item) { return settings_[item.settings_name()]; }
  const std::any& of(const Item& item) const {
    static const std::any none;
    const auto found = settings_.find(item.settings_name());
    return found == settings_.end() ? none : found->second;
  }

 private:
  std::map<std::string, std::any> settings_;
};

/// A key's value that is the name of one registered item, with what the configuration says of each.
template <typename Described>
struct Chosen {
  std::string name;
  ItemSettings own = ItemSettings::defaults_of(Registry<Described>::all());

  /// Throws std::logic_error where nobody registered the name, which the configuration's checks
  /// refuse.
  const Described& item() const { return Registry<Described>::all().at(name); }
  const std::any& settings() const { return own.of(item()); }

  /// The settings of an item of the kind, chosen or not.
  template <typename Settings>
  Settings& settings_of(const std::string& item) {
    return own.template get<Settings>(item);
  }
};

/// Adds the own keys of all items of a registry to the table, each with the items that it counts
/// for: those whose settings it belongs to. `section`: "model"; `chosen`: the value of the key that
/// names one of them (`chosen_key`: "model.name"), which outlives the keys. Items may have keys of
/// one name, each with its own meaning, range and default: that of the chosen item counts. A name
/// that is another key of the section ends the program as a double registration does.
void add_own_keys(std::vector<Key>& keys, const std::string& section, const std::string& chosen_key,
                  const std::string& chosen, const std::vector<const Item*>& items,
                  ItemSettings& settings);

template <typename Described>
void add_own_keys(std::vector<Key>& keys, const std::string& section, const std::string& chosen_key,
                  Chosen<Described>& chosen) {
  add_own_keys(keys, section, chosen_key, chosen.name, Registry<Described>::all().items(),
               chosen.own);
}

/// The own keys of an item, without a prefix, bound to its `settings`, which outlive them.
std::vector<Key> own_keys_of(const Item& item, std::any& settings);

/// A key's value that is a list of registered items, each with keys of its own: [{name: code_l2,
/// weight: 0.001}]. The same item may stand there twice.
class ItemList {
 public:
  struct Entry {
    const Item* item;
    std::any settings;

    template <typename Settings>
    const Settings& get() const {
      return std::any_cast<const Settings&>(settings);
    }
  };

  template <typename Described>
  static ItemList of(const Registry<Described>& registry) {
    ItemList out;
    out.names_ = [&registry] { return registry.names(); };
    out.find_ = [&registry](const std::string& name) -> const Item* { return registry.find(name); };
    return out;
  }

  /// What may stand in the list.
  std::vector<std::string> names() const { return names_ ? names_() : std::vector<std::string>(); }

  /// Adds an item with its defaults. Null: there is none of this name, and nothing is added.
  Entry* add(const std::string& name);
  void clear() { entries_.clear(); }

  const std::vector<Entry>& entries() const { return entries_; }

  /// The own keys of an entry, bound to it: valid while the list is not changed.
  static std::vector<Key> keys_of(Entry& entry);

 private:
  std::function<std::vector<std::string>()> names_;
  std::function<const Item*(const std::string&)> find_;
  std::vector<Entry> entries_;
};

}  // namespace vae_dist::base
