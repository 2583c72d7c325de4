// A registry of the kinds of items that the configuration chooses by name (networks, likelihoods,
// optimizers, ...). Each item is one .cpp file that registers itself; no other file lists it. The
// registry holds what the configuration's checks and documentation need, without tensors: the
// item's name, its purpose and its own configuration keys. The folder that uses the item knows how
// to make it.
//
//   struct CapsuleSettings {
//     std::int64_t routings = 3;
//   };
//   const model::RegisteredNetwork registered(
//       {{.name = "capsule_vae",
//         .help = "capsules with dynamic routing",
//         .own = base::own_keys<CapsuleSettings>([](base::Section& keys, CapsuleSettings& own) {
//           keys.key("routings", own.routings, "rounds of routing").at_least(1);
//         })}},
//       make_capsule_vae);
#pragma once

#include <any>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/key.hpp"

namespace vae_dist::base {

/// The settings that belong to one item: a plain struct with defaults, and the keys that set its
/// fields.
struct OwnKeys {
  std::string
      name;  ///< of the settings; items with the same one share them; empty: the item's name
  std::any defaults;  ///< the struct; empty: the item has no settings
  std::function<void(Section& keys, std::any& settings)> describe;
};

/// Describes the own keys of an item. `Settings` is copied with the configuration. `name`: shared
/// by items that have the same keys ("adam" for adam, adamw and adamax).
template <typename Settings>
OwnKeys own_keys(std::function<void(Section& keys, Settings& own)> describe,
                 const std::string& name = "") {
  return {name, Settings(), [describe = std::move(describe)](Section& keys, std::any& settings) {
            describe(keys, std::any_cast<Settings&>(settings));
          }};
}

/// The description of an item, known without making it.
struct Item {
  std::string name;  ///< as written in the configuration
  std::string help;  ///< a phrase of half a line
  OwnKeys own = {};

  const std::string& settings_name() const { return own.name.empty() ? name : own.name; }
};

/// Prints the name that two files register and aborts.
[[noreturn]] void end_of_double_registration(const std::string& name);

/// All items of a kind, sorted by name. `Described` is an Item with the further properties of its
/// kind.
template <typename Described>
class Registry {
 public:
  static Registry& all() {
    static Registry registry;
    return registry;
  }

  /// Adds an item. The registering objects call it before main() begins. A second item with the
  /// same name is a programming error and ends the program.
  void add(Described item) {
    const std::string name = item.name;
    if (!items_.emplace(name, std::move(item)).second) end_of_double_registration(name);
  }

  /// Returns null if no item has this name.
  const Described* find(const std::string& name) const {
    const auto found = items_.find(name);
    return found == items_.end() ? nullptr : &found->second;
  }

  /// Throws std::logic_error if no item has this name.
  const Described& at(const std::string& name) const {
    if (const Described* const found = find(name)) return *found;
    throw std::logic_error("no item is registered as '" + name + "'");
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

/// The functions that make the items of a kind, by name. They are kept apart from the descriptions
/// because only the folder that uses the items knows their signature.
template <typename Make>
std::map<std::string, Make>& makers() {
  static std::map<std::string, Make> all;
  return all;
}

/// Registers an item and the function that makes it. A constant of this type in the item's file
/// does so in every program that the file is linked into.
template <typename Described, typename Make>
class Registered {
 public:
  Registered(Described described, Make make) {
    makers<Make>()[described.name] = std::move(make);
    Registry<Described>::all().add(std::move(described));
  }
};

/// The settings of all items of a kind, including those that the configuration does not choose.
class ItemSettings {
 public:
  /// Returns the default settings of all registered items.
  template <typename Described>
  static ItemSettings defaults_of(const Registry<Described>& registry) {
    ItemSettings out;
    for (const auto& [name, item] : registry)
      if (item.own.defaults.has_value())
        out.settings_.emplace(item.settings_name(), item.own.defaults);
    return out;
  }

  /// Returns the settings with this name. Throws std::out_of_range if there are none, and
  /// std::bad_any_cast if they have another type.
  template <typename Settings>
  const Settings& get(const std::string& name) const {
    return std::any_cast<const Settings&>(settings_.at(name));
  }
  template <typename Settings>
  Settings& get(const std::string& name) {
    return std::any_cast<Settings&>(settings_.at(name));
  }

  /// Returns an empty value if the item has no settings.
  std::any& of(const Item& item) { return settings_[item.settings_name()]; }
  const std::any& of(const Item& item) const {
    static const std::any none;
    const auto found = settings_.find(item.settings_name());
    return found == settings_.end() ? none : found->second;
  }

 private:
  std::map<std::string, std::any> settings_;
};

/// The value of a key that names one registered item, with the settings of all items of its kind.
template <typename Described>
struct Chosen {
  std::string name;
  ItemSettings own = ItemSettings::defaults_of(Registry<Described>::all());

  /// Throws std::logic_error if the name is not registered. The configuration's checks refuse such
  /// a name.
  const Described& item() const { return Registry<Described>::all().at(name); }
  const std::any& settings() const { return own.of(item()); }

  /// Returns the settings of any item of the kind, chosen or not.
  template <typename Settings>
  Settings& settings_of(const std::string& item) {
    return own.template get<Settings>(item);
  }
};

/// Adds the own keys of all items of a registry to the table. Each key has an effect only for the
/// items that its settings belong to. `section`: "model". `chosen`: the value of the key that names
/// one item (`chosen_key`: "model.name"); it must outlive the keys. Items may have keys with the
/// same name but with their own meaning, range and default: that of the chosen item counts. A key
/// with the same name as another key of the section ends the program, as a double registration
/// does.
void add_own_keys(std::vector<Key>& keys, const std::string& section, const std::string& chosen_key,
                  const std::string& chosen, const std::vector<const Item*>& items,
                  ItemSettings& settings);

template <typename Described>
void add_own_keys(std::vector<Key>& keys, const std::string& section, const std::string& chosen_key,
                  Chosen<Described>& chosen) {
  add_own_keys(keys, section, chosen_key, chosen.name, Registry<Described>::all().items(),
               chosen.own);
}

/// Returns the own keys of an item, without a prefix and bound to `settings`, which must outlive
/// them.
std::vector<Key> own_keys_of(const Item& item, std::any& settings);

/// The value of a key that is a list of registered items, each with its own keys: [{name: code_l2,
/// weight: 0.001}]. The same item may occur twice.
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

  /// Returns the names that the list accepts.
  std::vector<std::string> names() const { return names_ ? names_() : std::vector<std::string>(); }

  /// Adds an item with its defaults. Returns null and adds nothing if there is no item of this
  /// name.
  Entry* add(const std::string& name);
  void clear() { entries_.clear(); }

  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry>& entries() { return entries_; }

  /// Returns the own keys of an entry, bound to it. They are valid until the list changes.
  static std::vector<Key> keys_of(Entry& entry);

 private:
  std::function<std::vector<std::string>()> names_;
  std::function<const Item*(const std::string&)> find_;
  std::vector<Entry> entries_;
};

}  // namespace vae_dist::base
