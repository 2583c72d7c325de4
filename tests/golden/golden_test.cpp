// Compares our models, likelihoods, objectives and training step with independent implementations
// in plain PyTorch (the *_reference.py here). make_golden_numbers.py, which ctest runs first, wrote
// the reference numbers.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <iostream>

#include "config/words.hpp"
#include "golden_case.hpp"
#include "step/learner.hpp"
#include "step/resolved_objective.hpp"
#include "step/schedules.hpp"

namespace vae_dist {
namespace {

const std::vector<std::string> kCases = {
    "adam_betas_epsilon",
    "adam_weight_decay",
    "adamax",
    "adamw",
    "autoencoder",
    "autoencoder_bernoulli",
    "autoencoder_optimal",
    "autoencoder_predicted_shared",
    "autoencoder_sum_replicas_4",
    "bernoulli_mean",
    "bernoulli_of_grey",
    "bernoulli_sum",
    "beta_cyclical",
    "beta_linear",
    "capacity",
    "capacity_global_replicas_4",
    "capacity_replicas_4",
    "capacity_sync_replicas_4",
    "clip_norm_not_reached",
    "clipped",
    "code_l2_replicas_4",
    "codes_mmd_sync_replicas_4",
    "codes_replicas_4",
    "codes_sum",
    "colour_64",
    "decoder_only",
    "decoder_only_bernoulli",
    "decoder_only_learned",
    "decoder_only_logistic",
    "decoder_only_mean",
    "decoder_only_predicted",
    "decoder_only_predicted_shared",
    "decoder_only_replicas_4",
    "decoder_only_sync_replicas_4",
    "dip_i_replicas_4",
    "dip_ii_replicas_4",
    "draws_3_optimal_replicas_4",
    "draws_3_predicted_shared_replicas_4",
    "draws_3_replicas_4",
    "draws_3_sync_replicas_4",
    "draws_4_mlp_bernoulli",
    "draws_5",
    "fixed_sigma_mean",
    "free_bits",
    "free_bits_global_replicas_4",
    "free_bits_replicas_4",
    "free_bits_sync_replicas_4",
    "grey_28",
    "identity_output",
    "kld_batch_over_dataset",
    "kld_elbo_mean",
    "kld_fixed_sum",
    "kld_reference",
    "large_batch",
    "learned_mean",
    "learned_sum",
    "logistic_mean",
    "logistic_sum",
    "logistic_sum_tanh_range",
    "mlp",
    "mlp_bernoulli_tanh",
    "mlp_predicted_replicas_4",
    "mlp_predicted_shared_replicas_4",
    "mmd_autoencoder_replicas_4",
    "mmd_biased_rbf_replicas_4",
    "mmd_replicas_4",
    "odd_size",
    "one_level",
    "optimal_free_bits_global_sync_replicas_4",
    "optimal_global_replicas_4",
    "optimal_mean",
    "optimal_replicas_4",
    "optimal_sum",
    "optimal_sum_global_replicas_4",
    "optimal_sum_sync_replicas_4",
    "predicted_at_its_bound",
    "predicted_mean",
    "predicted_one_level",
    "predicted_shared_at_its_bound",
    "predicted_shared_mean",
    "predicted_shared_one_level",
    "predicted_shared_sum_tanh_range",
    "predicted_shared_sync_replicas_4",
    "predicted_sum_tanh_range",
    "rate_cosine",
    "rate_cosine_after_warm_up",
    "rate_exponential",
    "rate_exponential_per_step",
    "rate_steps",
    "rate_steps_per_step",
    "rate_warm_up",
    "replicas_4",
    "replicas_4_sum_clipped",
    "resnet",
    "resnet_attention_odd_size",
    "resnet_groups",
    "resnet_one_level",
    "resnet_predicted_replicas_4",
    "resnet_predicted_shared_replicas_4",
    "resnet_spatial",
    "resnet_spatial_draws_3",
    "sgd",
    "sgd_momentum_weight_decay",
    "sum",
    "sum_tanh_odd_size",
    "tanh_activation",
    "tanh_output",
    "tc_few_training_samples",
    "tc_mean",
    "tc_replicas_4",
    "tc_weighted_replicas_4",
    "tc_within_replicas_4",
    "three_terms_replicas_4",
    "two_terms_sync_replicas_4",
};

constexpr std::int64_t kSteps = 10;

// How far our numbers may be from the reference, which is in double precision for both of our
// precisions. Single precision drifts away step by step, because an activation at the kink of a
// rectifier can fall on either side. The losses drift least.
struct Tolerance {
  double values;  // in units of the tensor's largest value, at least 1: outputs, running statistics
  double gradients;   // absolute, in units of the model's largest gradient
  double first_step;  // relative: loss, reconstruction, KL, gradient norm
  double losses;      // relative, over all ten steps: loss, reconstruction
  double terms;  // relative, over all ten steps: KL, gradient norm, and the other terms. The draws'
                 // weights are exponentials of -log p in nats, so its absolute error matters
};
constexpr Tolerance kDouble = {1e-9, 1e-9, 1e-9, 1e-9, 1e-9};
constexpr Tolerance kSingle = {5e-5, 1e-4, 5e-5, 1e-3, 2e-2};

double difference(const at::Tensor& ours, const at::Tensor& reference) {
  EXPECT_EQ(ours.sizes(), reference.sizes());
  return largest(ours.detach().to(at::kDouble) - reference.to(at::kDouble));
}

// `precision` may name a way of convolutions too: "fp32_direct".
config::Config config_of(const GoldenCase& golden, const std::string& precision,
                         bool channels_last) {
  const std::size_t cut = precision.find('_');
  config::Config config = golden.config(precision.substr(0, cut), channels_last);
  if (cut != std::string::npos)
    config.train.convolutions = config::from_word<config::Convolutions>(precision.substr(cut + 1));
  return config;
}

// A case's learner on one rank with the reference's weights, plus the inputs and schedules that the
// training loop would pass to it.
class GoldenRun {
 public:
  GoldenRun(const GoldenCase& golden, const std::string& precision, bool channels_last)
      : golden_(golden),
        config_(config_of(golden, precision, channels_last)),
        type_(precision == "fp64" ? at::kDouble : at::kFloat),
        self_(comm::make_self_communicator()),
        learner_(
            {config_,
             golden.shape(),
             input::ReplicaPlan{config_.train.global_batch, *config_.distributed.replicas, 1, 0},
             {},
             0,
             golden.fact("training_samples")},
            *self_, log_),
        images_(golden.tensor("images").to(type_).contiguous(
            channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous)),
        rates_(step::learning_rate_plan(config_.train, golden.fact("steps_per_epoch"), kSteps)),
        objective_(
            step::resolve_objective(config_, golden.fact("training_samples"), golden.shape())) {
    checkpoint::Checkpoint start;
    start.weights.tensors = golden.group("weight.");
    start.optimizer = learner_.optimizer_state();
    learner_.restore(start, golden.origin());
  }

