// What looks at the whole batch has the value and the gradient of the whole batch, at any number of
// replicas and ranks. The reference is autograd over one graph of the whole batch, with formulas
// that are written here once more.
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>
#include <numbers>

#include "comm/thread_communicator.hpp"
#include "objective/gaussian.hpp"
#include "objective/kl_divergence.hpp"
#include "small_run.hpp"
#include "step/resolved_objective.hpp"

namespace vae_dist::step {
namespace {

constexpr double kTolerance = 1e-12;

// The whole batch after the model, replica by replica, as one graph.
struct Whole {
  at::Tensor x, mu, log_var, z, prior, output;

  double g() const { return static_cast<double>(mu.size(0)); }
  at::Tensor kl() const { return objective::kl_per_dimension(mu, log_var); }
  at::Tensor squared_error() const { return (output - x).square().mean(); }
};

double values_of_a_sample() { return static_cast<double>(kSmallShape.values()); }

at::Tensor soft_floored_log_sigma(const at::Tensor& mse) {
  return -6 + at::softplus(0.5 * mse.log() + 6);
}

at::Tensor optimal_nats(const Whole& whole) {
  const at::Tensor mse = whole.squared_error(), log_sigma = soft_floored_log_sigma(mse);
  return values_of_a_sample() *
         (mse / (2 * (2 * log_sigma).exp()) + log_sigma + 0.5 * std::log(2 * std::numbers::pi));
}

// log N(z_i; mu_j, sigma_j^2) of all pairs and dimensions: [G, G, L].
at::Tensor log_densities(const Whole& whole) {
  const at::Tensor distance = whole.z.unsqueeze(1) - whole.mu.unsqueeze(0);
  return -0.5 * (distance * distance / whole.log_var.exp() + whole.log_var +
                 std::log(2 * std::numbers::pi));
}

// tc, index_code, dimension_wise with the estimate of q(z) as a plain sum of densities.
std::vector<at::Tensor> parts_of_kl(const Whole& whole, bool stratified, double n) {
  const double g = whole.g();
  const at::Tensor log_q = log_densities(whole),
                   eye = at::eye(whole.mu.size(0), whole.mu.options());
  const at::Tensor weights =
      stratified ? eye / n + (1 - eye) * ((n - 1) / (n * (g - 1))) : at::ones_like(eye) / (n * g);
  const at::Tensor q = (log_q.sum(2).exp() * weights).sum(1),
                   q_dimensions = (log_q.exp() * weights.unsqueeze(2)).sum(1),
                   own = (log_q.sum(2) * eye).sum(1);
  const at::Tensor log_p = (-0.5 * whole.z.square() - 0.5 * std::log(2 * std::numbers::pi)).sum(1);
  return {(q.log() - q_dimensions.log().sum(1)).mean(), (own - q.log()).mean(),
          (q_dimensions.log().sum(1) - log_p).mean()};
}

at::Tensor mmd(const Whole& whole, bool imq, bool unbiased) {
  const auto kernel = [&](const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor distance = (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(2);
    const double width = 2.0 * static_cast<double>(a.size(1));
    if (!imq) return (-distance / width).exp();
    at::Tensor sum = at::zeros_like(distance);
    for (const double s : {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0})
      sum = sum + width * s / (width * s + distance);
    return sum;
  };
  const double g = whole.g();
  at::Tensor same = kernel(whole.z, whole.z) + kernel(whole.prior, whole.prior);
  if (unbiased) same = same * (1 - at::eye(whole.z.size(0), whole.z.options()));
  return same.sum() / (unbiased ? g * (g - 1) : g * g) -
         2 * kernel(whole.z, whole.prior).sum() / (g * g);
}

at::Tensor covariance_of(const at::Tensor& rows) {
  const at::Tensor centred = rows - rows.mean(0);
  return centred.t().matmul(centred) / static_cast<double>(rows.size(0));
}

at::Tensor dip(const Whole& whole, bool of_z, double diagonal_weight) {
  at::Tensor covariance = covariance_of(whole.mu);
  if (of_z) covariance = covariance + at::diag(whole.log_var.exp().mean(0));
  const at::Tensor eye = at::eye(covariance.size(0), covariance.options());
  return (covariance * (1 - eye)).square().sum() +
         diagonal_weight * ((covariance - 1) * eye).square().sum();
}

// Runs the model on the first step's samples, one replica after the other.
Whole whole_batch_of(SmallRank& rank, std::int64_t replicas) {
  model::LatentModel& model = rank.model();
  const at::Tensor images = images_of_step(0),
                   noise = noise_of_step(0, at::kDouble,
                                         rank.learner().objective().noise_per_sample(1));
  std::vector<at::Tensor> mu, log_var, z, output;
  for (std::int64_t r = 0; r < replicas; ++r) {
    const std::int64_t count = kSmallBatch / replicas;
    const model::Posterior posterior =
        model.encode(model::Sample(images.narrow(0, r * count, count)));
    mu.push_back(posterior.mu);
    log_var.push_back(posterior.log_var);
    z.push_back(
        model::reparameterize(posterior, noise.narrow(0, r * count, count).narrow(1, 0, 3)));
    output.push_back(model.decode(z.back()).output);
  }
  return {images,
          at::cat(mu),
          at::cat(log_var),
          at::cat(z),
          noise.narrow(1, noise.size(1) - 3, 3),
          at::cat(output)};
}

double error_of(const std::vector<at::Tensor>& tensors, const std::vector<at::Tensor>& expected) {
  double error = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    error = std::max(error, (tensors.at(i) - expected[i]).abs().max().item<double>());
  return error;
}

double largest_of(const std::vector<at::Tensor>& tensors) {
  double out = 0;
  for (const at::Tensor& tensor : tensors) out = std::max(out, tensor.abs().max().item<double>());
  return out;
}

void expect_close(const std::vector<at::Tensor>& tensors, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(tensors.size(), expected.size());
  EXPECT_LE(error_of(tensors, expected), kTolerance * largest_of(expected));
}

struct Term {
  const char* name;
  void (*configure)(config::Config& config);
  at::Tensor (*loss)(const Whole& whole);  // all of it
};

void PrintTo(const Term& term, std::ostream* out) { *out << term.name; }

void set(config::Config& config, const std::string& regulariser, double weight,
         const std::vector<std::pair<std::string, std::string>>& words = {},
         const std::vector<std::pair<std::string, double>>& numbers = {},
         const std::vector<std::pair<std::string, std::int64_t>>& counts = {}) {
  base::ItemList::Entry* const entry = config.objective.regularisers.add(regulariser);
  for (base::Key& key : base::ItemList::keys_of(*entry)) {
    const auto is = [&key](const std::string& name) {
      return key.name == name || key.name.ends_with("." + name);
    };
    if (is("weight")) *std::get<double*>(key.slot) = weight;
    for (const auto& [name, word] : words)
      if (is(name) && !key.choice->choose(word)) FAIL() << word;
    for (const auto& [name, count] : counts)
      if (is(name)) *std::get<std::int64_t*>(key.slot) = count;
    for (const auto& [name, number] : numbers) {
      if (!is(name)) continue;
      if (auto* const* plain = std::get_if<double*>(&key.slot)) **plain = number;
      if (auto* const* optional = std::get_if<std::optional<double>*>(&key.slot))
        **optional = number;
    }
  }
}

void sum_of_nats(config::Config& config) { config.objective.reduction = config::Reduction::sum; }

at::Tensor nats_of_error(const Whole& whole) {  // sigma 1
  return values_of_a_sample() *
         (0.5 * whole.squared_error() + 0.5 * std::log(2 * std::numbers::pi));
}

at::Tensor bound(const Whole& whole) {
  return nats_of_error(whole) + kSmallKldFactor * whole.kl().sum(1).mean();
}

constexpr double kN = 50;  // training samples

const Term kTerms[] = {
    {"free_bits", [](config::Config& config) { config.objective.free_bits = 0.12; },
     [](const Whole& whole) {
       return whole.squared_error() + kSmallKldFactor * whole.kl().mean(0).clamp_min(0.12).sum();
     }},
    {"capacity", [](config::Config& config) { config.objective.capacity = {0.5, 1.0, 10}; },
     [](const Whole& whole) {
       return whole.squared_error() + 0.5 * (whole.kl().sum(1).mean() - kSmallCapacity).abs();
     }},
    {"optimal",
     [](config::Config& config) {
       sum_of_nats(config);
       config.objective.likelihood.settings_of<objective::GaussianSettings>("gaussian").variance =
           objective::Variance::optimal;
     },
     [](const Whole& whole) {
       return optimal_nats(whole) + kSmallKldFactor * whole.kl().sum(1).mean();
     }},
    {"optimal_per_value",
     [](config::Config& config) {
       config.objective.likelihood.settings_of<objective::GaussianSettings>("gaussian").variance =
           objective::Variance::optimal;
     },
     [](const Whole& whole) {
       return optimal_nats(whole) / values_of_a_sample() +
              kSmallKldFactor * whole.kl().sum(1).mean();
     }},
    {"tc",
     [](config::Config& config) {
       sum_of_nats(config);
       set(config, "tc", 3, {}, {{"index_code", 0.7}, {"dimension_wise", 0.4}});
     },
     [](const Whole& whole) {
       const auto parts = parts_of_kl(whole, true, kN);
       return bound(whole) + 3 * parts[0] + 0.7 * parts[1] + 0.4 * parts[2];
     }},
    {"tc_weighted",
     [](config::Config& config) {
       sum_of_nats(config);
       set(config, "tc", 2, {{"estimator", "weighted"}});
     },
     [](const Whole& whole) { return bound(whole) + 2 * parts_of_kl(whole, false, kN)[0]; }},
    {"mmd",
     [](config::Config& config) {
       sum_of_nats(config);
       set(config, "mmd", 5);
     },
     [](const Whole& whole) { return bound(whole) + 5 * mmd(whole, true, true); }},
    {"mmd_biased_rbf",
     [](config::Config& config) {
       sum_of_nats(config);
       set(config, "mmd", 5, {{"kernel", "rbf"}, {"estimator", "biased"}});
     },
     [](const Whole& whole) { return bound(whole) + 5 * mmd(whole, false, false); }},
    {"dip_i",
     [](config::Config& config) {
       sum_of_nats(config);
       set(config, "dip", 4, {{"kind", "i"}});
     },
     [](const Whole& whole) { return bound(whole) + 4 * dip(whole, false, 10); }},
    {"dip_ii",
     [](config::Config& config) {
       sum_of_nats(config);
       set(config, "dip", 4, {}, {{"diagonal_weight", 8}});
     },
     [](const Whole& whole) { return bound(whole) + 4 * dip(whole, true, 2); }},
};

std::string term_name(const testing::TestParamInfo<Term>& info) { return info.param.name; }

class WholeBatchTerm : public testing::TestWithParam<Term> {
 protected:
  static config::Config config() {
    config::Config out = small_config();
    GetParam().configure(out);
    return out;
  }

  // The loss and gradients of one graph over all replicas of the first step.
  struct Reference {
    double loss = 0;
    std::vector<at::Tensor> gradients;
  };
  static Reference reference(std::int64_t replicas) {
    const auto self = comm::make_self_communicator();
    SmallRank rank(config(), replicas, *self, static_cast<std::int64_t>(kN));
    model::LatentModel& model = rank.model();
    const Whole whole = whole_batch_of(rank, replicas);
    const at::Tensor loss = GetParam().loss(whole);
    // Not backward(), which the learner's reducer listens to.
    std::vector<at::Tensor> trained;
    for (const at::Tensor& parameter : model.parameters())
      if (parameter.requires_grad()) trained.push_back(parameter);
    return {loss.item<double>(), torch::autograd::grad({loss}, trained)};
  }

  static void expect_the_reference(const config::Config& config, std::int64_t replicas, int ranks,
                                   const Reference& expected, bool differs = false) {
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
      SmallRank rank(config, replicas, comm, static_cast<std::int64_t>(kN));
      const double loss = rank.step(0)[0];
      const std::vector<at::Tensor> gradients = rank.gradients();
      if (differs) {
        EXPECT_GT(error_of(gradients, expected.gradients), 1e-6 * largest_of(expected.gradients));
        return;
      }
      EXPECT_NEAR(loss, expected.loss, kTolerance * std::abs(expected.loss));
      SCOPED_TRACE(std::to_string(replicas) + " replicas, " + std::to_string(ranks) + " ranks");
      expect_close(gradients, expected.gradients);
    });
  }
};

TEST_P(WholeBatchTerm, HasTheGradientOfOneGraphAtAnyNumberOfReplicasAndRanks) {
  for (const std::int64_t replicas : {1, 2, 4, 8}) {
    const Reference expected = reference(replicas);
    for (const int ranks : {1, 2, 4, 8})
      if (ranks <= replicas) expect_the_reference(config(), replicas, ranks, expected);
  }
}

TEST_P(WholeBatchTerm, HasItAsATreeToo) {
  config::Config tree = config();
  tree.distributed.reproducible = true;
  const Reference expected = reference(8);
  for (const int ranks : {1, 2, 8}) expect_the_reference(tree, 8, ranks, expected);
}

TEST_P(WholeBatchTerm, IsAnotherObjectiveWithinReplicas) {
  config::Config config = this->config();
  config.objective.scope = config::Scope::replica;
  expect_the_reference(config, 1, 1, reference(1));
  expect_the_reference(config, 4, 2, reference(4), /*differs=*/true);
}

INSTANTIATE_TEST_SUITE_P(Terms, WholeBatchTerm, testing::ValuesIn(kTerms), term_name);

// The second pass computes the rows that the first one collected, so their slopes belong to them.
TEST(FirstPass, HasTheBitsOfTheSecond) {
  for (const char* precision : {"fp64", "fp32", "bf16"}) {
    for (const char* network : {"vanilla_vae", "resnet_vae", "mlp_vae"}) {
      SCOPED_TRACE(std::string(precision) + ", " + network);
      config::Config config = small_config(precision);
      config.model.network.name = network;
      config.objective.regularisers.add("mmd");
      if (std::string(network) == "resnet_vae") config.train.recompute = config::Recompute::blocks;
      const auto self = comm::make_self_communicator();
      SmallRank rank(config, 2, *self);
      const objective::Objective& objective = rank.learner().objective();
      const model::Sample sample(images_of_step(1, rank.type()),
                                 noise_of_step(1, rank.type(), objective.noise_per_sample(8)));
      objective::BatchShare first;
      {
        const at::NoGradGuard no_grad;
        const model::SilentForward silent(rank.model());
        first = objective.share(objective.forward(rank.model(), sample, false), sample);
      }
      const objective::BatchShare second =
          objective.share(objective.forward(rank.model(), sample, true), sample);
      ASSERT_EQ(first.rows.size(), 4U);
      EXPECT_TRUE(second.rows[0].requires_grad());
      EXPECT_TRUE(same_tensors(first.rows, second.rows));
    }
  }
}

// The critic reads the first half of the whole batch and the second with its dimensions permuted.
// The model has no gradient from what the critic minimises, nor the critic from the model's loss.
TEST(Critic, HasTheGradientsOfOneGraphAtAnyNumberOfReplicasAndRanks) {
  config::Config config = small_config();
  sum_of_nats(config);
  set(config, "factor", 6, {}, {}, {{"width", 15}, {"layers", 3}});
  const auto self = comm::make_self_communicator();

  for (const std::int64_t replicas : {1, 2, 8}) {
    SmallRank one(config, replicas, *self);
    model::LatentModel& model = one.model();
    torch::nn::Module& network =
        one.learner().objective().options().regularisers.at(0).critic()->network();
    const auto weights = network.named_parameters();
    ASSERT_EQ(weights.size(), 6U);
    const auto logits = [&](at::Tensor x) {
      for (const char* layer : {"0", "2", "4"}) {
        const std::string name = layer;
        x = x.matmul(weights[name + ".weight"].t()) + weights[name + ".bias"];
        if (name != "4") x = at::where(x > 0, x, 0.2 * x);
      }
      return x;
    };
    const Whole whole = whole_batch_of(one, replicas);
    constexpr std::int64_t kHalf = kSmallBatch / 2;
    const at::Tensor real = logits(whole.z.narrow(0, 0, kHalf));
    at::Tensor mixed = at::empty({kHalf, 3}, whole.z.options());
    for (std::int64_t d = 0; d < 3; ++d) {
      const auto order = std::get<1>(whole.prior.narrow(0, kHalf, kHalf).select(1, d).sort());
      for (std::int64_t i = 0; i < kHalf; ++i)
        mixed[i][d] = whole.z.detach()[kHalf + order[i].item<std::int64_t>()][d];
    }
    const at::Tensor tc = (real.select(1, 0) - real.select(1, 1)).mean();
    const at::Tensor of_model = bound(whole) + 6 * tc;
    const at::Tensor of_critic =
        -0.5 *
        (at::log_softmax(logits(whole.z.detach().narrow(0, 0, kHalf)), 1).select(1, 0).mean() +
         at::log_softmax(logits(mixed), 1).select(1, 1).mean());
    std::vector<at::Tensor> trained, of_network = network.parameters();
    for (const at::Tensor& parameter : model.parameters())
      if (parameter.requires_grad()) trained.push_back(parameter);
    const std::vector<at::Tensor> expected = torch::autograd::grad({of_model}, trained, {}, true),
                                  expected_of_critic =
                                      torch::autograd::grad({of_critic}, of_network);
    for (const int ranks : {1, 2, 8}) {
      if (ranks > replicas) continue;
      comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
        SmallRank rank(config, replicas, comm);
        const std::vector<double> values = rank.step(0);
        EXPECT_NEAR(values[0], of_model.item<double>(), 1e-12 * std::abs(values[0]));
        EXPECT_NEAR(values[5], tc.item<double>(), 1e-12) << "factor";
        EXPECT_NEAR(values[6], of_critic.item<double>(), 1e-12) << "factor_critic";
        expect_close(rank.gradients(), expected);
        std::vector<at::Tensor> gradients;
        for (const at::Tensor& parameter : rank.learner()
                                               .objective()
                                               .options()
                                               .regularisers.at(0)
                                               .critic()
                                               ->network()
                                               .parameters())
          gradients.push_back(parameter.grad());
        expect_close(gradients, expected_of_critic);
      });
    }
  }
}

