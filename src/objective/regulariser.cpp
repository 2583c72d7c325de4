#include "objective/regulariser.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "base/text.hpp"

namespace vae_dist::objective {
namespace {

enum class WeightSchedule { constant, linear };

struct Weighted {
  double weight = 1;
  WeightSchedule schedule = WeightSchedule::constant;
  std::int64_t steps = 1000;
  std::any own;
};

}  // namespace

LatentRows LatentRows::narrow(std::int64_t first, std::int64_t count) const {
  const auto part = [&](const at::Tensor& rows) {
    return rows.defined() ? rows.narrow(0, first, count) : at::Tensor();
  };
  return {{part(posterior.mu), part(posterior.log_var)}, part(z), part(prior), part(quantized)};
}

at::Tensor Regulariser::of(const LatentRows& rows) const {
  if (const auto* const mean = std::get_if<MeanOverSamples>(&value))
    return (*mean)(rows.posterior, rows.z).view(1);
  if (const auto* const mean = std::get_if<MeanOverRows>(&value)) return (*mean)(rows).view(1);
  if (const auto* const function = std::get_if<FunctionOfMeans>(&value))
    return checked(function->values(function->means(rows)));
  return checked(std::get<SumOverPairs>(value).part(rows, 0, rows.z.size(0)));
}

at::Tensor Regulariser::checked(at::Tensor values) const {
  if (values.numel() != static_cast<std::int64_t>(terms.size()))
    throw std::logic_error(base::text("the regulariser ", terms.front().name, " has ",
                                      values.numel(), " values, but ", terms.size(),
                                      " terms: its maker names the further ones"));
  return values;
}

std::vector<RegulariserTerm> evaluated_terms(const std::vector<Regulariser>& regularisers) {
  std::vector<RegulariserTerm> out;
  for (const Regulariser& each : regularisers)
    if (!each.critic()) out.insert(out.end(), each.terms.begin(), each.terms.end());
  return out;
}

CriticBatch critic_batch(const at::Tensor& z, const at::Tensor& prior) {
  const at::NoGradGuard no_grad;
  const std::int64_t batch = z.size(0), half = batch / 2;
  CriticBatch out{
      z.detach().clone(), at::zeros({batch}, z.options()),
      at::full({batch}, 0.5 * static_cast<double>(batch) / static_cast<double>(half), z.options())};
  out.z.narrow(0, half, half)
      .copy_(z.narrow(0, half, half)
                 .gather(0, prior.narrow(0, half, half)
                                .argsort(/*stable=*/true, 0, /*descending=*/false)));
  out.is_permuted.narrow(0, half, half).fill_(1);
  if (2 * half < batch) out.weight.narrow(0, 2 * half, batch - 2 * half).zero_();
  return out;
}

bool Regulariser::uses_prior() const {
  if (critic()) return true;
  const auto* const pairs = std::get_if<SumOverPairs>(&value);
  return pairs && pairs->uses_prior;
}

double Regulariser::ramp(std::int64_t step) const {
  if (ramp_steps == 0) return 1;
  return std::min(1.0, static_cast<double>(step) / static_cast<double>(ramp_steps));
}

RegisteredRegulariser::RegisteredRegulariser(base::Regulariser described, MakeRegulariser make) {
  const auto describe_own = described.own.describe;
  Weighted defaults;
  defaults.own = described.own.defaults;
  described.own.defaults = defaults;
  const bool in_nats = described.in_nats;
  described.own.describe = [describe_own, in_nats](base::Section& keys, std::any& settings) {
    auto& weighted = std::any_cast<Weighted&>(settings);
    keys.key("weight", weighted.weight,
             in_nats ? "factor beside a bound in nats (times M_N under reduction mean)"
                     : "factor in the loss")
        .at_least(0);
    keys.choice("schedule", weighted.schedule,
                {{"constant", WeightSchedule::constant}, {"linear", WeightSchedule::linear}},
                "linear: from 0 over `steps` steps");
    keys.key("steps", weighted.steps, "of schedule linear")
        .at_least(1)
        .counts_when("its schedule is linear",
                     [&weighted] { return weighted.schedule == WeightSchedule::linear; });
    if (weighted.own.has_value()) describe_own(keys, weighted.own);
  };
  base::Registered<base::Regulariser, MakeRegulariser>(std::move(described), std::move(make));
}

std::vector<Regulariser> make_regularisers(const base::ItemList& listed,
                                           std::int64_t training_samples) {
  std::vector<Regulariser> out;
  std::map<std::string, int> seen;
  for (const base::ItemList::Entry& entry : listed.entries()) {
    const std::string& name = entry.item->name;
    const int count = ++seen[name];
    const auto& settings = entry.get<Weighted>();
    MadeRegulariser made =
        base::makers<MakeRegulariser>().at(name)({settings.own, settings.weight, training_samples});
    const base::Regulariser& described = base::Registry<base::Regulariser>::all().at(name);
    Regulariser regulariser{{{name, settings.weight}},
                            std::move(made.value),
                            settings.schedule == WeightSchedule::linear ? settings.steps : 0,
                            described.in_nats,
                            described.estimates_total_correlation};
    regulariser.terms.insert(regulariser.terms.end(), made.further.begin(), made.further.end());
    if (count > 1)
      for (RegulariserTerm& term : regulariser.terms) term.name += "_" + std::to_string(count);
    out.push_back(std::move(regulariser));
  }
  return out;
}

}  // namespace vae_dist::objective
