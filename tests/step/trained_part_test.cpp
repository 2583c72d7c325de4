// Trains a part of the model: with frozen modules, and with two parts side by side.
#include "step/trained_part.hpp"

#include <gmock/gmock.h>

#include "comm/agreement.hpp"
#include "objective/gaussian.hpp"
#include "small_run.hpp"

namespace vae_dist::step {
namespace {

using testing::HasSubstr;

std::map<std::string, at::Tensor> weights_of(const Learner& learner) {
  return learner.weights().tensors;
}

TEST(FrozenModules, StayAsTheyAreWhileTheOthersLearn) {
  const auto self = comm::make_self_communicator();
  config::Config config = small_config();
  config.train.freeze = {"encoder", "fc_mu", "fc_var"};
  config.train.ema_decay = 0.9;
  SmallRank rank(config, 4, *self);
  const auto before = weights_of(rank.learner());
  for (const std::int64_t number : {0, 1, 2}) rank.step(number);
  for (const auto& [name, tensor] : weights_of(rank.learner())) {
    const bool frozen =
        name.starts_with("encoder.") || name.starts_with("fc_mu.") || name.starts_with("fc_var.");
    if (frozen) {
      EXPECT_TRUE(tensor.equal(before.at(name))) << name;
    }
    if (name == "decoder_input.weight" || name == "decoder.0.1.running_mean" ||
        name == "final_layer.3.bias") {
      EXPECT_FALSE(tensor.equal(before.at(name))) << name;
    }
  }
  for (const auto& [name, tensor] : rank.learner().optimizer_state().tensors)
    EXPECT_EQ(name.find("encoder."), std::string::npos) << name;
}

TEST(FrozenModules, KeepALikelihoodsRunningError) {
  const auto self = comm::make_self_communicator();
  config::Config config = small_config();
  config.objective.likelihood.settings_of<objective::GaussianSettings>("gaussian").variance =
      objective::Variance::optimal;
  config.objective.reduction = config::Reduction::sum;
  for (const bool frozen : {false, true}) {
    if (frozen) config.train.freeze = {"likelihood"};
    SmallRank rank(config, 4, *self);
    const at::Tensor before = weights_of(rank.learner()).at("likelihood.running_mse");
    rank.step(0);
    EXPECT_EQ(weights_of(rank.learner()).at("likelihood.running_mse").equal(before), frozen);
  }
}

TEST(FrozenModules, TrainTheSameAtAnyNumberOfRanksAndGoOnFromACheckpoint) {
  config::Config config = small_config();
  config.train.freeze = {"encoder"};
  config.distributed.reproducible = true;
  const auto self = comm::make_self_communicator();
  SmallRank alone(config, 4, *self);
  for (const std::int64_t number : {0, 1}) alone.step(number);
  const checkpoint::Checkpoint saved{
      alone.learner().weights(), alone.learner().optimizer_state(), {}, ""};
  alone.step(2);
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
    SmallRank rank(config, 4, comm);
    rank.learner().restore(saved, "saved");
    rank.step(2);
    EXPECT_TRUE(same_tensors(rank.state(), alone.state()));
  });
}

TEST(FrozenModules, AreRefusedWhereThereAreNoSuchOrNothingIsLeft) {
  const auto self = comm::make_self_communicator();
  const auto refusal_of = [&](const std::vector<std::string>& names) -> std::string {
    config::Config config = small_config();
    config.train.freeze = names;
    try {
      SmallRank(config, 4, *self);
    } catch (const comm::AgreedError& error) {
      return error.what();
    }
    return "not refused";
  };
  EXPECT_THAT(refusal_of({"encoder", "encodre"}),
              HasSubstr("train.freeze: 'encodre' is neither a module"));
  EXPECT_THAT(refusal_of({"encoder", "fc_mu", "fc_var", "decoder_input", "decoder", "final_layer"}),
              HasSubstr("nothing to train"));
}

// The model's parameters as one part or as two, each with its own rule.
struct InParts {
  explicit InParts(bool two, double clip_norm = 0)
      : model(make_model(small_config(), kSmallShape)), objective({}, *model) {
    parallel::NamedTensors first, second;
    for (const auto& entry : trained_parameters(*model))
      (!two || entry.first.starts_with("encoder.") ? first : second).push_back(entry);
    add("", first);
    if (two) add("rest", second);
    statistics.emplace(*model, objective, parts.front()->parameters().values().options());
    StepOptions options;
    if (clip_norm > 0) options.clip_norm = clip_norm;
    std::vector<TrainedPart*> all;
    for (const auto& part : parts) {
      part->reduce_through(nullptr, all.empty() ? statistics->sums() : at::zeros({0}, at::kDouble),
                           {});
      all.push_back(part.get());
    }
    step.emplace(StepParts{*model, objective, *statistics, all}, options);
    model->train();
  }

  void add(const std::string& name, const parallel::NamedTensors& parameters) {
    PartRequest part{.name = name, .parameters = parameters};
    part.optimizer.rule.name = "sgd";
    parts.push_back(std::make_unique<TrainedPart>(part));
  }

  StepValues run(std::int64_t number, double broken = 0) {
    const at::Tensor images = images_of_step(number);
    if (broken != 0) images[3][0][4][5] = broken;
    const at::Tensor values = step->run({images, noise_of_step(number)}, 0.1, {kSmallKldFactor, 0})
                                  .values.to(at::kDouble)
                                  .contiguous();
    return step_values(
        {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()});
  }

  std::vector<at::Tensor> state() const {
    std::vector<at::Tensor> out;
    for (const auto& [name, tensor] : named_state(*model)) out.push_back(tensor.detach().clone());
    return out;
  }

  std::shared_ptr<model::LatentModel> model;
  objective::Objective objective;
  std::vector<std::unique_ptr<TrainedPart>> parts;
  std::optional<StepStatistics> statistics;
  std::optional<TrainingStep> step;
};

TEST(TwoParts, AreTrainedAsOneWithOneNormAndOneClipping) {
  at::set_num_threads(1);
  InParts one(false, 0.02), two(true, 0.02);
  for (const std::int64_t number : {0, 1, 2}) {
    const StepValues a = one.run(number), b = two.run(number);
    EXPECT_NEAR(b.gradient_norm, a.gradient_norm, 1e-12 * a.gradient_norm);
    EXPECT_GT(a.gradient_norm, 0.02) << "otherwise nothing is clipped";
  }
  const auto a = one.state(), b = two.state();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::allclose(b[i], a[i], 1e-9, 1e-12));
}

TEST(TwoParts, SkipAStepTogether) {
  InParts two(true);
  two.run(0);
  const auto before = two.state();
  EXPECT_TRUE(two.run(1, std::numeric_limits<double>::quiet_NaN()).skipped);
  EXPECT_TRUE(same_tensors(two.state(), before));
  for (const auto& part : two.parts) EXPECT_EQ(part->optimizer().step_count().item<float>(), 1);
}

TEST(TwoParts, HaveNamesOfTheirOwnInACheckpoint) {
  InParts two(true);
  std::vector<std::string> names;
  for (const auto& part : two.parts)
    for (const auto& [name, tensor] : part->state()) names.push_back(name);
  EXPECT_THAT(names, testing::ElementsAre("step", "rest/step"));
}

}  // namespace
}  // namespace vae_dist::step