  model::LatentModel& model() { return learner_.model(); }
  const at::Tensor& images() const { return images_; }
  at::Tensor noise(std::int64_t step) const { return golden_.tensor("noise")[step].to(type_); }
  checkpoint::TensorFile weights() const { return learner_.weights(); }
  double rate_of(std::int64_t step) const { return step::learning_rate(rates_, step); }
  objective::StepWeights weights_of(std::int64_t step) const { return objective_.weights_at(step); }
  at::Tensor step(std::int64_t number) {
    return at::tensor(
        learner_.step({images_, noise(number)}, rate_of(number), weights_of(number)).get(),
        at::kDouble);
  }

  /// Returns the names of the objective's extra terms.
  std::vector<std::string> extra_terms() const {
    std::vector<std::string> names;
    for (const base::Term& term : learner_.objective().extra_terms()) names.push_back(term.name);
    return names;
  }

  /// Returns the number of batches in which a step's images pass through the network.
  std::int64_t batches() const {
    return config_.distributed.batch_norm == config::BatchNorm::sync
               ? 1
               : *config_.distributed.replicas;
  }

  /// Returns the results of the network and the likelihood by name, for the first draw.
  std::map<std::string, at::Tensor> forward(const at::Tensor& images, const at::Tensor& noise) {
    const at::NoGradGuard no_grad;
    model::LatentModel& network = model();
    const std::int64_t latent = network.latent_values();
    std::map<std::string, at::Tensor> out;
    model::Decoded decoded;
    model::Sample given;
    if (network.latent_kind() == base::LatentKind::none) {
      decoded =
          network.decode(noise.reshape({-1, latent}).narrow(0, 0, config_.objective.prior_samples));
      out["negative_log"] = network.likelihood().negative_log_of_pairs(decoded, images);
    } else {
      given = images;
      const model::Posterior posterior = network.encode(images);
      out["mu"] = posterior.mu;
      if (!posterior.is_point()) out["log_var"] = posterior.log_var;
      decoded = network.decode(model::reparameterize(
          posterior, posterior.is_point() ? noise : noise.narrow(1, 0, latent)));
      out["negative_log"] = network.likelihood().negative_log(decoded, images);
    }
    out["output"] = network.likelihood().mean_image(decoded, given);
    if (decoded.second.defined()) out["second"] = decoded.second;
    return out;
  }

