// Our training step against torch's: vanilla_vae_reference.py is an independent model in plain PyTorch, and make_golden_numbers.py
// wrote down what it does. ctest runs it before this program.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "train/learner.hpp"

namespace vae_dist {
namespace {

const std::vector<std::string> kCases = {
    "adam_weight_decay", "adamw", "clip_norm_not_reached", "clipped", "colour_64", "grey_28", "identity_output", "large_batch",
    "odd_size", "one_level", "replicas_4", "replicas_4_sum_clipped", "sum", "sum_tanh_odd_size", "tanh_activation", "tanh_output",
};

std::filesystem::path golden_folder() {
  const char* folder = std::getenv("VAE_DIST_GOLDEN_NUMBERS");
  if (folder == nullptr) throw std::runtime_error("VAE_DIST_GOLDEN_NUMBERS must name the folder that make_golden_numbers.py has filled");
  return folder;
}

// How far apart the numbers may be: everything the reference says is in double precision, for both of ours. A single one wanders off
// step by step, the losses least: an activation at the kink of a rectifier falls on either side of it.
struct Tolerance {
  double values;      // in units of the tensor's largest value, at least 1: outputs, running statistics
  double gradients;   // absolute, in units of the model's largest gradient
  double first_step;  // relative: loss, reconstruction, KL, gradient norm
  double losses;      // relative, over all ten steps: loss, reconstruction
  double terms;       // relative, over all ten steps: KL, gradient norm
};
constexpr Tolerance kDouble = {1e-9, 1e-9, 1e-9, 1e-9, 1e-9};
constexpr Tolerance kSingle = {5e-5, 1e-4, 5e-5, 1e-4, 5e-3};

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

double difference(const at::Tensor& ours, const at::Tensor& reference) {
  EXPECT_EQ(ours.sizes(), reference.sizes());
  return largest(ours.detach().to(at::kDouble) - reference.to(at::kDouble));
}

class GoldenCase {
 public:
  explicit GoldenCase(const std::string& name)
      : origin_((golden_folder() / (name + ".safetensors")).string()), file_(read_safetensors(origin_)) {}

  const std::string& origin() const { return origin_; }
  const at::Tensor& tensor(const std::string& name) const { return file_.tensors.at(name); }
  const std::string& word(const std::string& key) const { return file_.metadata.at(key); }
  double number(const std::string& key) const { return std::stod(word(key)); }
  std::int64_t integer(const std::string& key) const { return std::stoll(word(key)); }

  std::vector<std::int64_t> integers(const std::string& key) const {
    std::istringstream in(word(key));
    return {std::istream_iterator<std::int64_t>(in), {}};
  }

  /// The tensors whose names begin with `prefix`, without it.
  std::map<std::string, at::Tensor> group(const std::string& prefix) const {
    std::map<std::string, at::Tensor> out;
    for (const auto& [name, tensor] : file_.tensors)
      if (name.starts_with(prefix)) out[name.substr(prefix.size())] = tensor;
    return out;
  }

 private:
  std::string origin_;
  TensorFile file_;
};

Config config_of(const GoldenCase& golden, const std::string& precision, bool channels_last) {
  Config config;
  config.model.hidden_dims = golden.integers("hidden_dims");
  config.model.latent_dim = golden.integer("latent_dim");
  config.model.activation = golden.word("activation");
  config.model.output = golden.word("output");
  config.objective.reduction = golden.word("reduction");
  config.objective.sigma = golden.number("sigma");
  config.train.optimizer.name = golden.word("optimizer");
  config.train.optimizer.weight_decay = golden.number("weight_decay");
  if (golden.number("clip_norm") > 0) config.train.gradient_clip_norm = golden.number("clip_norm");
  config.train.precision = precision;
  config.train.channels_last = channels_last;
  return config;
}

// The learner of a case on one rank, with the reference's weights, and the case's inputs as the loop would hand them over.
class GoldenRun {
 public:
  GoldenRun(const GoldenCase& golden, const std::string& precision, bool channels_last)
      : golden_(golden),
        type_(precision == "fp64" ? at::kDouble : at::kFloat),
        self_(make_self_communicator()),
        learner_(config_of(golden, precision, channels_last),
                 ImageShape{golden.integer("channels"), golden.integer("height"), golden.integer("width")},
                 ReplicaPlan{golden.integer("batch"), golden.integer("replicas"), 1, 0}, DeviceChoice{}, *self_, log_),
        images_(golden.tensor("images").to(type_).contiguous(channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous)) {
    Checkpoint start;
    start.weights.tensors = golden.group("weight.");
    start.optimizer = learner_.optimizer_state();
    learner_.restore(start, golden.origin());
  }

  LatentModel& model() { return learner_.model(); }
  const at::Tensor& images() const { return images_; }
  at::Tensor noise(std::int64_t step) const { return golden_.tensor("noise")[step].to(type_); }
  TensorFile weights() const { return learner_.weights(); }
  at::Tensor step(std::int64_t number) {
    return learner_.step(images_, noise(number), golden_.number("learning_rate"), {golden_.number("kld_factor"), 0}).values.to(at::kDouble);
  }