TEST(Critic, IsKeptInTheCheckpointAndLearnsWithItsOwnRate) {
  config::Config config = small_config();
  set(config, "factor", 6, {}, {{"learning_rate", 0.01}}, {{"width", 15}, {"layers", 3}});
  const auto self = comm::make_self_communicator();
  SmallRank whole(config, 2, *self), first(config, 2, *self), second(config, 2, *self);
  for (const std::int64_t number : {0, 1, 2, 3}) whole.step(number);
  for (const std::int64_t number : {0, 1}) first.step(number);
  checkpoint::Checkpoint saved;
  saved.weights = first.learner().weights();
  saved.optimizer = first.learner().optimizer_state();
  EXPECT_EQ(saved.weights.tensors.count("factor/0.weight"), 0U);
  ASSERT_EQ(saved.optimizer.tensors.count("factor/0.weight"), 1U);
  second.learner().restore(saved, "here");
  for (const std::int64_t number : {2, 3}) second.step(number);
  EXPECT_TRUE(same_tensors(second.state(), whole.state()));
  // Adam's first steps are of the size of the rate, whatever that of the model is.
  SmallRank slow(config, 2, *self), fast(config, 2, *self);
  const auto weight = [](SmallRank& rank) {
    return rank.learner().optimizer_state().tensors.at("factor/0.weight");
  };
  const at::Tensor before = weight(slow);
  slow.step(images_of_step(0), 0, 1e-4);
  fast.step(images_of_step(0), 0, 1e-2);
  EXPECT_TRUE(weight(slow).equal(weight(fast)));
  EXPECT_NEAR((weight(slow) - before).abs().max().item<double>(), 0.01, 1e-6);
}

