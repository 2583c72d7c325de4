// Numbers that define the meaning of a dataset's stored values: some of its attributes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hdf5/dataset.hpp"

namespace vae_dist::arrays {

class ValueAttributes {
 public:
  ValueAttributes(const hdf5::Hdf5Dataset& dataset, const std::vector<std::string>& names);

  /// Returns the number of this name, one of those given; empty if the dataset has none.
  std::optional<double> at(const std::string& name) const { return values_.at(name); }

  /// Throws BadInput if `other` differs in one of them from `own`, the dataset that these are of:
  /// its values would mean something else.
  void require_same(const hdf5::Hdf5Dataset& other, const hdf5::Hdf5Dataset& own) const;

  /// Throws BadInput for values that NetCDF packed: value = stored * scale_factor + add_offset.
  /// `where` names the dataset.
  void refuse_packed(const std::string& where) const;

 private:
  std::map<std::string, std::optional<double>> values_;
};

}  // namespace vae_dist::arrays
