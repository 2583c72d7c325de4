// All conditions of a run: what its model is told about each sample beside the sample's values, in
// the order of data.train.condition.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/registry.hpp"
#include "conditions/condition.hpp"
#include "data/sample_conditions.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist::conditions {

class Conditions {
 public:
  /// None.
  Conditions() = default;

  /// Finds what the listed conditions need to know of the training samples: classes, mean and
  /// deviation. Throws BadInput, naming the file, the dataset and the row.
  static Conditions find(const base::ItemList& listed, const data::SampleDataset& training);

  /// Returns them as a line of JSON, which parse() reads back to the same bits; empty if there are
  /// none.
  std::string text() const;
  /// Throws std::invalid_argument if `text` is not what text() returns.
  static Conditions parse(const std::string& text);

  std::int64_t values() const;  ///< Y, over all conditions
  bool empty() const { return entries_.empty(); }
  /// Returns the names, each with its description: "incident_energies (a number), labels (10
  /// classes)".
  std::string description() const;

  /// Reads the conditions of these samples. Throws BadInput, naming the file, the dataset and the
  /// row.
  std::shared_ptr<const data::SampleConditions> of_samples(
      const data::SampleDataset& samples) const;

  /// Returns the condition, [values()], that a user writes: "incident_energies=40,labels=cat". A
  /// condition is called by its dataset's path or the last part of it; numbers of a row are
  /// separated by colons. Throws BadInput if one is missing, unknown or written twice.
  std::vector<float> written(const std::string& text) const;

 private:
  struct Entry {
    std::string kind, dataset;
    std::shared_ptr<const Condition> condition;
  };
  class Table;

  std::vector<Entry> entries_;
};

}  // namespace vae_dist::conditions