// Every step of a ramp weighs the term as much as its schedule says.
TEST(Ramp, WeighsARegulariserByTheStep) {
  config::Config config = small_config();
  config.objective.reduction = config::Reduction::sum;
  set(config, "tc", 3, {{"schedule", "linear"}});
  const ResolvedObjective resolved = resolve_objective(config, 50, kSmallShape);
  EXPECT_DOUBLE_EQ(resolved.weights_at(0).ramps.at(0), 0);
  EXPECT_DOUBLE_EQ(resolved.weights_at(250).ramps.at(0), 0.25);
  EXPECT_DOUBLE_EQ(resolved.weights_at(5000).ramps.at(0), 1);
  ASSERT_TRUE(resolved.final_weights());
  const auto self = comm::make_self_communicator();
  SmallRank none(config, 2, *self), half(config, 2, *self), all(config, 2, *self);
  const auto loss = [](SmallRank& rank, double ramp) {
    objective::StepWeights weights{kSmallKldFactor, 0};
    weights.ramps = {ramp};
    return rank.step(images_of_step(0), 0, kSmallLearningRate, weights);
  };
  const std::vector<double> at_none = loss(none, 0), at_half = loss(half, 0.5),
                            at_all = loss(all, 1);
  EXPECT_NEAR(at_all[0] - at_none[0], 3 * at_none[5], 1e-12);
  EXPECT_NEAR(at_half[0] - at_none[0], 1.5 * at_none[5], 1e-12);
  EXPECT_GT(std::abs(at_none[5]), 1e-3);
}

