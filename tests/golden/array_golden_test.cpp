// Compares networks on series, volumes and vectors, the likelihoods of other values than pixels,
// and conditions inside the model with independent implementations in plain PyTorch: the results,
// the terms of the objective and every gradient. What trains them does not depend on any of this
// (golden_test.cpp).
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "golden_case.hpp"
#include "model/initial_weights.hpp"
#include "model/network_registry.hpp"
#include "objective/objective.hpp"
#include "step/make_model.hpp"
#include "step/resolved_objective.hpp"
#include "step/weights.hpp"

namespace vae_dist {
namespace {

const std::vector<std::string> kArrayCases = {
    "autoencoder_volumes",
    "conditional_autoencoder",
    "conditional_linear_series",
    "conditional_mlp_vectors",
    "conditional_resnet_images",
    "conditional_resnet_volumes_spatial",
    "conditional_vanilla_draws_3",
    "conditional_vanilla_images",
    "conditional_vanilla_series",
    "conditional_vanilla_volumes",
    "conditional_zero_inflated",
    "decoder_only_series",
    "laplace_fixed",
    "laplace_learned_volumes",
    "laplace_mean",
    "laplace_predicted",
    "laplace_predicted_mlp_vectors",
    "linear_images",
    "linear_series",
    "linear_vectors_draws_3",
    "linear_vectors_predicted",
    "linear_volumes",
    "mlp_series",
    "mlp_vectors_predicted_shared",
    "mlp_volumes_predicted",
    "negative_binomial_draws_3",
    "negative_binomial_series",
    "negative_binomial_vectors",
    "poisson_decoder_only_series",
    "poisson_images",
    "poisson_mean",
    "poisson_vectors",
    "resnet_series",
    "resnet_series_spatial",
    "resnet_volumes",
    "resnet_volumes_spatial_predicted",
    "vanilla_series",
    "vanilla_series_logistic",
    "vanilla_series_predicted_shared",
    "vanilla_volumes",
    "vanilla_volumes_one_level",
    "vanilla_volumes_predicted",
    "zero_inflated_decoder_only_series",
    "zero_inflated_linear",
    "zero_inflated_vectors",
    "zero_inflated_volumes",
};

/// Parameters: case, precision, memory order.
class ArrayGolden : public testing::TestWithParam<std::tuple<std::string, std::string, bool>> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }

  ArrayGolden()
      : golden_("arrays/" + std::get<0>(GetParam())),
        exact_(std::get<1>(GetParam()) == "fp64"),
        channels_last_(std::get<2>(GetParam())),
        config_(golden_.config(std::get<1>(GetParam()), channels_last_)),
        space_(golden_.space()),
        model_(make()),
        objective_(step::objective_options(config_.objective), *model_) {
    checkpoint::TensorFile weights;
    weights.tensors = golden_.group("weight.");
    step::restore_weights(*model_, weights, golden_.origin());
    const at::MemoryFormat format = model::memory_format(space_.size(), channels_last_);
    for (at::Tensor parameter : model_->parameters())
      if (format != at::MemoryFormat::Contiguous &&
          parameter.dim() == static_cast<std::int64_t>(space_.size()) + 2)
        parameter.set_data(parameter.data().contiguous(format));
    sample_ = model::Sample(typed("images").contiguous(format), typed("noise")[0]);
    if (golden_.has("condition")) sample_.condition = golden_.tensor("condition").to(at::kFloat);
  }

  at::Tensor typed(const std::string& name) const {
    return golden_.tensor(name).to(exact_ ? at::kDouble : at::kFloat);
  }

  // The configuration knows no conditions.
  std::shared_ptr<model::LatentModel> make() const {
    const arrays::SampleShape shape = {golden_.fact("channels"), space_};
    model::NetworkOptions options = step::network_options(config_, shape);
    options.condition_values = golden_.has("condition") ? golden_.tensor("condition").size(1) : 0;
    const base::Chosen<base::Network>& chosen = config_.model.network;
    auto model = model::make_network(
        chosen.name, {options, chosen.settings(), step::make_likelihood(config_, shape)});
    model::draw_initial_weights(*model, 1);
    model->to(exact_ ? at::kDouble : at::kFloat);
    for (const auto& buffer : model->named_buffers()) {
      at::Tensor tensor = buffer.value();
      if (buffer.key().ends_with("num_batches_tracked")) tensor.set_data(tensor.to(at::kLong));
    }
    return model;
  }

  void expect_close(const std::string& name, const at::Tensor& ours, const at::Tensor& reference,
                    double scale, double allowed) {
    ASSERT_EQ(ours.sizes(), reference.sizes()) << name;
    const double seen = largest(ours.detach().to(at::kDouble) - reference.to(at::kDouble)) / scale;
    // Not EXPECT_FALSE(seen > allowed), so that NaN fails.
    EXPECT_TRUE(seen <= allowed) << name << " differs by " << seen << " (in units of " << scale
                                 << "), but the tolerance is " << allowed;
  }

