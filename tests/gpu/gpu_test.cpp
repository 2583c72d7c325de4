// One process on one GPU. Without one it says so and returns 77.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "../train/small_run.hpp"
#include "evaluate/model_input.hpp"
#include "never_waits.hpp"
#include "shared_gpu.hpp"
#include "train/deferred_values.hpp"
#include "train/gpu_facts.hpp"
#include "train/pinned_memory.hpp"

namespace vae_dist {
namespace {

DeviceChoice the_device;

// Work of some milliseconds, so that what is queued behind it has not happened when the host goes on.
void keep_device_busy() {
  at::Tensor product = at::ones({2048, 2048}, at::TensorOptions(the_device.device).dtype(at::kFloat));
  for (int i = 0; i < 20; ++i) product = at::mm(product, product).clamp_(-1, 1);
}

TEST(GpuFacts, TellTheModelTheDriverAndCudnn) {
  const GpuFacts facts = gpu_facts(the_device.device);
  EXPECT_FALSE(facts.model.empty());
  EXPECT_FALSE(facts.driver.empty());
  const std::string environment = gpu_environment_text(the_device.device);
  std::printf("%s\n", environment.c_str());
  EXPECT_THAT(environment, testing::AllOf(testing::HasSubstr(facts.model), testing::HasSubstr("driver " + facts.driver), testing::ContainsRegex("cuDNN [0-9]+\\.[0-9]+\\.[0-9]+")));
}

TEST(QueuedCopy, DoesNotWaitAndLeavesTheHostsMemoryAlone) {
  for (int i = 0; i < 5; ++i) {
    at::Tensor host = at::randn({100'000}, at::kFloat);
    const at::Tensor expected = host.clone();
    at::Tensor copy;
    {
      const NeverWaits checked;
      keep_device_busy();
      copy = queue_copy(host, the_device.device);
    }
    host.fill_(-1);
    EXPECT_TRUE(copy.cpu().equal(expected));
  }
}

// As the loop does it: made by another thread in memory for this device, copied while the device is busy, given back, and made anew.
TEST(BatchesForAGpu, TravelFromPinnedMemoryThatIsUsedAgainOnlyAfterTheCopy) {
  const BatchMemory memory = batch_memory_for(the_device.device);
  constexpr std::size_t kBytes = 3 << 20;
  std::set<const void*> blocks;
  std::vector<at::Tensor> copies;
  for (int i = 0; i < 20; ++i) {
    BatchArray<std::uint8_t> pixels;
    std::thread([&] { pixels = {kBytes, memory}; }).join();
    std::fill(pixels.begin(), pixels.end(), static_cast<std::uint8_t>(i));
    const at::Tensor host = at::from_blob(pixels.data(), {static_cast<std::int64_t>(kBytes)}, at::kByte);
    EXPECT_TRUE(host.is_pinned());
    EXPECT_EQ(host.pin_memory().data_ptr(), pixels.data());
    blocks.insert(pixels.data());
    const NeverWaits checked;
    keep_device_busy();
    copies.push_back(queue_copy(host, the_device.device));
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(copies[static_cast<std::size_t>(i)].eq(i).all().item<bool>()) << "copy " << i;
  // Nothing is under way any more: what there is, is enough.
  const std::size_t before = blocks.size();
  for (int i = 0; i < 5; ++i) blocks.insert(BatchArray<std::uint8_t>(kBytes, memory).data());
  EXPECT_EQ(blocks.size(), before);
}

TEST(DeferredValues, AreThoseOfTheirTimeAndNotWaitedFor) {
  at::Tensor values = at::zeros({5}, at::TensorOptions(the_device.device).dtype(at::kFloat));
  std::vector<DeferredValues> deferred;
  {
    const NeverWaits checked;
    for (int i = 0; i < 4; ++i) {
      keep_device_busy();
      values.add_(1.5);
      deferred.emplace_back(values);
    }
    values.fill_(100);
  }
  for (int i = 0; i < 4; ++i) EXPECT_EQ(deferred[static_cast<std::size_t>(i)].get(), std::vector<double>(5, 1.5 * (i + 1)));
}

// The same model, images and noise: two steps on either device.
TEST(LearnerOnAGpu, TrainsWhatItTrainsOnTheCpu) {
  const auto self = make_self_communicator();
  const ReplicaPlan plan = make_replica_plan(kSmallBatch, 2, 1, 0, kSmallBatch);
  CollectiveLog log;
  Learner cpu(small_config(), kSmallShape, plan, DeviceChoice{}, *self, log), gpu(small_config(), kSmallShape, plan, the_device, *self, log);
  for (const std::int64_t step : {0, 1}) {
    const at::Tensor images = images_of_step(step), noise = noise_of_step(step);
    const at::Tensor expected = cpu.step(images, noise, kSmallLearningRate, {kSmallKldFactor, 0}).values;
    const at::Tensor values = gpu.step(images.to(the_device.device), noise.to(the_device.device), kSmallLearningRate, {kSmallKldFactor, 0}).values;
    EXPECT_TRUE(at::allclose(values.cpu(), expected, 1e-9)) << "step " << step;
  }
  const std::vector<at::Tensor> expected = cpu.state(), state = gpu.state();
  ASSERT_EQ(state.size(), expected.size());
  for (std::size_t i = 0; i < state.size(); ++i) EXPECT_TRUE(at::allclose(state[i].cpu(), expected[i], 1e-7, 1e-9)) << "tensor " << i;
}

}  // namespace
}  // namespace vae_dist

int main(int argc, char** argv) {
  using namespace vae_dist;
  if (lacks_a_gpu("gpu_test")) return kNotRun;
  testing::InitGoogleTest(&argc, argv);
  MpiWorld world(argc, argv);
  the_device = take_shared_gpu(world);
  return RUN_ALL_TESTS();
}
