#include "objective/regulariser.hpp"

#include <map>

namespace vae_dist::objective {
namespace {

struct Weighted {
  double weight = 1;
  std::any own;
};

}  // namespace

RegisteredRegulariser::RegisteredRegulariser(base::Regulariser described, MakeRegulariser make) {
  const auto describe_own = described.own.describe;
  described.own.defaults = Weighted{1, described.own.defaults};
  described.own.describe = [describe_own](base::Section& keys, std::any& settings) {
    auto& weighted = std::any_cast<Weighted&>(settings);
    keys.key("weight", weighted.weight, "factor of this term in the loss").at_least(0);
    if (weighted.own.has_value()) describe_own(keys, weighted.own);
  };
  base::Registered<base::Regulariser, MakeRegulariser>(std::move(described), std::move(make));
}

std::vector<Regulariser> make_regularisers(const base::ItemList& listed) {
  std::vector<Regulariser> out;
  std::map<std::string, int> seen;
  for (const base::ItemList::Entry& entry : listed.entries()) {
    const std::string& name = entry.item->name;
    const int count = ++seen[name];
    const auto& settings = entry.get<Weighted>();
    out.push_back({count == 1 ? name : name + "_" + std::to_string(count), settings.weight,
                   base::makers<MakeRegulariser>().at(name)(settings.own)});
  }
  return out;
}

}  // namespace vae_dist::objective
