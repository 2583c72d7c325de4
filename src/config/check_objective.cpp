// Finds objectives that are not well defined.
#include "base/text.hpp"
#include "config/check_config.hpp"
#include "config/words.hpp"

namespace vae_dist::config {
namespace {

std::optional<Contradiction> in_likelihood(const Config& config) {
  const ObjectiveConfig& objective = config.objective;
  const base::LikelihoodTraits likelihood = likelihood_traits(objective);
  const std::string& name = objective.likelihood.name;
  if (likelihood.takes_logits && config.model.output != Output::automatic &&
      config.model.output != Output::identity)
    return Contradiction{
        {"model.output", "objective.likelihood"},
        base::text("model.output is ", word(config.model.output), ", but objective.likelihood ",
                   name, " takes logits; set model.output to auto")};
  if (likelihood.support == base::Support::zero_or_one && config.data.range[0] < 0)
    return Contradiction{{"data.range", "objective.likelihood"},
                         base::text("objective.likelihood is ", name,
                                    ", which needs values in [0, 1]; set data.range to [0, 1]")};
  if (likelihood.support == base::Support::byte_levels && config.data.normalize != Normalize::scale)
    return Contradiction{
        {"objective.likelihood", "data.normalize"},
        base::text("objective.likelihood is ", name,
                   ", which needs the 256 levels of a byte, but data.normalize is ",
                   word(config.data.normalize), "; set it to scale")};
  if (likelihood.support == base::Support::zero_or_one &&
      config.data.normalize == Normalize::standardize)
    return Contradiction{{"objective.likelihood", "data.normalize"},
                         base::text("objective.likelihood is ", name,
                                    ", which needs values in [0, 1], but data.normalize is "
                                    "standardize; set it to scale, none or min_max")};
  const bool binarizes = config.data.binarize != Binarize::none;
  if (likelihood.support == base::Support::byte_levels &&
      (binarizes || config.data.dequantize != Dequantize::none))
    return Contradiction{{"objective.likelihood", binarizes ? "data.binarize" : "data.dequantize"},
                         base::text("objective.likelihood is ", name,
                                    ", which needs the 256 levels of a byte, but data.",
                                    binarizes ? "binarize" : "dequantize",
                                    " does not preserve them; set it to none")};
  if (likelihood.support == base::Support::counts) {
    const auto needs_counts = [&](const std::string& key, const std::string& change) {
      return Contradiction{{"objective.likelihood", key},
                           base::text("objective.likelihood is ", name,
                                      ", which needs counts as they are stored, but ", change)};
    };
    if (binarizes)
      return needs_counts("data.binarize",
                          "data.binarize makes zeros and ones of them; set it to none");
    if (config.data.dequantize != Dequantize::none)
      return needs_counts("data.dequantize", "data.dequantize adds noise to them; set it to none");
    if (config.data.normalize == Normalize::standardize ||
        config.data.normalize == Normalize::min_max ||
        (config.data.normalize == Normalize::none &&
         config.data.transform != std::vector<std::string>{"none"}))
      return needs_counts(
          config.data.normalize == Normalize::none ? "data.transform" : "data.normalize",
          "data.normalize or data.transform changes them; set data.normalize to none and "
          "data.transform to none: data.encoder_transform changes what the encoder alone sees");
    if (config.data.range != std::vector<double>{0, 1})
      return needs_counts("data.range",
                          "data.range scales and shifts them; set it to [0, 1], with a scale of 1");
  }
  if (latent_kind(config.model) == base::LatentKind::none && likelihood.follows_error)
    return Contradiction{
        {"objective.variance", "objective.likelihood", "model.name"},
        base::text(
            "objective.likelihood ", name,
            " with these settings depends on the error of each image's own reconstruction, which ",
            config.model.network.name,
            " does not produce; choose another likelihood or other settings for it (for gaussian, "
            "set objective.variance to fixed, learned, predicted or predicted_shared)")};
  return std::nullopt;
}

std::optional<Contradiction> in_schedules(const ObjectiveConfig& objective) {
  if (objective.beta.schedule == BetaSchedule::linear && !objective.beta.steps)
    return Contradiction{{"objective.beta.steps", "objective.beta.schedule"},
                         "objective.beta.schedule is linear, which needs objective.beta.steps"};
  if (objective.beta.schedule == BetaSchedule::cyclical && !objective.beta.period_steps)
    return Contradiction{
        {"objective.beta.period_steps", "objective.beta.schedule"},
        "objective.beta.schedule is cyclical, which needs objective.beta.period_steps"};
  if (objective.capacity.gamma && (!objective.capacity.max_nats || !objective.capacity.steps))
    return Contradiction{{"objective.capacity.gamma"},
                         "objective.capacity.gamma also needs objective.capacity.max_nats and "
                         "objective.capacity.steps"};
  return std::nullopt;
}

std::optional<Contradiction> in_regularisers(const Config& config) {
  if (latent_kind(config.model) != base::LatentKind::point) return std::nullopt;
  for (const base::ItemList::Entry& entry : config.objective.regularisers.entries())
    if (base::Registry<base::Regulariser>::all().at(entry.item->name).needs_posterior)
      return Contradiction{{"objective.regularisers", "model.name"},
                           base::text("objective.regularisers has ", entry.item->name,
                                      ", which needs a posterior, but ", config.model.network.name,
                                      " encodes each sample as a point; remove it, or choose a "
                                      "variational model")};
  return std::nullopt;
}

std::optional<Contradiction> in_script(const Config& config) {
  if (config.objective.name != ObjectiveName::script) return std::nullopt;
  if (!config.objective.script)
    return Contradiction{{"objective.script", "objective.name"},
                         "objective.name is script, which needs a TorchScript file: set "
                         "objective.script"};
  if (latent_kind(config.model) == base::LatentKind::none)
    return Contradiction{
        {"objective.name", "model.name"},
        base::text("objective.name is script, whose loss is computed of a sample's own code, but ",
                   config.model.network.name,
                   " has no encoder; choose another network, or set objective.name to standard")};
  return std::nullopt;
}

std::optional<Contradiction> in_importance_samples(const ObjectiveConfig& objective) {
  if (objective.importance_samples == 1 || objective.name == ObjectiveName::script)
    return std::nullopt;
  const std::string subject =
      base::text("objective.importance_samples is ", objective.importance_samples,
                 ", which trains the importance-weighted bound in nats; ");
  if (objective.reduction != Reduction::sum)
    return Contradiction{{"objective.importance_samples", "objective.reduction"},
                         subject + "set objective.reduction to sum"};
  if (kld_weight_rule(objective) != KldWeightRule::elbo)
    return Contradiction{{"objective.importance_samples", "objective.kld_weight.rule"},
                         subject + "set objective.kld_weight.rule to elbo"};
  if (objective.beta.schedule != BetaSchedule::constant || objective.beta.value != 1)
    return Contradiction{{"objective.importance_samples", "objective.beta.value"},
                         subject + "this bound has no beta: leave objective.beta at constant 1"};
  if (objective.free_bits > 0)
    return Contradiction{{"objective.importance_samples", "objective.free_bits"},
                         subject + "this bound has no free bits: set objective.free_bits to 0"};
  if (!objective.regularisers.entries().empty())
    return Contradiction{
        {"objective.regularisers", "objective.importance_samples"},
        subject + "this bound has no regularisers: set objective.regularisers to []"};
  if (objective.capacity.gamma)
    return Contradiction{
        {"objective.importance_samples", "objective.capacity.gamma"},
        subject + "this bound has no capacity: set objective.capacity.gamma to null"};
  return std::nullopt;
}

}  // namespace

std::optional<Contradiction> find_contradiction_in_objective(const Config& config) {
  if (auto found = in_likelihood(config)) return found;
  if (auto found = in_schedules(config.objective)) return found;
  if (auto found = in_regularisers(config)) return found;
  if (auto found = in_script(config)) return found;
  return in_importance_samples(config.objective);
}

}  // namespace vae_dist::config
