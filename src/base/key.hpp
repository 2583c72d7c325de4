// Describes the keys of the configuration, one call per key. Registered items (registry.hpp)
// describe their own keys this way, and config/key_table.hpp describes all others.
//
//   Section optimizer(keys, "train.optimizer");
//   optimizer.key("learning_rate", train.optimizer.learning_rate, "step size").at_least(0);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace vae_dist::base {

class ItemList;

/// The word that the configuration uses for each value of an enum, in the order of the
/// documentation.
template <typename Value>
using Words = std::vector<std::pair<std::string, Value>>;

/// A value with a fixed set of alternatives, each of which the configuration writes as a word. It
/// is usually an enum.
class Choice {
 public:
  virtual ~Choice() = default;
  virtual std::vector<std::string> words() const = 0;
  virtual std::string word() const = 0;  ///< of the current value

  /// Returns false and changes nothing if there is no such word.
  virtual bool choose(const std::string& word) = 0;
};

template <typename Value>
class ChoiceOf : public Choice {
 public:
  ChoiceOf(Value& value, Words<Value> words) : value_(value), words_(std::move(words)) {}

  std::vector<std::string> words() const override {
    std::vector<std::string> out;
    for (const auto& [word, value] : words_) out.push_back(word);
    return out;
  }
  std::string word() const override {
    for (const auto& [word, value] : words_)
      if (value == value_) return word;
    return "";
  }
  bool choose(const std::string& wanted) override {
    for (const auto& [word, value] : words_) {
      if (word != wanted) continue;
      value_ = value;
      return true;
    }
    return false;
  }

 private:
  Value& value_;
  Words<Value> words_;
};

/// Points to a key's value. The alternative determines the key's type.
using Slot = std::variant<bool*, std::int64_t*, double*, std::string*, std::optional<bool>*,
                          std::optional<std::int64_t>*, std::optional<double>*,
                          std::optional<std::string>*, std::vector<std::int64_t>*,
                          std::vector<double>*, std::vector<std::string>*, Choice*, ItemList*>;

/// What the texts of a key name.
enum class Named { nothing_on_disk, file, folder };

struct Key {
  std::string name;  ///< dotted: "train.global_batch"
  Slot slot;
  std::shared_ptr<Choice> choice;    ///< owns what `slot` points to if `slot` holds a Choice
  std::string meaning;               ///< one line: unit, effect
  std::vector<std::string> choices;  ///< allowed values as YAML text; empty: any value of the type
  std::vector<std::string>
      entry_choices;  ///< texts that the entries of a list are chosen from; empty: any
  std::optional<double> least, most;
  bool least_excluded = false;  ///< the range is open at `least`
  bool most_excluded = false;   ///< the range is open at `most`
  bool any_size =
      false;  ///< exempt from the general size limits: the number is an identifier, not a count
  std::string empty_word;  ///< text of an empty optional or list ("null", "auto", "[]"); "": it may
                           ///< not be empty
  std::size_t length = 0;  ///< required number of list entries; 0: any number
  bool required = false;   ///< every run must set it
  Named named = Named::nothing_on_disk;  ///< a leading ~ of a file or folder is expanded, and
                                         ///< shells complete it
  bool may_change_on_resume = false;
  std::string default_text;    ///< the default as the configuration writes it
  std::string for_older_runs;  ///< value, as text, for runs that were started before this key
                               ///< existed; empty: the key is as old as any run
  /// The condition under which the key has any effect; empty: it always has one. It reads the bound
  /// values, and `counts_when` says it in words. Setting a key that has no effect is an error.
  std::function<bool()> counts;
  std::string counts_when;
  /// The key belongs to the settings of registered items: the key that chooses among them
  /// ("model.name"), and the names of those that have it. Empty: it belongs to no item.
  std::string chosen_by;
  std::vector<std::string> owners;
};

/// Returns whether the key has any effect under the other keys' values.
inline bool counts(const Key& key) { return !key.counts || key.counts(); }

/// Fills in one key of the table.
class Row {
 public:
  explicit Row(Key& key) : key_(key) {}

  Row& one_of(std::vector<std::string> choices) { return key_.choices = std::move(choices), *this; }
  /// For a list of texts.
  Row& each_of(std::vector<std::string> choices) {
    return key_.entry_choices = std::move(choices), *this;
  }
  Row& at_least(double least) { return key_.least = least, *this; }
  Row& above(double least) { return key_.least = least, key_.least_excluded = true, *this; }
  Row& at_most(double most) { return key_.most = most, *this; }
  Row& below(double most) { return key_.most = most, key_.most_excluded = true, *this; }
  Row& of_any_size() { return key_.any_size = true, *this; }
  Row& entries(std::size_t count) { return key_.length = count, *this; }
  Row& empty_is(std::string word) { return key_.empty_word = std::move(word), *this; }
  Row& is_file() { return key_.named = Named::file, *this; }
  Row& is_folder() { return key_.named = Named::folder, *this; }
  Row& required() { return key_.required = true, *this; }
  Row& may_change() { return key_.may_change_on_resume = true, *this; }
  Row& for_older_runs(std::string text) { return key_.for_older_runs = std::move(text), *this; }
  Row& counts_when(std::string words, std::function<bool()> condition) {
    return key_.counts_when = std::move(words), key_.counts = std::move(condition), *this;
  }

 private:
  Key& key_;
};

/// Adds keys under a dotted prefix.
class Section {
 public:
  /// `prefix`: "train.optimizer"; empty: the keys have no prefix.
  Section(std::vector<Key>& keys, const std::string& prefix)
      : keys_(keys), prefix_(prefix.empty() ? "" : prefix + ".") {}

  /// `value` must outlive the keys.
  template <typename Value>
  Row key(const std::string& name, Value& value, const std::string& meaning) {
    constexpr bool optional = requires { value.has_value(); };
    Key key;
    key.name = prefix_ + name;
    key.slot = Slot(&value);
    key.meaning = meaning;
    key.empty_word = optional ? "null" : "";
    keys_.push_back(std::move(key));
    return Row(keys_.back());
  }

  /// Adds a key whose value has a fixed set of alternatives: keys.choice("reduction",
  /// objective.reduction, {{"mean", Reduction::mean}, {"sum", Reduction::sum}}, "...").
  template <typename Value>
  Row choice(const std::string& name, Value& value, std::type_identity_t<Words<Value>> words,
             const std::string& meaning) {
    Key key;
    key.name = prefix_ + name;
    key.choice = std::make_shared<ChoiceOf<Value>>(value, std::move(words));
    key.slot = Slot(key.choice.get());
    key.choices = key.choice->words();
    key.meaning = meaning;
    keys_.push_back(std::move(key));
    return Row(keys_.back());
  }

 private:
  std::vector<Key>& keys_;
  std::string prefix_;
};

}  // namespace vae_dist::base
