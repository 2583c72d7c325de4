// The keys of run, model and objective: what is trained.
#include "config/key_rows.hpp"
#include "config/key_table.hpp"
#include "config/scalar_text.hpp"

namespace vae_dist::config {
namespace {

// Null: there is no such network, which the reader refuses.
const base::Network* described(const ModelConfig& model) {
  return base::Registry<base::Network>::all().find(model.network.name);
}

}  // namespace

base::LatentKind latent_kind(const ModelConfig& model) {
  const base::Network* const network = described(model);
  const base::LatentKind kind =
      network ? network->latent_under(model.network.own.of(*network))
              : base::LatentKind::posterior;  // the reader rejects unregistered names
  const bool is_quantized =
      model.codes.kind == CodesKind::vector_quantized && kind != base::LatentKind::none;
  return is_quantized ? base::LatentKind::point : kind;
}

bool has_foreign_layers(const ModelConfig& model) {
  const base::Network* const network = described(model);
  return network && network->foreign_layers;
}

bool has_blocks(const ModelConfig& model) {
  const base::Network* const network = described(model);
  return network && network->has_blocks;
}

std::string networks_where(const std::function<bool(const base::Network&)>& condition) {
  std::vector<std::string> names;
  for (const auto& [name, network] : base::Registry<base::Network>::all())
    if (condition(network)) names.push_back(name);
  return joined(names, " or ");
}

base::LikelihoodTraits likelihood_traits(const ObjectiveConfig& objective) {
  const base::Likelihood* const likelihood =
      base::Registry<base::Likelihood>::all().find(objective.likelihood.name);
  return likelihood ? likelihood->traits_of(objective.likelihood.own.of(*likelihood))
                    : base::LikelihoodTraits();
}

KldWeightRule kld_weight_rule(const ObjectiveConfig& objective) {
  if (objective.kld_weight.rule != KldWeightRule::automatic) return objective.kld_weight.rule;
  const bool seeds_own =
      likelihood_traits(objective).fixed_sigma && objective.reduction == Reduction::mean;
  return seeds_own ? KldWeightRule::reference : KldWeightRule::elbo;
}

namespace {

// Lists the registered items and their help texts: "gaussian: a normal distribution; ..."
template <typename Described>
std::string registered_items_help() {
  std::vector<std::string> known;
  for (const auto& [name, item] : base::Registry<Described>::all())
    known.push_back(name + ": " + item.help);
  return joined(known, "; ");
}

}  // namespace

std::string items_help(const std::vector<const base::Item*>& items) {
  std::vector<std::string> known;
  for (const base::Item* const item : items) {
    base::ItemList::Entry entry{item, item->own.defaults};
    std::vector<std::string> keys;
    for (const base::Key& key : base::ItemList::keys_of(entry))
      keys.push_back(key.name + " (default " + value_text(key) + "): " + key.meaning);
    known.push_back(item->name + ": " + item->help + "; keys: " + joined(keys, "; "));
  }
  return joined(known, "; ");
}

void add_run_keys(std::vector<base::Key>& keys, RunConfig& run) {
  base::Section section(keys, "run");
  section.key("name", run.name, "the run directory is <directory>/<name>").required().may_change();
  section.key("directory", run.directory, "parent folder of run directories")
      .is_folder()
      .may_change();
  section
      .key("seed", run.seed,
           "seed of everything random: weights, sample order, noise, augmentation")
      .at_least(0)
      .of_any_size();
}

void add_model_keys(std::vector<base::Key>& keys, ModelConfig& model) {
  base::Section section(keys, "model");
  section
      .key("name", model.network.name, "the network; image size and channels come from the dataset")
      .one_of(base::Registry<base::Network>::all().names());
  const auto builds_layers = [&model] { return !has_foreign_layers(model); };
  const std::string own_layers = "the layers of model.name are built by the program";
  section.key("latent_dim", model.latent_dim, "latent dimensions").at_least(1).at_most(1 << 20);
  section
      .key("hidden_dims", model.hidden_dims,
           "one entry per level: number of channels (for mlp_vae: units; [] is the linear VAE)")
      .empty_is("[]")
      .at_least(1)
      .at_most(1 << 20)
      .counts_when(own_layers, builds_layers);
  section
      .choice("activation", model.activation, words_of(model.activation),
              "nonlinearity after each hidden level")
      .counts_when(own_layers, builds_layers);
  section
      .choice("output", model.output, words_of(model.output),
              "nonlinearity of the decoder's output; auto: identity unless data.normalize is "
              "scale; else sigmoid for data.range [0, 1], tanh "
              "for [-1, 1], identity for logits")
      .counts_when(own_layers, builds_layers);
  section
      .choice("cancelled_bias", model.cancelled_bias, words_of(model.cancelled_bias),
              "a convolution's bias whose effect batch norm subtracts again (vanilla_vae, "
              "autoencoder, decoder_only). skip: training steps leave it out and count it in the "
              "running mean; add: they compute it")
      .for_older_runs("add")
      .counts_when(own_layers, builds_layers);
  base::add_own_keys(keys, "model", "model.name", model.network);

  CodesConfig& codes = model.codes;
  base::Section section_of_codes(keys, "model.codes");
  section_of_codes
      .choice("kind", codes.kind, words_of(codes.kind),
              "continuous: the latent is what model.name says; vector_quantized: its vectors are "
              "replaced by the nearest ones of a codebook (VQ-VAE), and there is no KL")
      .for_older_runs("continuous")
      .counts_when("model.name has an encoder",
                   [&model] { return latent_kind(model) != base::LatentKind::none; });
  const auto is_quantized = [&codes] { return codes.kind == CodesKind::vector_quantized; };
  const std::string quantized = "model.codes.kind is vector_quantized";
  section_of_codes.key("size", codes.size, "K, the number of codes")
      .at_least(2)
      .at_most(1 << 20)
      .counts_when(quantized, is_quantized);
  section_of_codes
      .key("groups", codes.groups,
           "vectors into which the latent_dim values of a position are cut: a flat latent has one "
           "position, a spatial one (model.latent) many. All use the same codes")
      .at_least(1)
      .at_most(1 << 20)
      .counts_when(quantized, is_quantized);
  section_of_codes
      .key("commitment", codes.commitment,
           "weight of the squared distance of the encoder's output to its codes, per latent value "
           "(reduction mean) or per sample (sum)")
      .at_least(0)
      .counts_when(quantized, is_quantized);
  section_of_codes
      .key("decay", codes.decay,
           "of the moving average by which a code follows the vectors nearest to it")
      .at_least(0)
      .below(1)
      .counts_when(quantized, is_quantized);
  section_of_codes
      .key("restart_after", codes.restart_after,
           "steps after which a code that no vector used becomes a vector of the global batch, and "
           "at the first step; null: never")
      .empty_is("null")
      .at_least(1)
      .counts_when(quantized, is_quantized);
}

void add_objective_keys(std::vector<base::Key>& keys, Config& config) {
  ObjectiveConfig& objective = config.objective;
  // An autoencoder and a decoder alone have no posterior, so keys of the KL term do not apply to
  // them.
  const auto has_posterior = [&config] {
    return latent_kind(config.model) == base::LatentKind::posterior;
  };
  const auto is_standard = [&objective] { return objective.name == ObjectiveName::standard; };
  const auto has_bound = [has_posterior, is_standard] { return has_posterior() && is_standard(); };
  const auto weighs_kld = [has_posterior, has_bound, &objective] {
    return has_posterior() && !(has_bound() && objective.capacity.gamma);
  };
  const std::string vaes = "model.name is a VAE and objective.name is standard";
  const std::string weighted = "model.name is a VAE and objective.capacity.gamma is null";
  base::Section section(keys, "objective");
  section
      .choice("name", objective.name, words_of(objective.name),
              "standard: reconstruction + M_N * beta * KL and what the other keys make of it; "
              "script: a loss of your own from Python, saved as TorchScript")
      .for_older_runs("standard");
  section
      .key("script", objective.script,
           "TorchScript file whose method loss (or forward) maps x [B, C, space...], the network's "
           "outputs and the step's weights (both Dict[str, Tensor]) to Dict[str, Tensor]: named "
           "scalars, of which the first is minimised (src/objective/README.md)")
      .is_file()
      .empty_is("null")
      .may_change()
      .counts_when("objective.name is script", [is_standard] { return !is_standard(); });
  section
      .key("likelihood", objective.likelihood.name,
           "p(x|z). " + registered_items_help<base::Likelihood>())
      .one_of(base::Registry<base::Likelihood>::all().names());
  base::add_own_keys(keys, "objective", "objective.likelihood", objective.likelihood);
  section.choice("reduction", objective.reduction, words_of(objective.reduction),
                 "mean: mean squared error over batch and pixels, as in PyTorch-VAE; sum: sum over "
                 "pixels and mean over the batch, with all constants (nats)");
  section
      .choice(
          "scope", objective.scope, words_of(objective.scope),
          "which batch free bits, the capacity, variance optimal and regularisers see where they "
          "are no sum over samples. global: the global batch, at any number of ranks; replica: "
          "each replica its own, which is another objective")
      .for_older_runs("replica")
      .counts_when("model.name has an encoder",
                   [&config] { return latent_kind(config.model) != base::LatentKind::none; });

  KldWeightConfig& kld_weight = objective.kld_weight;
  base::Section weight(keys, "objective.kld_weight");
  weight
      .choice(
          "rule", kld_weight.rule, words_of(kld_weight.rule),
          "how M_N, the weight of the KL divergence, is computed. reference: weight * global_batch "
          "/ batch; batch_over_dataset: global_batch / training samples; fixed: weight; elbo, the "
          "exact bound: 1 with reduction sum, 1 / (C*H*W) with reduction mean; auto: reference for "
          "a gaussian with fixed variance and reduction mean, else elbo")
      .counts_when(weighted, weighs_kld);
  weight
      .key("weight", kld_weight.weight,
           "reference: the weight tuned for `batch` (default: PyTorch-VAE's current); fixed: M_N")
      .at_least(0)
      .counts_when("objective.kld_weight.rule is reference or fixed", [&objective, weighs_kld] {
        const KldWeightRule rule = kld_weight_rule(objective);
        return weighs_kld() && (rule == KldWeightRule::reference || rule == KldWeightRule::fixed);
      });
  weight.key("batch", kld_weight.batch, "reference: the batch size for which `weight` was tuned")
      .at_least(1)
      .counts_when("objective.kld_weight.rule is reference", [&objective, weighs_kld] {
        return weighs_kld() && kld_weight_rule(objective) == KldWeightRule::reference;
      });

  BetaConfig& beta = objective.beta;
  const auto when = [&beta, weighs_kld](BetaSchedule one, BetaSchedule other) {
    return [&beta, weighs_kld, one, other] {
      return weighs_kld() && (beta.schedule == one || beta.schedule == other);
    };
  };
  const std::string ramps = "objective.beta.schedule is linear or cyclical";
  base::Section betas(keys, "objective.beta");
  betas
      .choice("schedule", beta.schedule, words_of(beta.schedule),
              "how beta in M_N * beta * KL changes over the steps")
      .counts_when(weighted, weighs_kld);
  betas.key("value", beta.value, "constant: the value of beta")
      .at_least(0)
      .counts_when("objective.beta.schedule is constant",
                   when(BetaSchedule::constant, BetaSchedule::constant));
  betas.key("from", beta.from, "linear, cyclical: beta at the start")
      .at_least(0)
      .counts_when(ramps, when(BetaSchedule::linear, BetaSchedule::cyclical));
  betas.key("to", beta.to, "linear, cyclical: beta at the end")
      .at_least(0)
      .counts_when(ramps, when(BetaSchedule::linear, BetaSchedule::cyclical));
  betas.key("steps", beta.steps, "linear: number of steps from `from` to `to`")
      .at_least(1)
      .counts_when("objective.beta.schedule is linear",
                   when(BetaSchedule::linear, BetaSchedule::linear));
  betas.key("period_steps", beta.period_steps, "cyclical: number of steps per cycle")
      .at_least(1)
      .counts_when("objective.beta.schedule is cyclical",
                   when(BetaSchedule::cyclical, BetaSchedule::cyclical));
  betas.key("ratio", beta.ratio, "cyclical: fraction of a cycle during which beta rises")
      .above(0)
      .at_most(1)
      .counts_when("objective.beta.schedule is cyclical",
                   when(BetaSchedule::cyclical, BetaSchedule::cyclical));

  section
      .key("free_bits", objective.free_bits,
           "nats: the KL of each latent dimension counts as max(this, its mean over the batch)")
      .at_least(0)
      .counts_when(
          "model.name is a VAE, objective.name is standard and objective.capacity.gamma "
          "is null",
          [weighs_kld, is_standard] { return weighs_kld() && is_standard(); });
  const auto has_capacity = [has_bound, &objective] {
    return has_bound() && objective.capacity.gamma.has_value();
  };
  base::Section capacity(keys, "objective.capacity");
  capacity
      .key("gamma", objective.capacity.gamma,
           "if set, gamma * |KL - C(step)| replaces M_N * beta * KL")
      .above(0)
      .counts_when(vaes, has_bound);
  capacity.key("max_nats", objective.capacity.max_nats, "final value of C, in nats")
      .at_least(0)
      .counts_when("objective.capacity.gamma is set", has_capacity);
  capacity.key("steps", objective.capacity.steps, "steps over which C rises from 0 to max_nats")
      .at_least(1)
      .counts_when("objective.capacity.gamma is set", has_capacity);
  section
      .key("importance_samples", objective.importance_samples,
           "K > 1 trains the importance-weighted bound (needs reduction sum and rule elbo)")
      .at_least(1)
      .at_most(1 << 20)
      .counts_when(vaes, has_bound);
  section
      .key("regularisers", objective.regularisers,
           "regularisers of the latent code: a list of {name: ..., weight: ..., schedule: ..., "
           "...}. Available: " +
               items_help(base::Registry<base::Regulariser>::all().items()))
      .empty_is("[]")
      .for_older_runs("[]")
      .counts_when("model.name has an encoder",
                   [&config] { return latent_kind(config.model) != base::LatentKind::none; });
  section
      .key("prior_samples", objective.prior_samples,
           "decoder_only: number of prior samples that estimate the marginal likelihood; all "
           "images of a replica share them")
      .at_least(1)
      .at_most(1 << 20)
      .counts_when("model.name is " + networks_where([](const base::Network& network) {
                     return network.latent == base::LatentKind::none;
                   }),
                   [&config] { return latent_kind(config.model) == base::LatentKind::none; });
}

}  // namespace vae_dist::config
