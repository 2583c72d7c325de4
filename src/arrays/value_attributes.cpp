#include "arrays/value_attributes.hpp"

#include <cmath>

#include "base/error.hpp"

namespace vae_dist::arrays {

ValueAttributes::ValueAttributes(const hdf5::Hdf5Dataset& dataset,
                                 const std::vector<std::string>& names) {
  for (const std::string& name : names) values_[name] = dataset.number_attribute(name);
}

void ValueAttributes::require_same(const hdf5::Hdf5Dataset& other,
                                   const hdf5::Hdf5Dataset& own) const {
  for (const auto& [name, wanted] : values_) {
    const std::optional<double> value = other.number_attribute(name);
    if (value == wanted || (value && wanted && std::isnan(*value) && std::isnan(*wanted))) continue;
    throw base::BadInput(
        base::text("the files do not hold the same kind of images: the attribute `", name, "` is ",
                   wanted ? base::text(*wanted) : "absent", " in ", own.where(), " and ",
                   value ? base::text(*value) : "absent", " in ", other.where()));
  }
}

void ValueAttributes::refuse_packed(const std::string& where) const {
  const double factor = at("scale_factor").value_or(1), offset = at("add_offset").value_or(0);
  if (factor == 1 && offset == 0) return;
  throw base::BadInput(base::text(
      where, " has NetCDF's attributes scale_factor = ", factor, " and add_offset = ", offset,
      ", so its values are stored shifted or scaled; these attributes are not applied "
      "here. Store the actual values, or set data.train.scale to the factor that brings "
      "the stored numbers to [0, 1]"));
}

}  // namespace vae_dist::arrays
