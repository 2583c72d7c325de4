// The keys of run, model and objective: what is trained.
#include "config/key_rows.hpp"
#include "config/key_table.hpp"
#include "config/kld_weight_rule.hpp"
#include "config/scalar_text.hpp"

namespace vae_dist::config {

base::LatentKind latent_kind(const ModelConfig& model) {
  const base::Network* const network = base::Registry<base::Network>::all().find(model.name);
  return network ? network->latent : base::LatentKind::posterior;  // a name that nobody registered is refused where it is read
}

namespace {

// "decoder_only"
std::string networks_with(base::LatentKind latent) {
  std::vector<std::string> names;
  for (const auto& [name, network] : base::Registry<base::Network>::all())
    if (network.latent == latent) names.push_back(name);
  return joined(names, " or ");
}

// "[{name: code_l2, weight: 1}], where code_l2 is half the squared norm of the code": each with the defaults of its keys.
std::string regularisers_there_are() {
  std::vector<std::string> known;
  for (const auto& [name, item] : base::Registry<base::Regulariser>::all()) {
    base::ItemList::Entry entry{&item, item.own.defaults};
    std::vector<std::string> keys;
    for (const base::Key& key : base::ItemList::keys_of(entry)) keys.push_back(key.name + " (" + value_text(key) + "): " + key.meaning);
    known.push_back(name + ", " + item.help + ", with " + joined(keys, "; "));
  }
  return "a list of {name: ..., weight: ...}; there is " + joined(known, "; and ");
}

}  // namespace

void add_run_keys(std::vector<base::Key>& keys, RunConfig& run) {
  base::Section section(keys, "run");
  section.key("name", run.name, "the run directory is <directory>/<name>").required().may_change();
  section.key("directory", run.directory, "where run directories are made").may_change();
  section.key("seed", run.seed, "weights, order, noise, augmentation: everything random follows from it").at_least(0).of_any_size();
}

void add_model_keys(std::vector<base::Key>& keys, ModelConfig& model) {
  base::Section section(keys, "model");
  section.key("name", model.name, "the network; image size and channels come from the dataset")
      .one_of(base::Registry<base::Network>::all().names());
  section.key("latent_dim", model.latent_dim, "latent dimensions").at_least(1).at_most(1 << 20);
  section.key("hidden_dims", model.hidden_dims, "one entry a level: channels (or units, for mlp_vae)").at_least(1).at_most(1 << 20);
  section.key("activation", model.activation, "after each hidden level").one_of({"leaky_relu", "relu", "tanh", "silu"});
  section.key("output", model.output, "auto is sigmoid for range [0, 1], tanh for [-1, 1], identity for logits")
      .one_of({"auto", "sigmoid", "tanh", "identity"});
  base::add_own_keys(keys, "model", "model.name", model.name, base::Registry<base::Network>::all(), model.own);
}

void add_objective_keys(std::vector<base::Key>& keys, Config& config) {
  ObjectiveConfig& objective = config.objective;
  // An autoencoder and a decoder alone have no posterior, so nothing of the KL has a meaning for them.
  const auto has_posterior = [&config] { return latent_kind(config.model) == base::LatentKind::posterior; };
  const auto weighs_kld = [has_posterior, &objective] { return has_posterior() && !objective.capacity.gamma; };
  const std::string vaes = "model.name is a VAE";
  const std::string weighted = "model.name is a VAE without objective.capacity";
  base::Section section(keys, "objective");
  section.key("likelihood", objective.likelihood, "bernoulli takes logits; discretized_logistic has one learned log-scale a channel")
      .one_of({"gaussian", "bernoulli", "discretized_logistic"});
  section.key("variance", objective.variance,
              "gaussian: learned is one log sigma; optimal is sigma^2 = the replica's MSE, a running value is kept for evaluation; "
              "predicted is the decoder's log sigma^2 per pixel, clamped at -6")
      .one_of({"fixed", "learned", "optimal", "predicted"})
      .counts_when("objective.likelihood is gaussian", [&objective] { return objective.likelihood == "gaussian"; });
  section.key("sigma", objective.sigma, "variance fixed, in data units; enters `sum`, the ELBO and log p, not `mean`, which is PyTorch-VAE's").at_least(1e-15).at_most(1e15)
      .counts_when("objective.likelihood is gaussian and its variance fixed", [&objective] { return objective.likelihood == "gaussian" && objective.variance == "fixed"; });
  section.key("reduction", objective.reduction,
              "mean of the squared error over batch and pixels (as PyTorch-VAE has it), or sum over pixels and mean over batch with all constants (nats)")
      .one_of({"mean", "sum"});

  KldWeightConfig& kld_weight = objective.kld_weight;
  base::Section weight(keys, "objective.kld_weight");
  weight.key("rule", kld_weight.rule,
             "M_N: weight * global_batch / batch for reference, global_batch / training samples for batch_over_dataset, weight for fixed; "
             "for elbo, the exact bound, 1 with sum and 1 / (C*H*W) with mean; auto: reference for gaussian/fixed/mean, elbo for everything else")
      .one_of({"auto", "reference", "batch_over_dataset", "fixed", "elbo"})
      .counts_when(weighted, weighs_kld);
  weight.key("weight", kld_weight.weight, "reference: the weight tuned at `batch` (PyTorch-VAE's present one); fixed: M_N").at_least(0)
      .counts_when("objective.kld_weight.rule is reference or fixed", [&objective, weighs_kld] {
        const std::string rule = kld_weight_rule(objective);
        return weighs_kld() && (rule == "reference" || rule == "fixed");
      });
  weight.key("batch", kld_weight.batch, "reference: the batch at which `weight` was tuned").at_least(1)
      .counts_when("objective.kld_weight.rule is reference", [&objective, weighs_kld] { return weighs_kld() && kld_weight_rule(objective) == "reference"; });

  BetaConfig& beta = objective.beta;
  const auto when = [&beta, weighs_kld](const std::string& one, const std::string& other) {
    return [&beta, weighs_kld, one, other] { return weighs_kld() && (beta.schedule == one || beta.schedule == other); };
  };
  const std::string ramps = "objective.beta.schedule is linear or cyclical";
  base::Section betas(keys, "objective.beta");
  betas.key("schedule", beta.schedule, "how beta in M_N * beta * KL goes with the step").one_of({"constant", "linear", "cyclical"})
      .counts_when(weighted, weighs_kld);
  betas.key("value", beta.value, "constant: beta").at_least(0)
      .counts_when("objective.beta.schedule is constant", when("constant", "constant"));
  betas.key("from", beta.from, "linear, cyclical: beta at the start").at_least(0).counts_when(ramps, when("linear", "cyclical"));
  betas.key("to", beta.to, "linear, cyclical: beta at the end").at_least(0).counts_when(ramps, when("linear", "cyclical"));
  betas.key("steps", beta.steps, "linear: steps from `from` to `to`").at_least(1)
      .counts_when("objective.beta.schedule is linear", when("linear", "linear"));
  betas.key("period_steps", beta.period_steps, "cyclical: steps of one cycle").at_least(1)
      .counts_when("objective.beta.schedule is cyclical", when("cyclical", "cyclical"));
  betas.key("ratio", beta.ratio, "cyclical: the part of a cycle in which beta rises").above(0).at_most(1)
      .counts_when("objective.beta.schedule is cyclical", when("cyclical", "cyclical"));

  section.key("free_bits", objective.free_bits, "nats: KL_j of each latent dimension counts as max(this, its mean over the replica)")
      .at_least(0).counts_when(weighted, weighs_kld);
  const auto has_capacity = [has_posterior, &objective] { return has_posterior() && objective.capacity.gamma.has_value(); };
  base::Section capacity(keys, "objective.capacity");
  capacity.key("gamma", objective.capacity.gamma, "gamma * |KL - C(step)| takes the place of M_N * beta * KL").above(0).counts_when(vaes, has_posterior);
  capacity.key("max_nats", objective.capacity.max_nats, "C at the end").at_least(0).counts_when("objective.capacity.gamma is given", has_capacity);
  capacity.key("steps", objective.capacity.steps, "steps in which C rises from 0 to max_nats").at_least(1).counts_when("objective.capacity.gamma is given", has_capacity);
  section.key("importance_samples", objective.importance_samples, "K > 1 trains the importance-weighted bound (sum and elbo only)")
      .at_least(1).at_most(1 << 20).counts_when(vaes, has_posterior);
  section.key("regularisers", objective.regularisers, "of the latent code: " + regularisers_there_are() + ". A run begun before there was this key has none").empty_is("[]")
      .counts_when("model.name has an encoder", [&config] { return latent_kind(config.model) != base::LatentKind::none; });
  section.key("prior_samples", objective.prior_samples, "decoder_only: samples of the prior for the marginal likelihood, the same for all images of a replica").at_least(1).at_most(1 << 20)
      .counts_when("model.name is " + networks_with(base::LatentKind::none), [&config] { return latent_kind(config.model) == base::LatentKind::none; });
}

}  // namespace vae_dist::config