 private:
  const GoldenCase& golden_;
  config::Config config_;
  at::ScalarType type_;
  std::unique_ptr<comm::CpuCommunicator> self_;
  comm::CollectiveLog log_;
  step::Learner learner_;
  at::Tensor images_;
  step::LearningRatePlan rates_;
  step::ResolvedObjective objective_;
};

/// Parameters: case, precision, memory order.
class Golden : public testing::TestWithParam<std::tuple<std::string, std::string, bool>> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }
  // Prints the largest differences, to show how much room the tolerances leave.
  static void TearDownTestSuite() {
    for (const auto& [what, worst] : seen_)
      std::cout << "largest difference, " << what << ": " << worst.first << " (" << worst.second
                << ")\n";
  }

  Golden()
      : golden_(std::get<0>(GetParam())),
        precision_(std::get<1>(GetParam())),
        run_(golden_, precision_, std::get<2>(GetParam())) {}

  Tolerance tolerance() const { return precision_ == "fp64" ? kDouble : kSingle; }

  void expect_close(const std::string& kind, const std::string& name, const at::Tensor& ours,
                    const at::Tensor& reference, double scale, double allowed) {
    const double seen = difference(ours, reference) / scale;
    // Not EXPECT_FALSE(seen > allowed), so that NaN fails.
    EXPECT_TRUE(seen <= allowed) << name << " differs by " << seen << " (in units of " << scale
                                 << "), but the tolerance is " << allowed;
    auto& worst = seen_[precision_ + " " + kind];
    worst = std::max(worst, {seen, std::get<0>(GetParam())});
  }

  void expect_values(const std::string& kind, const std::string& name, const at::Tensor& ours,
                     const at::Tensor& reference) {
    expect_close(kind, name, ours, reference, std::max(1.0, largest(reference.to(at::kDouble))),
                 tolerance().values);
  }

  void expect_results(const std::map<std::string, at::Tensor>& ours,
                      const std::map<std::string, at::Tensor>& reference) {
    ASSERT_EQ(ours.size(), reference.size());
    for (const auto& [name, tensor] : reference) {
      ASSERT_TRUE(ours.contains(name)) << name;
      expect_values(name == "negative_log" ? "-log p(x|z)" : "outputs", name, ours.at(name),
                    tensor);
    }
  }

  GoldenCase golden_;
  std::string precision_;
  GoldenRun run_;

 private:
  static std::map<std::string, std::pair<double, std::string>> seen_;  // difference and its case
};
std::map<std::string, std::pair<double, std::string>> Golden::seen_;

TEST_P(Golden, ForwardInEvaluationMode) {
  run_.model().eval();
  expect_results(run_.forward(run_.images(), run_.noise(0)), golden_.group("evaluation."));
}

TEST_P(Golden, ForwardInTrainingMode) {
  expect_results(
      run_.forward(run_.images().chunk(run_.batches())[0], run_.noise(0).chunk(run_.batches())[0]),
      golden_.group("training."));
}

TEST_P(Golden, LearningRateKldFactorAndCapacityOfEveryStep) {
  const at::Tensor schedules = golden_.tensor("schedules");
  ASSERT_EQ(schedules.sizes(), (std::vector<std::int64_t>{kSteps, 3}));
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const objective::StepWeights weights = run_.weights_of(step);
    const double ours[] = {run_.rate_of(step), weights.kld_factor, weights.capacity_nats};
    for (std::int64_t i = 0; i < 3; ++i) {
      const double reference = schedules[step][i].item<double>();
      EXPECT_NEAR(ours[i], reference, 1e-14 * std::max(1.0, std::abs(reference)))
          << "value " << i << " of step " << step;
    }
  }
}

