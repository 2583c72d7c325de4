// One entry of data.train.condition: how a dataset that has a row for each sample becomes what a
// conditional model is told about the sample. Each kind is one file that registers itself.
#pragma once

#include <any>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/registered_kinds.hpp"
#include "data/annotation_rows.hpp"

namespace vae_dist::conditions {

/// The key that every kind has.
struct ConditionSettings {
  std::string dataset;
};

/// Adds it to a kind's own keys.
inline void add_dataset_key(base::Section& keys, ConditionSettings& own) {
  keys.key(
      "dataset", own.dataset,
      "path of a dataset with one row for each sample, in the files of the samples (required)");
}

/// What messages say of a dataset's row.
using NameRow = std::function<std::string(std::int64_t row)>;

class Condition {
 public:
  virtual ~Condition() = default;

  virtual std::int64_t columns() const = 0;  ///< of the dataset: 1 for [N], F for [N, F]
  virtual std::int64_t values() const = 0;   ///< numbers that the model is told: this entry's of Y

  /// Turns rows as they are stored, [n, columns()], into what is kept of them, [n, kept()], few
  /// numbers even where values() is large. `name` names row i in messages. Throws BadInput if a row
  /// has no value, or one that training has not seen where it must have.
  virtual std::vector<float> keep(std::span<const double> rows, const NameRow& name) const = 0;
  virtual std::int64_t kept() const = 0;

  /// Expands one kept row, [kept()], to [values()].
  virtual void expand(std::span<const float> kept, std::span<float> out) const = 0;

  /// Returns the row, [columns()], that a user writes as "40", "0.1:0.7" or a class's name. Throws
  /// std::invalid_argument with what it should be.
  virtual std::vector<double> parse(const std::string& written) const = 0;

  /// Says in a phrase what it is: "10 classes".
  virtual std::string description() const = 0;

  /// Returns what restore() needs, without the dataset and the kind.
  virtual nlohmann::json numbers() const = 0;
};

/// Makes a kind of condition.
struct ConditionMaker {
  /// From the training rows, in the order of `name`. Throws BadInput as keep() does, or if the
  /// dataset is none of this kind.
  std::function<std::unique_ptr<Condition>(
      const std::any& own, const data::AnnotationRows<double>& training, const NameRow& name)>
      find;
  /// From what numbers() returned. Throws nlohmann::json::exception.
  std::function<std::unique_ptr<Condition>(const nlohmann::json& numbers)> restore;
  /// Returns the dataset that the settings name.
  std::function<std::string(const std::any& own)> dataset;
};

/// Registers a kind: one constant of this type in its file.
using RegisteredCondition = base::Registered<base::Condition, ConditionMaker>;

}  // namespace vae_dist::conditions