// A term of weight 0 is told and changes nothing.
TEST(WeightOfZero, OnlyWatches) {
  for (const std::int64_t replicas : {1, 4})
    for (const char* name : {"tc", "mmd", "dip", "factor"}) {
      SCOPED_TRACE(name);
      config::Config config = small_config();
      const auto self = comm::make_self_communicator();
      SmallRank without(config, replicas, *self);
      set(config, name, 0);
      SmallRank with(config, replicas, *self);
      // Some terms have random numbers of their own behind those of z.
      const at::Tensor noise = noise_of_step(0, at::kDouble, 6);
      const auto step = [&](SmallRank& rank) {
        const std::int64_t columns = rank.learner().objective().noise_per_sample(1);
        return rank.learner()
            .step({images_of_step(0), noise.narrow(1, 0, columns).contiguous()}, kSmallLearningRate,
                  {kSmallKldFactor, kSmallCapacity})
            .get();
      };
      const std::vector<double> plain = step(without), watched = step(with);
      EXPECT_NEAR(watched[0], plain[0], 1e-14);
      EXPECT_GT(watched.size(), plain.size());
      EXPECT_NE(watched[5], 0);
      expect_close(with.gradients(), without.gradients());
    }
}

// The critic's gradient is not part of the model's norm, which clips the model alone.
TEST(Critic, IsNotClippedWithTheModel) {
  config::Config config = small_config();
  config.train.gradient_clip_norm = 1e-3;
  set(config, "factor", 0, {}, {}, {{"width", 15}, {"layers", 3}});
  const auto self = comm::make_self_communicator();
  SmallRank clipped(config, 2, *self);
  config.train.gradient_clip_norm.reset();
  SmallRank free(config, 2, *self);
  EXPECT_EQ(clipped.step(0)[3], free.step(0)[3]) << "the norm before clipping";
  const auto critic = [](SmallRank& rank) {
    return rank.learner().objective().options().regularisers.at(0).critic()->network().parameters();
  };
  EXPECT_TRUE(same_tensors(critic(clipped), critic(free)));
  EXPECT_LT(largest_of(clipped.gradients()), largest_of(free.gradients()));
}

// Under `mean` a weight in nats is worth as much beside the KL as under `sum`.
TEST(WeightInNats, IsMultipliedByMnUnderMean) {
  config::Config config = small_config();
  set(config, "tc", 3);
  set(config, "code_l2", 3);
  const ResolvedObjective mean = resolve_objective(config, 50, kSmallShape);
  EXPECT_DOUBLE_EQ(mean.options.regularisers[0].terms[0].weight, 3 * mean.kld_weight);
  EXPECT_DOUBLE_EQ(mean.options.regularisers[1].terms[0].weight, 3);
  config.objective.reduction = config::Reduction::sum;
  const ResolvedObjective sum = resolve_objective(config, 50, kSmallShape);
  EXPECT_DOUBLE_EQ(sum.options.regularisers[0].terms[0].weight, 3);
}

}  // namespace
}  // namespace vae_dist::step
