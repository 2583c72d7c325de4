// Checks the loss on a model small enough to compute the expected values directly.
#include "objective/objective.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/record_function.h>
#include <gmock/gmock.h>

#include <string_view>

#include "model/autoencoder.hpp"
#include "model/decoder_only.hpp"
#include "model/mlp_vae.hpp"
#include "objective/gaussian.hpp"
#include "objective/importance_weights.hpp"
#include "objective/kl_divergence.hpp"

namespace vae_dist::objective {
namespace {

double number(const at::Tensor& scalar) { return scalar.item<double>(); }

class ObjectiveTest : public testing::Test {
 protected:
  static constexpr std::int64_t kBatch = 8, kLatent = 3, kValues = 16;

  static void SetUpTestSuite() { at::set_num_threads(1); }

  static model::NetworkOptions network() {
    model::NetworkOptions options;
    options.channels = 1;
    options.space = {4, 4};
    options.latent_dim = kLatent;
    options.hidden_dims = {6};
    return options;
  }

  template <typename Model>
  static std::shared_ptr<Model> model(const GaussianSettings& gaussian = {}) {
    const auto generator = at::make_generator<at::CPUGeneratorImpl>(3);
    auto out =
        std::make_shared<Model>(network(), model::make_likelihood("gaussian", {.own = gaussian}));
    out->to(at::kDouble);
    const at::NoGradGuard no_grad;
    for (const auto& entry : out->named_parameters())
      entry.value().copy_(0.5 * at::randn(entry.value().sizes(), generator, at::kDouble));
    return out;
  }

  at::Tensor random(at::IntArrayRef sizes, std::uint64_t seed) const {
    return at::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed), at::kDouble);
  }

  const at::Tensor x_ = at::sigmoid(random({kBatch, 1, 4, 4}, 1)),
                   noise_ = random({kBatch, kLatent}, 2);
};

TEST_F(ObjectiveTest, IsReconstructionPlusWeightedKl) {
  const auto vae = model<model::MlpVae>();
  const Objective objective(ObjectiveOptions{}, *vae);
  const LossTerms terms = objective.terms(*vae, {x_, noise_}, {0.1, 0});
  const model::VaeOutput output = vae->forward({x_, noise_});
  EXPECT_NEAR(number(terms.reconstruction), number((output.reconstruction - x_).square().mean()),
              1e-15);
  EXPECT_NEAR(number(terms.kld), number(kl_divergence(output.mu, output.log_var)), 1e-15);
  EXPECT_NEAR(number(terms.loss), number(terms.reconstruction) + 0.1 * number(terms.kld), 1e-15);
}

TEST_F(ObjectiveTest, IsNamedAsInPyTorchVaeWithItsSignOfTheKl) {
  const auto vae = model<model::MlpVae>();
  const LossTerms terms = Objective({}, *vae).terms(*vae, {x_, noise_}, {0.1, 0});
  const auto named = terms.named();
  ASSERT_EQ(named.size(), 3U);
  EXPECT_EQ(number(named.at("loss")), number(terms.loss));
  EXPECT_EQ(number(named.at("Reconstruction_Loss")), number(terms.reconstruction));
  EXPECT_EQ(number(named.at("KLD")), -number(terms.kld));
  EXPECT_GT(number(terms.kld), 0);
}

TEST_F(ObjectiveTest, HasCapacityInPlaceOfTheWeightedKl) {
  const auto vae = model<model::MlpVae>();
  ObjectiveOptions options;
  options.capacity_gamma = 5;
  const LossTerms terms = Objective(options, *vae).terms(*vae, {x_, noise_}, {0.1, 2.5});
  EXPECT_NEAR(number(terms.loss),
              number(terms.reconstruction) + 5 * std::abs(number(terms.kld) - 2.5), 1e-12);
}

TEST_F(ObjectiveTest, OfReplicasInOneBatchIsTheMeanOfTheirs) {
  ObjectiveOptions options;
  options.reduction = Reduction::sum;
  options.free_bits = 0.4;
  const auto vae = model<model::MlpVae>({Variance::optimal});
  const Objective objective(options, *vae);
  const LossTerms together = objective.terms(*vae, {x_, noise_}, {1, 0}, 4);
  double loss = 0, error = 0;
  for (std::int64_t r = 0; r < 4; ++r) {
    const LossTerms one =
        objective.terms(*vae, {x_.narrow(0, 2 * r, 2), noise_.narrow(0, 2 * r, 2)}, {1, 0});
    loss += number(one.loss) / 4;
    error += number(one.extra_terms.at(0)) / 4;
  }
  EXPECT_NEAR(number(together.loss), loss, 1e-12);
  EXPECT_NEAR(number(together.extra_terms.at(0)), error, 1e-15);
  EXPECT_GT(std::abs(number(objective.terms(*vae, {x_, noise_}, {1, 0}).loss) - loss), 1e-3)
      << "a single replica of all samples must give another loss";
}