  GoldenCase golden_;
  bool exact_, channels_last_;
  config::Config config_;
  model::Space space_;
  std::shared_ptr<model::LatentModel> model_;
  objective::Objective objective_;
  model::Sample sample_;
};

TEST_P(ArrayGolden, ForwardInEvaluationMode) {
  const at::NoGradGuard no_grad;
  model_->eval();
  std::map<std::string, at::Tensor> ours;
  const std::int64_t latent = model_->latent_values();
  model::Decoded decoded;
  if (model_->latent_kind() == base::LatentKind::none) {
    decoded = model_->decode(
        sample_.noise.reshape({-1, latent}).narrow(0, 0, config_.objective.prior_samples));
    ours["negative_log"] = model_->likelihood().negative_log_of_pairs(decoded, sample_);
    ours["output"] = model_->likelihood().mean_image(decoded);
  } else {
    const model::Posterior posterior = model_->encode(sample_);
    ours["mu"] = posterior.mu;
    if (!posterior.is_point()) ours["log_var"] = posterior.log_var;
    decoded = model_->decode(
        model::reparameterize(
            posterior, posterior.is_point() ? sample_.noise : sample_.noise.narrow(1, 0, latent)),
        sample_);
    ours["negative_log"] = model_->likelihood().negative_log(decoded, sample_);
    ours["output"] = model_->likelihood().mean_image(decoded, sample_);
  }
  if (decoded.second.defined()) ours["second"] = decoded.second;
  const auto reference = golden_.group("evaluation.");
  for (const auto& [name, tensor] : reference) {
    ASSERT_TRUE(ours.contains(name)) << name;
    expect_close(name, ours.at(name), tensor, std::max(1.0, largest(tensor)), exact_ ? 1e-9 : 5e-5);
  }
  EXPECT_FALSE(reference.empty());
}

TEST_P(ArrayGolden, TermsAndEveryGradientOfAStep) {
  const objective::StepWeights weights = {golden_.tensor("factor").item<double>()};
  const objective::LossTerms terms = objective_.terms(*model_, sample_, weights);
  terms.loss.backward();

  const auto gradients = golden_.group("gradient.");
  double scale = 0;
  for (const auto& [name, gradient] : gradients) scale = std::max(scale, largest(gradient));
  std::size_t compared = 0;
  double squares = 0;
  for (const auto& entry : model_->named_parameters()) {
    if (!entry.value().requires_grad()) continue;
    const auto found = gradients.find(entry.key());
    ASSERT_NE(found, gradients.end()) << entry.key() << " is trained here, not in the reference";
    expect_close(entry.key(), entry.value().grad(), found->second, scale, exact_ ? 1e-9 : 1e-4);
    squares += entry.value().grad().to(at::kDouble).square().sum().item<double>();
    ++compared;
  }
  EXPECT_EQ(compared, gradients.size());

  std::vector<at::Tensor> ours = {terms.loss.detach(), terms.reconstruction.detach(),
                                  terms.kld.detach(),
                                  at::scalar_tensor(std::sqrt(squares), at::kDouble)};
  ours.insert(ours.end(), terms.extra_terms.begin(), terms.extra_terms.end());
  const at::Tensor outcomes = golden_.tensor("outcomes");
  ASSERT_EQ(outcomes.size(0), static_cast<std::int64_t>(ours.size()));
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const at::Tensor reference = outcomes[static_cast<std::int64_t>(i)];
    // The draws' weights are exponentials of -log p in nats.
    const double single = i < 4 ? 5e-5 : 2e-2;
    expect_close("term " + std::to_string(i), ours[i], reference,
                 std::max(std::abs(reference.item<double>()), 1e-9), exact_ ? 1e-9 : single);
  }
}

std::string array_name(const testing::TestParamInfo<ArrayGolden::ParamType>& info) {
  const auto& [name, precision, channels_last] = info.param;
  return name + "_" + precision + (channels_last ? "_channels_last" : "_contiguous");
}

INSTANTIATE_TEST_SUITE_P(Cases, ArrayGolden,
                         testing::Combine(testing::ValuesIn(kArrayCases),
                                          testing::Values("fp64", "fp32"), testing::Bool()),
                         array_name);

TEST(ArrayGoldenNumbers, AreAllCompared) {
  std::vector<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder() / "arrays"))
    there.push_back(entry.path().stem());
  std::sort(there.begin(), there.end());
  EXPECT_EQ(there, kArrayCases);
}

}  // namespace
}  // namespace vae_dist