TEST_P(Golden, EveryGradientOfAStepAndWhatItLeaves) {
  run_.step(0);
  const auto gradients = golden_.group("gradient."), state = golden_.group("state.");
  double scale = 0;
  for (const auto& [name, gradient] : gradients) scale = std::max(scale, largest(gradient));

  std::size_t compared = 0;
  for (const auto& entry : run_.model().named_parameters()) {
    if (!entry.value().requires_grad()) continue;
    const auto found = gradients.find(entry.key());
    ASSERT_NE(found, gradients.end()) << entry.key() << " is trained here, not in the reference";
    expect_close("gradients", entry.key(), entry.value().grad(), found->second, scale,
                 tolerance().gradients);
    ++compared;
  }
  EXPECT_EQ(compared, gradients.size());

  const checkpoint::TensorFile ours = run_.weights();
  ASSERT_EQ(ours.tensors.size(), state.size());
  for (const auto& [name, tensor] : state) {
    if (name.ends_with("num_batches_tracked")) {
      EXPECT_TRUE(ours.tensors.at(name).equal(tensor)) << name;
    } else if (name.find("running_") != std::string::npos) {
      expect_values("running statistics", name, ours.tensors.at(name), tensor);
    } else if (precision_ == "fp64") {
      // Adam's first step is the sign of the gradient. Where that is nearly zero, rounding decides,
      // so single precision cannot be compared at all.
      expect_close("weights after a step", name, ours.tensors.at(name), tensor, 1, 1e-7);
    }
  }
}

TEST_P(Golden, LossesOfTenStepsOfTheOptimizer) {
  const at::Tensor outcomes = golden_.tensor("outcomes");
  std::vector<std::string> names = {"loss", "reconstruction", "KL", "gradient norm"};
  for (const std::string& name : run_.extra_terms()) names.push_back(name);
  const auto count = static_cast<std::int64_t>(names.size());
  ASSERT_EQ(outcomes.sizes(), (std::vector<std::int64_t>{kSteps, count}));
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor ours = run_.step(step);
    ASSERT_EQ(ours.size(0), count + 1);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::string when = step == 0 ? " of the first step" : " of all steps";
      const double allowed = step == 0 && i < 4 ? tolerance().first_step
                             : i < 2            ? tolerance().losses
                                                : tolerance().terms;
      const at::Tensor reference = outcomes[step][i];
      // The value after the gradient norm says whether the step was skipped. An autoencoder's KL is
      // exactly zero.
      const double scale = std::max(std::abs(reference.item<double>()), 1e-9);
      expect_close((i < 4 ? names[static_cast<std::size_t>(i)] : "other terms") + when,
                   names[static_cast<std::size_t>(i)] + " of step " + std::to_string(step),
                   ours[i < 4 ? i : i + 1], reference, scale, allowed);
    }
    EXPECT_EQ(ours[4].item<double>(), 0) << "step " << step << " was skipped";
  }
}

std::string parameters_name(const testing::TestParamInfo<Golden::ParamType>& info) {
  const auto& [name, precision, channels_last] = info.param;
  return name + "_" + precision + (channels_last ? "_channels_last" : "_contiguous");
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden,
                         testing::Combine(testing::ValuesIn(kCases),
                                          testing::Values("fp64", "fp32"), testing::Bool()),
                         parameters_name);

// The others compute convolutions as the table prefers.
INSTANTIATE_TEST_SUITE_P(
    Ways, Golden,
    testing::Combine(testing::Values("colour_64", "grey_28", "odd_size", "predicted_mean",
                                     "replicas_4", "resnet", "resnet_attention_odd_size"),
                     testing::Values("fp32_onednn", "fp32_products", "fp32_direct"),
                     testing::Values(true)),
    parameters_name);

TEST(GoldenNumbers, AreAllCompared) {
  std::vector<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder()))
    if (entry.is_regular_file()) there.push_back(entry.path().stem());
  std::sort(there.begin(), there.end());
  EXPECT_EQ(there, kCases);
}

}  // namespace
}  // namespace vae_dist
