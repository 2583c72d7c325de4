// train.recompute: blocks changes what a step keeps in memory, and no bit of what it computes.
#include <c10/core/Allocator.h>

#include <algorithm>

#include "course.hpp"
#include "model/resnet_vae.hpp"

namespace vae_dist::step {
namespace {

config::Config residual(const std::string& precision) {
  config::Config out = small_config(precision);
  out.model.network.name = "resnet_vae";
  auto& own = out.model.network.settings_of<model::ResnetOptions>("resnet_vae");
  own.blocks = 2;
  own.attention_at = {5};  // the second level's height
  out.distributed.first_bucket_mib = out.distributed.bucket_mib = 0.001;  // several buckets
  return out;
}

struct Case {
  std::string name, precision = "fp64";
  int ranks = 1;
  std::int64_t replicas = 1;
  std::function<void(config::Config&)> change = [](config::Config&) {};
};

std::vector<Case> cases() {
  const auto frozen = [](std::vector<std::string> names) {
    return [names = std::move(names)](config::Config& config) { config.train.freeze = names; };
  };
  return {{"Double"},
          {"Single", "fp32"},
          {"Bfloat16", "bf16"},
          {"ContiguousBfloat16", "bf16", 1, 1,
           [](config::Config& config) { config.train.channels_last = false; }},
          {"SiluInBfloat16", "bf16", 1, 2,
           [](config::Config& config) { config.model.activation = config::Activation::silu; }},
          {"FourReplicas", "bf16", 1, 4},
          {"TwoRanksOfTwoReplicas", "fp32", 2, 4},
          {"TwoRanksOfTwoReplicasAsATree", "bf16", 2, 4,
           [](config::Config& config) { config.distributed.reproducible = true; }},
          {"ClippedWithAnAverage", "fp32", 1, 2,
           [](config::Config& config) {
             config.train.gradient_clip_norm = 0.01;
             config.train.ema_decay = 0.9;
           }},
          {"SpatialLatent", "fp32", 1, 1,
           [](config::Config& config) {
             config.model.network.settings_of<model::ResnetOptions>("resnet_vae").spatial_latent =
                 true;
           }},
          {"DrawsOfABound", "fp64", 1, 2,
           [](config::Config& config) {
             config.objective.reduction = config::Reduction::sum;
             config.objective.importance_samples = 3;
           }},
          // A block without a gradient for its input, some of whose layers learn nothing; then
          // one in which nothing learns, in front of others that learn.
          {"HalfOfABlockFrozen", "bf16", 1, 2, frozen({"encoder.0", "encoder.1.conv1"})},
          {"BlocksFrozen", "fp32", 1, 2, frozen({"encoder.0", "encoder.1", "decoder.0"})}};
}

class RecomputedBlocks : public testing::TestWithParam<Case> {};

TEST_P(RecomputedBlocks, TrainWithTheSameBits) {
  config::Config config = residual(GetParam().precision);
  GetParam().change(config);
  const Course kept = train(config, GetParam().replicas, GetParam().ranks);
  config.train.recompute = config::Recompute::blocks;
  const Course recomputed = train(config, GetParam().replicas, GetParam().ranks);
  EXPECT_EQ(recomputed.steps, kept.steps);
  for (std::size_t step = 0; step < kept.gradients.size(); ++step)
    EXPECT_TRUE(same_tensors(recomputed.gradients[step], kept.gradients[step])) << "step " << step;
  EXPECT_TRUE(same_tensors(recomputed.state, kept.state));
}

INSTANTIATE_TEST_SUITE_P(Kinds, RecomputedBlocks, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

// Counts what LibTorch holds on the CPU, in all threads to which autograd carries this.
class HeldMemory : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t,
                         c10::Device) override {
    held_ += bytes;
    peak_ = std::max(peak_, held_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t peak() const { return peak_; }

 private:
  std::int64_t held_ = 0, peak_ = 0;
};

// Returns the bytes that a step of one replica, two samples of 256x256 pixels, takes at its peak.
std::int64_t peak_of_a_step(config::Config config) {
  const arrays::SampleShape kShape = {3, {256, 256}};
  config.model.hidden_dims = {8, 16, 16};
  config.model.network.settings_of<model::ResnetOptions>("resnet_vae").spatial_latent = true;
  config.model.network.settings_of<model::ResnetOptions>("resnet_vae").attention_at = {};
  config.train.global_batch = 2;
  const auto self = comm::make_self_communicator();
  comm::CollectiveLog log;
  Learner learner({config, kShape, input::make_replica_plan(2, 1, 1, 0, 2)}, *self, log);
  const at::Tensor images = at::rand({2, 3, 256, 256}).contiguous(at::MemoryFormat::ChannelsLast),
                   noise = at::randn({2, learner.objective().noise_per_sample(2)});
  const auto held = std::make_shared<HeldMemory>();
  const c10::DebugInfoGuard counting(c10::DebugInfoKind::PROFILER_STATE, held);
  learner.step({images, noise}, kSmallLearningRate, {kSmallKldFactor});
  return held->peak();
}

TEST(RecomputedBlocksAt256Pixels, TakeFortyPercentLessMemory) {
  at::set_num_threads(1);
  for (const auto& [activation, precision] :
       {std::pair{"leaky_relu", "fp32"}, {"silu", "fp32"}, {"silu", "bf16"}}) {
    config::Config config = residual(precision);
    config.model.activation = config::from_word<config::Activation>(activation);
    const std::int64_t kept = peak_of_a_step(config);
    config.train.recompute = config::Recompute::blocks;
    const std::int64_t recomputed = peak_of_a_step(config);
    EXPECT_GT(kept, 2 * 8 * 256 * 256 * 2 * 10) << "ten maps of the first level at least";
    EXPECT_LT(static_cast<double>(recomputed), 0.6 * static_cast<double>(kept))
        << activation << " in " << precision << ": " << recomputed << " of " << kept << " bytes";
  }
}

}  // namespace
}  // namespace vae_dist::step
