// train.precision bf16 rounds in convolutions and matrix products, but not in weights, gradients
// and sums.
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <map>

#include "small_run.hpp"
#include "step/make_model.hpp"
#include "step/resolved_objective.hpp"

namespace vae_dist::step {
namespace {

class Bfloat16 : public testing::TestWithParam<std::string> {
 protected:
  static config::Config config(const std::string& precision) {
    config::Config out = small_config(precision);
    out.distributed.batch_norm = config::from_word<config::BatchNorm>(GetParam());
    return out;
  }
  std::unique_ptr<comm::CpuCommunicator> self_ = comm::make_self_communicator();
};

TEST_P(Bfloat16, KeepsWeightsGradientsAndOutputsInSinglePrecision) {
  SmallRank rank(config("bf16"), 4, *self_);
  rank.step(0);
  for (const auto& parameter : rank.model().parameters()) {
    EXPECT_EQ(parameter.scalar_type(), at::kFloat);
    if (parameter.requires_grad()) {
      EXPECT_EQ(parameter.grad().scalar_type(), at::kFloat);
    }
  }
  const at::NoGradGuard no_grad;
  const model::VaeOutput output =
      rank.model().forward({images_of_step(0, at::kFloat), noise_of_step(0, at::kFloat)});
  for (const at::Tensor& tensor : {output.reconstruction, output.mu, output.log_var})
    EXPECT_EQ(tensor.scalar_type(), at::kFloat);
}

TEST_P(Bfloat16, ComputesNearlyTheSame) {
  SmallRank rounded(config("bf16"), 4, *self_), exact(config("fp32"), 4, *self_);
  bool differs = false;
  for (std::int64_t number = 0; number < 10; ++number) {
    const auto ours = rounded.step(number), expected = exact.step(number);
    // A product has 8 bits, so its error is 0.4 %. Errors average out in large sums.
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_NEAR(ours[i], expected[i], 0.02 * expected[i])
          << "term " << i << " of step " << number;
    EXPECT_EQ(ours[4], 0);
    differs |= ours[0] != expected[0];
  }
  EXPECT_TRUE(differs) << "nothing was rounded";
}

// A step in which every layer rounds its weights by itself, as PyTorch's automatic mixed precision
// does.
class LayerByLayer {
 public:
  LayerByLayer(const config::Config& config, std::int64_t replicas,
               const at::TensorOptions& options)
      : model_(make_model(config, kSmallShape)),
        objective_(objective_options(config.objective), *model_),
        part_({.name = "", .parameters = trained_parameters(*model_)}),
        statistics_(*model_, objective_, options),
        step_({*model_, objective_, statistics_, {&part_}}, of(replicas)) {
    parallel::ReducerOptions reducing;
    reducing.batches = replicas;
    reducing.reproducible = config.distributed.reproducible;
    part_.reduce_through(nullptr, statistics_.sums(), reducing);
    model_->train();
  }

  static StepOptions of(std::int64_t replicas) {
    StepOptions options;
    options.batches = options.global_batches = replicas;
    return options;
  }

  void step(std::int64_t number) {
    step_
        .run({images_of_step(number, at::kFloat), noise_of_step(number, at::kFloat)},
             kSmallLearningRate, {kSmallKldFactor, kSmallCapacity})
        .values.to(at::kDouble);
  }

  const model::LatentModel& model() const { return *model_; }

 private:
  std::shared_ptr<model::LatentModel> model_;
  objective::Objective objective_;
  TrainedPart part_;
  StepStatistics statistics_;
  TrainingStep step_;
};

// Calls of each operation in this thread, also inside other operations.
std::map<std::string, int> operations_of(const std::function<void()>& work) {
  static thread_local std::map<std::string, int>* counts = nullptr;
  std::map<std::string, int> out;
  counts = &out;
  const at::CallbackHandle handle =
      at::addThreadLocalCallback(at::RecordFunctionCallback([](const at::RecordFunction& function) {
        ++(*counts)[function.name()];
        return std::unique_ptr<at::ObserverContext>();
      }));
  work();
  at::removeCallback(handle);
  return out;
}

TEST(Bfloat16Weights, RoundedAtOnceGiveTheBitsOfThoseRoundedLayerByLayer) {
  const auto self = comm::make_self_communicator();
  for (const bool reproducible : {false, true})
    for (const std::int64_t replicas : {1, 4}) {
      config::Config config = small_config("bf16");
      config.distributed.reproducible = reproducible;
      SmallRank ours(config, replicas, *self);
      LayerByLayer theirs(config, replicas, at::kFloat);
      for (std::int64_t number = 0; number < 4; ++number) {
        ours.step(number);
        theirs.step(number);
      }
      const auto expected = named_state(theirs.model());
      for (const auto& [name, tensor] : named_state(ours.model())) {
        const auto same = std::ranges::find(expected, name, [](const auto& e) { return e.first; });
        ASSERT_NE(same, expected.end());
        EXPECT_TRUE(tensor.equal(same->second))
            << name << ", " << replicas << " replicas, reproducible " << reproducible;
      }
    }
}

TEST(Bfloat16Weights, TakeOneConversionAStep) {
  const auto self = comm::make_self_communicator();
  const config::Config config = small_config("bf16");
  SmallRank ours(config, 1, *self);
  LayerByLayer theirs(config, 1, at::kFloat);
  ours.step(0);
  theirs.step(0);
  auto rounded_at_once = operations_of([&] { ours.step(1); }),
       layer_by_layer = operations_of([&] { theirs.step(1); });
  // The weights of five convolutions, the one bias among them that is trained, weights and biases
  // of three linear layers: rounded in forward, and their gradients converted in backward.
  EXPECT_EQ(layer_by_layer["aten::_to_copy"] - rounded_at_once["aten::_to_copy"], 2 * (6 + 6));
}

INSTANTIATE_TEST_SUITE_P(BatchNorm, Bfloat16, testing::Values("local", "sync"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace vae_dist::step