TEST_F(ObjectiveTest, OfImportanceSamplesIsTheBoundThatRisesWithTheirNumber) {
  const auto vae = model<model::MlpVae>({Variance::fixed, 0.2});
  ObjectiveOptions options;
  options.reduction = Reduction::sum;
  double last = std::numeric_limits<double>::infinity();
  for (const std::int64_t draws : {1, 5, 50}) {
    options.importance_samples = draws;
    const Objective objective(options, *vae);
    EXPECT_EQ(objective.noise_per_sample(kBatch), draws * kLatent);
    double loss = 0;
    for (std::uint64_t trial = 0; trial < 50; ++trial)
      loss +=
          number(objective.terms(*vae, {x_, random({kBatch, draws * kLatent}, 100 + trial)}, {1, 0})
                     .loss) /
          50;
    EXPECT_LT(loss, last - 0.1) << draws << " draws";
    last = loss;
  }
}

TEST_F(ObjectiveTest, OfOneImportanceSampleIsTheElboInExpectation) {
  const auto vae = model<model::MlpVae>();
  ObjectiveOptions options;
  options.reduction = Reduction::sum;
  const Objective elbo(options, *vae);
  const at::Tensor noise = random({kBatch, 1, kLatent}, 5);
  const model::Posterior posterior = vae->encode(x_);
  const at::Tensor negative_log =
      vae->likelihood()
          .negative_log(vae->decode(model::reparameterize(posterior, noise.squeeze(1))), x_)
          .unsqueeze(1);
  // For the same draw, the bounds differ only in one term: log p(z) - log q(z|x) replaces its
  // expectation, -KL.
  const at::Tensor weights = log_importance_weights(posterior, noise, negative_log);
  const at::Tensor many = random({kBatch, 20000, kLatent}, 6);
  const at::Tensor log_ratio =
      log_importance_weights(posterior, many, at::zeros({kBatch, 20000}, at::kDouble));
  EXPECT_NEAR(number(log_ratio.mean()), -number(kl_divergence(posterior.mu, posterior.log_var)),
              0.02);
  EXPECT_NEAR(number(elbo.terms(*vae, {x_, noise.squeeze(1)}, {1, 0}).reconstruction),
              number(negative_log.mean()), 1e-12);
  EXPECT_TRUE(log_mean_exp(weights).allclose(weights.squeeze(1)));
}

TEST_F(ObjectiveTest, OfAnAutoencoderIsTheReconstructionOfItsCode) {
  const auto autoencoder = model<model::Autoencoder>();
  autoencoder->eval();
  const Objective objective(ObjectiveOptions{}, *autoencoder);
  EXPECT_EQ(objective.noise_per_sample(kBatch), 0);
  const LossTerms terms = objective.terms(*autoencoder, {x_, at::empty({kBatch, 0})}, {0.1, 0});
  const at::Tensor decoded = autoencoder->decode(autoencoder->encode(x_).mu).output;
  EXPECT_NEAR(number(terms.loss), number((decoded - x_).square().mean()), 1e-15);
  EXPECT_EQ(number(terms.kld), 0);
}

