// How the key table is written: one call a key, in sections. Used by the keys_*.cpp files only.
//
//   Section optimizer(keys, "train.optimizer");
//   optimizer.key("learning_rate", train.optimizer.learning_rate, "step size").at_least(0);
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "config/key_table.hpp"

namespace vae_dist::config {

/// One row of the table while it is being written.
class Row {
 public:
  explicit Row(Key& key) : key_(key) {}

  Row& one_of(std::vector<std::string> choices) { return key_.choices = std::move(choices), *this; }
  Row& at_least(double least) { return key_.least = least, *this; }
  Row& above(double least) { return key_.least = least, key_.least_excluded = true, *this; }
  Row& at_most(double most) { return key_.most = most, *this; }
  Row& below(double most) { return key_.most = most, key_.most_excluded = true, *this; }
  Row& of_any_size() { return key_.any_size = true, *this; }
  Row& entries(std::size_t count) { return key_.length = count, *this; }
  Row& empty_is(std::string word) { return key_.empty_word = std::move(word), *this; }
  Row& required() { return key_.required = true, *this; }
  Row& may_change() { return key_.may_change_on_resume = true, *this; }
  Row& counts_when(std::string words, std::function<bool()> condition) {
    return key_.counts_when = std::move(words), key_.counts = std::move(condition), *this;
  }

 private:
  Key& key_;
};

/// Adds keys under a dotted prefix.
class Section {
 public:
  Section(std::vector<Key>& keys, const std::string& prefix) : keys_(keys), prefix_(prefix + ".") {}

  template <typename Value>
  Row key(const std::string& name, Value& value, const std::string& meaning) {
    constexpr bool optional = requires { value.has_value(); };
    return add(name, Slot(&value), meaning, optional ? "null" : "");
  }

 private:
  Row add(const std::string& name, Slot slot, const std::string& meaning, const std::string& empty_word);

  std::vector<Key>& keys_;
  std::string prefix_;
};

void add_run_keys(std::vector<Key>& keys, RunConfig& run);
void add_model_keys(std::vector<Key>& keys, ModelConfig& model);
void add_objective_keys(std::vector<Key>& keys, Config& config);
void add_data_keys(std::vector<Key>& keys, DataConfig& data);
void add_train_keys(std::vector<Key>& keys, Config& config);
void add_distributed_keys(std::vector<Key>& keys, DistributedConfig& distributed);
void add_outcome_keys(std::vector<Key>& keys, Config& config);

}  // namespace vae_dist::config