 private:
  const GoldenCase& golden_;
  at::ScalarType type_;
  std::unique_ptr<Communicator> self_;
  CollectiveLog log_;
  Learner learner_;
  at::Tensor images_;
};

/// Parameters: case, precision, memory order.
class Golden : public testing::TestWithParam<std::tuple<std::string, std::string, bool>> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }
  // The largest differences that were seen, for whoever wants to know how much room a tolerance leaves.
  static void TearDownTestSuite() {
    for (const auto& [what, seen] : seen_) std::cout << "largest difference, " << what << ": " << seen << "\n";
  }

  Golden() : golden_(std::get<0>(GetParam())), precision_(std::get<1>(GetParam())), run_(golden_, precision_, std::get<2>(GetParam())) {}

  Tolerance tolerance() const { return precision_ == "fp64" ? kDouble : kSingle; }

  void expect_close(const std::string& kind, const std::string& name, const at::Tensor& ours, const at::Tensor& reference, double scale,
                    double allowed) {
    const double seen = difference(ours, reference) / scale;
    // Written this way round so that NaN fails.
    EXPECT_TRUE(seen <= allowed) << name << " differs by " << seen << " (in units of " << scale << "), allowed are " << allowed;
    double& worst = seen_[precision_ + " " + kind];
    worst = std::max(worst, seen);
  }

  void expect_values(const std::string& kind, const std::string& name, const at::Tensor& ours, const at::Tensor& reference) {
    expect_close(kind, name, ours, reference, std::max(1.0, largest(reference.to(at::kDouble))), tolerance().values);
  }

  GoldenCase golden_;
  std::string precision_;
  GoldenRun run_;

 private:
  static std::map<std::string, double> seen_;
};
std::map<std::string, double> Golden::seen_;

TEST_P(Golden, ForwardInEvaluationMode) {
  const at::NoGradGuard no_grad;
  run_.model().eval();
  const VaeOutput ours = run_.model().forward(run_.images(), run_.noise(0));
  expect_values("outputs", "output", ours.reconstruction, golden_.tensor("evaluation.output"));
  expect_values("outputs", "mu", ours.mu, golden_.tensor("evaluation.mu"));
  expect_values("outputs", "log_var", ours.log_var, golden_.tensor("evaluation.log_var"));
}

TEST_P(Golden, ForwardInTrainingMode) {
  const at::NoGradGuard no_grad;
  const auto images = run_.images().chunk(golden_.integer("replicas")), noise = run_.noise(0).chunk(golden_.integer("replicas"));
  const VaeOutput ours = run_.model().forward(images[0], noise[0]);
  expect_values("outputs", "output", ours.reconstruction, golden_.tensor("output"));
  expect_values("outputs", "mu", ours.mu, golden_.tensor("mu"));
  expect_values("outputs", "log_var", ours.log_var, golden_.tensor("log_var"));
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
    expect_close("gradients", entry.key(), entry.value().grad(), found->second, scale, tolerance().gradients);
    ++compared;
  }
  EXPECT_EQ(compared, gradients.size());

  const TensorFile ours = run_.weights();
  ASSERT_EQ(ours.tensors.size(), state.size());
  for (const auto& [name, tensor] : state) {
    if (name.ends_with("num_batches_tracked")) {
      EXPECT_TRUE(ours.tensors.at(name).equal(tensor)) << name;
    } else if (name.find("running_") != std::string::npos) {
      expect_values("running statistics", name, ours.tensors.at(name), tensor);
    } else if (precision_ == "fp64") {
      // Adam's first step is the sign of the gradient: in single precision, where that is nearly zero, noise decides.
      expect_values("weights after a step", name, ours.tensors.at(name), tensor);
    }
  }
}

TEST_P(Golden, LossesOfTenStepsOfTheOptimizer) {
  const at::Tensor outcomes = golden_.tensor("outcomes");
  ASSERT_EQ(outcomes.sizes(), (std::vector<std::int64_t>{10, 4}));
  const char* names[] = {"loss", "reconstruction", "KL", "gradient norm"};
  for (std::int64_t step = 0; step < 10; ++step) {
    const at::Tensor ours = run_.step(step);
    for (std::int64_t i = 0; i < 4; ++i) {
      const std::string when = step == 0 ? " of the first step" : " of all steps";
      const double allowed = step == 0 ? tolerance().first_step : i < 2 ? tolerance().losses : tolerance().terms;
      const at::Tensor reference = outcomes[step][i];
      expect_close(names[i] + when, names[i] + (" of step " + std::to_string(step)), ours[i], reference, reference.abs().item<double>(), allowed);
    }
    EXPECT_EQ(ours[4].item<double>(), 0) << "step " << step << " was skipped";
  }
}

std::string parameters_name(const testing::TestParamInfo<Golden::ParamType>& info) {
  const auto& [name, precision, channels_last] = info.param;
  return name + "_" + precision + (channels_last ? "_channels_last" : "_contiguous");
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::Combine(testing::ValuesIn(kCases), testing::Values("fp64", "fp32"), testing::Bool()),
                         parameters_name);

TEST(GoldenNumbers, AreAllCompared) {
  std::vector<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder())) there.push_back(entry.path().stem());
  std::sort(there.begin(), there.end());
  EXPECT_EQ(there, kCases);
}

}  // namespace
}  // namespace vae_dist