TEST_F(ObjectiveTest, OfADecoderAloneIsTheMarginalLikelihoodOverTheReplicasDraws) {
  ObjectiveOptions options;
  options.reduction = Reduction::sum;
  options.prior_samples = 12;
  const auto decoder = model<model::DecoderOnly>({Variance::fixed, 0.3});
  decoder->eval();
  const Objective objective(options, *decoder);
  // Each of the two replicas of 4 samples needs 12 draws, so each sample carries 3.
  ASSERT_EQ(objective.noise_per_sample(4), 3 * kLatent);
  const at::Tensor noise = random({kBatch, 3 * kLatent}, 7);
  const LossTerms terms = objective.terms(*decoder, {x_, noise}, {0, 0}, 2);

  double expected = 0;
  for (std::int64_t i = 0; i < kBatch; ++i) {
    const at::Tensor z = noise.narrow(0, i / 4 * 4, 4).reshape({12, kLatent});
    const at::Tensor mean = decoder->decode(z).output;
    const at::Tensor squares = (mean - x_[i]).square().flatten(1).sum(1);
    const at::Tensor log_p = -squares / (2 * 0.09) - 0.5 * kValues * std::log(2 * M_PI * 0.09);
    expected -= std::log(number(log_p.exp().mean())) / kBatch;
  }
  EXPECT_NEAR(number(terms.loss), expected, 1e-9);
  std::vector<std::string> names;
  for (const base::Term& term : objective.extra_terms()) names.push_back(term.name);
  EXPECT_THAT(names, testing::ElementsAre("effective_samples", "log_p_of_1_draws",
                                          "log_p_of_4_draws", "log_p_of_12_draws"));
  EXPECT_NEAR(number(terms.extra_terms.back()), -expected, 1e-9);
  EXPECT_GE(number(terms.extra_terms[0]), 1);
  EXPECT_LE(number(terms.extra_terms[0]), 12);

  options.reduction = Reduction::mean;
  EXPECT_NEAR(number(Objective(options, *decoder).terms(*decoder, {x_, noise}, {0, 0}, 2).loss),
              expected / kValues, 1e-10)
      << "only the final value must be divided";
}

/// Counts how often nearest codes are searched for while it lives, in this thread.
class Searches {
 public:
  Searches() {
    count_ = 0;
    callback_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(count).scopes({at::RecordScope::FUNCTION}));
  }
  ~Searches() { at::removeCallback(callback_); }
  Searches(const Searches&) = delete;
  Searches& operator=(const Searches&) = delete;

  int count() const { return count_; }

 private:
  static std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
    if (std::string_view(function.name()) == "aten::argmin") ++count_;
    return nullptr;
  }

  static inline int count_ = 0;
  at::CallbackHandle callback_;
};

TEST_F(ObjectiveTest, OfAQuantizedLatentCommitsToTheCodesThatTheDecoderReads) {
  model::NetworkOptions options = network();
  options.codebook = model::CodebookOptions{.size = 5, .groups = 3};
  const auto network =
      std::make_shared<model::Autoencoder>(options, model::make_likelihood("gaussian", {}));
  network->to(at::kDouble);
  const at::NoGradGuard no_grad;
  network->codes()->codebook.copy_(random({5, 1}, 4));
  ObjectiveOptions of_objective;
  of_objective.commitment = 0.3;
  const Objective objective(of_objective, *network);
  const at::Tensor z = network->encode({x_, {}}).mu;
  const at::Tensor codes = network->codes()->latents_of(network->codes()->codes_of(z));
  const double distance = number((z - codes).square().mean());
  ASSERT_GT(distance, 0);
  for (const std::int64_t replicas : {1, 2}) {
    const Searches searches;
    const LossTerms terms = objective.terms(*network, {x_, {}}, {}, replicas);
    EXPECT_EQ(searches.count(), 1) << replicas << " replicas";
    EXPECT_NEAR(number(terms.extra_terms.back()), distance, 1e-14);
    EXPECT_NEAR(number(terms.loss), number(terms.reconstruction) + 0.3 * distance, 1e-14);
  }
  const Forward forward = objective.forward(*network, {x_, {}}, /*decode=*/true);
  EXPECT_TRUE(forward.decoded.quantized.equal(codes));
  EXPECT_TRUE(forward.decoded.narrow(2, 3).quantized.equal(codes.narrow(0, 2, 3)));
}

TEST(EffectiveSampleSize, IsBetweenOneAndTheNumberOfDraws) {
  EXPECT_NEAR(number(effective_sample_size(at::zeros({1, 8}, at::kDouble))), 8, 1e-12);
  EXPECT_NEAR(
      number(effective_sample_size(at::tensor({0.0, -1000.0, -1000.0}, at::kDouble).unsqueeze(0))),
      1, 1e-12);
}

TEST(GrowingCounts, EndInAllDraws) {
  EXPECT_THAT(growing_counts(1), testing::ElementsAre(1));
  EXPECT_THAT(growing_counts(64), testing::ElementsAre(1, 4, 16, 64));
  EXPECT_THAT(growing_counts(100), testing::ElementsAre(1, 4, 16, 64, 100));
}

}  // namespace
}  // namespace vae_dist::objective
