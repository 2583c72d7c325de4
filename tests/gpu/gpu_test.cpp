// Tests of one process on one GPU. Without a GPU the program reports that and returns 77.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>

#include "../step/small_run.hpp"
#include "data/model_input.hpp"
#include "device/deferred_values.hpp"
#include "device/gpu_facts.hpp"
#include "device/queue_copy.hpp"
#include "device/work_recorder.hpp"
#include "input/training_batches.hpp"
#include "model/resnet_vae.hpp"
#include "never_waits.hpp"
#include "shared_gpu.hpp"

namespace vae_dist {
namespace {

device::DeviceChoice the_device;

// Queues some milliseconds of work, so that work queued after it is still pending when the host
// continues.
void keep_device_busy() {
  at::Tensor product =
      at::ones({2048, 2048}, at::TensorOptions(the_device.device).dtype(at::kFloat));
  for (int i = 0; i < 20; ++i) product = at::mm(product, product).clamp_(-1, 1);
}

TEST(GpuFacts, TellTheModelTheDriverAndCudnn) {
  const device::GpuFacts facts = device::gpu_facts(the_device.device);
  EXPECT_FALSE(facts.model.empty());
  EXPECT_FALSE(facts.driver.empty());
  const std::string environment = device::gpu_environment_text(the_device.device);
  std::printf("%s\n", environment.c_str());
  EXPECT_THAT(
      environment,
      testing::AllOf(testing::HasSubstr(facts.model), testing::HasSubstr("driver " + facts.driver),
                     testing::ContainsRegex("cuDNN [0-9]+\\.[0-9]+\\.[0-9]+")));
}

// Without this, tests that use NeverWaits would also pass if it checked nothing.
TEST(NeverWaits, ThrowsWhereTheHostWouldWaitForTheDevice) {
  const at::Tensor value = at::ones({1}, at::TensorOptions(the_device.device).dtype(at::kFloat));
  {
    const NeverWaits checked;
    EXPECT_THROW(value.item<float>(), c10::Error);
  }
  EXPECT_EQ(value.item<float>(), 1) << "outside its scope the host may wait";
}

TEST(QueuedCopy, DoesNotWaitAndLeavesTheHostsMemoryAlone) {
  for (int i = 0; i < 5; ++i) {
    at::Tensor host = at::randn({100'000}, at::kFloat);
    const at::Tensor expected = host.clone();
    at::Tensor copy;
    {
      const NeverWaits checked;
      keep_device_busy();
      copy = device::queue_copy(host, the_device.device);
    }
    host.fill_(-1);
    EXPECT_TRUE(copy.cpu().equal(expected));
  }
}

// Follows the training loop: another thread fills batches in pinned memory, they are copied while
// the device is busy, and the memory is released and reused.
TEST(BatchesForAGpu, TravelFromPinnedMemoryThatIsUsedAgainOnlyAfterTheCopy) {
  const data::BatchMemory memory = input::batch_memory_for(the_device.device);
  constexpr std::size_t kBytes = 3 << 20;
  std::set<const void*> blocks;
  std::vector<at::Tensor> copies;
  for (int i = 0; i < 20; ++i) {
    data::BatchArray<std::uint8_t> pixels;
    std::thread([&] { pixels = {kBytes, memory}; }).join();
    std::fill(pixels.begin(), pixels.end(), static_cast<std::uint8_t>(i));
    const at::Tensor host =
        at::from_blob(pixels.data(), {static_cast<std::int64_t>(kBytes)}, at::kByte);
    EXPECT_TRUE(host.is_pinned());
    EXPECT_EQ(host.pin_memory().data_ptr(), pixels.data());
    blocks.insert(pixels.data());
    const NeverWaits checked;
    keep_device_busy();
    copies.push_back(device::queue_copy(host, the_device.device));
  }
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(copies[static_cast<std::size_t>(i)].eq(i).all().item<bool>()) << "copy " << i;
  // No copy is in flight any more, so the existing blocks suffice.
  const std::size_t before = blocks.size();
  for (int i = 0; i < 5; ++i) blocks.insert(data::BatchArray<std::uint8_t>(kBytes, memory).data());
  EXPECT_EQ(blocks.size(), before);
}

TEST(DeferredValues, AreThoseOfTheirTimeAndNotWaitedFor) {
  at::Tensor values = at::zeros({5}, at::TensorOptions(the_device.device).dtype(at::kFloat));
  std::vector<device::DeferredValues> deferred;
  {
    const NeverWaits checked;
    for (int i = 0; i < 4; ++i) {
      keep_device_busy();
      values.add_(1.5);
      deferred.emplace_back(values);
    }
    values.fill_(100);
  }
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(deferred[static_cast<std::size_t>(i)].get(), std::vector<double>(5, 1.5 * (i + 1)));
}

// Two steps on each device with the same model, images and noise.
TEST(LearnerOnAGpu, TrainsWhatItTrainsOnTheCpu) {
  const auto self = comm::make_self_communicator();
  const input::ReplicaPlan plan =
      input::make_replica_plan(step::kSmallBatch, 2, 1, 0, step::kSmallBatch);
  comm::CollectiveLog log;
  const config::Config config = step::small_config();
  step::Learner cpu({config, step::kSmallShape, plan}, *self, log),
      gpu({config, step::kSmallShape, plan, the_device}, *self, log);
  for (const std::int64_t step : {0, 1}) {
    const at::Tensor images = step::images_of_step(step), noise = step::noise_of_step(step);
    const std::vector<double> expected =
        cpu.step({images, noise}, step::kSmallLearningRate, {step::kSmallKldFactor, 0}).get();
    const std::vector<double> values =
        gpu.step({images.to(the_device.device), noise.to(the_device.device)},
                 step::kSmallLearningRate, {step::kSmallKldFactor, 0})
            .get();
    EXPECT_TRUE(
        at::allclose(at::tensor(values, at::kDouble), at::tensor(expected, at::kDouble), 1e-9))
        << "step " << step;
  }
  const std::vector<at::Tensor> expected = cpu.state(), state = gpu.state();
  ASSERT_EQ(state.size(), expected.size());
  for (std::size_t i = 0; i < state.size(); ++i)
    EXPECT_TRUE(at::allclose(state[i].cpu(), expected[i], 1e-7, 1e-9)) << "tensor " << i;
}

TEST(GraphRecorder, LaunchesWhatWasRecordedOnWhatLiesThereNow) {
  const auto recorder = device::make_graph_recorder(the_device.device);
  at::Tensor in = at::ones({1000}, at::TensorOptions(the_device.device).dtype(at::kFloat)),
             sum = at::zeros_like(in), out;
  const auto adding = recorder->record([&] { sum.add_(in * 2); });
  const auto doubling = recorder->record([&] { out = sum * 2; });
  EXPECT_EQ(sum[0].item<float>(), 0) << "nothing runs during recording";
  for (int i = 1; i <= 3; ++i) {
    in.fill_(i);
    const NeverWaits checked;
    adding->launch();
    adding->launch();
    doubling->launch();
  }
  EXPECT_TRUE(sum.eq(2 * 2 * (1 + 2 + 3)).all().item<bool>());
  EXPECT_TRUE(out.eq(2 * 2 * 2 * (1 + 2 + 3)).all().item<bool>());
}

TEST(GraphRecorder, LeavesTheDeviceAsItWasWhereWorkCannotBeRecorded) {
  at::Tensor values = at::ones({1000}, at::TensorOptions(the_device.device).dtype(at::kFloat));
  for (int i = 0; i < 2; ++i) {
    const auto recorder = device::make_graph_recorder(the_device.device);
    EXPECT_ANY_THROW(recorder->record([&] { values.add_(values.sum().item<float>()); }))
        << "item() waits for the device";
    EXPECT_THROW(recorder->record([&]() -> void { throw std::runtime_error("not a CUDA error"); }),
                 std::exception);
    EXPECT_EQ(values.sum().item<float>(), 1000);
  }
  const auto recorder = device::make_graph_recorder(the_device.device);
  const auto work = recorder->record([&] { values.add_(1); });
  work->launch();
  EXPECT_EQ(values.sum().item<float>(), 2000);
}

TEST(GraphRecorder, TellsHowLongAWaitTookWithinAGraphAndOutside) {
  const auto recorder = device::make_graph_recorder(the_device.device);
  device::WaitClock& clock = *recorder->wait_clock();
  const auto wait = [&] {
    clock.begin();
    keep_device_busy();
    clock.end();
  };
  wait();  // warm-up: selects kernels
  c10::impl::VirtualGuardImpl(c10::kCUDA).synchronizeDevice(the_device.device.index());
  const base::Stopwatch watch;
  for (int i = 0; i < 6; ++i) wait();
  c10::impl::VirtualGuardImpl(c10::kCUDA).synchronizeDevice(the_device.device.index());
  const double outside = clock.latest().count();
  EXPECT_GT(outside, 0);
  EXPECT_LT(outside, watch.elapsed().count());
  const auto recorded = recorder->record(wait);
  for (int i = 0; i < 8; ++i) recorded->launch();
  c10::impl::VirtualGuardImpl(c10::kCUDA).synchronizeDevice(the_device.device.index());
  const double within = clock.latest().count();
  EXPECT_GT(within, outside / 10);
  EXPECT_LT(within, outside * 10);
}

// The guarantee of train.cuda_graph: a launched graph computes the same bits as its kernels
// launched one by one.
TEST(CapturedStepOnAGpu, ComputesWhatEagerStepsDoBitForBit) {
  const auto self = comm::make_self_communicator();
  for (const char* precision : {"fp32", "bf16"}) {
    for (const std::int64_t replicas : {1, 2, 4}) {
      const input::ReplicaPlan plan =
          input::make_replica_plan(step::kSmallBatch, replicas, 1, 0, step::kSmallBatch);
      config::Config config = step::small_config(precision);
      config.distributed.reproducible = true;
      config.train.gradient_clip_norm = 0.05;
      config.train.ema_decay = 0.9;
      config::Config without = config;
      without.train.cuda_graph = false;
      comm::CollectiveLog log;
      step::Learner captured({config, step::kSmallShape, plan, the_device}, *self, log),
          eager({without, step::kSmallShape, plan, the_device}, *self, log);
      for (std::int64_t number = 0; number < 10; ++number) {
        const auto step = [&](step::Learner& learner) {
          const at::Tensor images = device::queue_copy(step::images_of_step(number, at::kFloat),
                                                       the_device.device),
                           noise = device::queue_copy(step::noise_of_step(number, at::kFloat),
                                                      the_device.device);
          return learner
              .step({images, noise}, step::kSmallLearningRate / static_cast<double>(number + 1),
                    {step::kSmallKldFactor * static_cast<double>(number), 0})
              .get();
        };
        EXPECT_EQ(step(captured), step(eager))
            << precision << ", " << replicas << " replicas, step " << number;
        EXPECT_EQ(captured.is_captured(), number >= step::CaptureRule::kEagerSteps);
        EXPECT_FALSE(eager.is_captured());
      }
      const std::vector<at::Tensor> expected = eager.state(), state = captured.state();
      for (std::size_t i = 0; i < state.size(); ++i)
        EXPECT_TRUE(state[i].equal(expected[i]))
            << precision << ", " << replicas << " replicas, tensor " << i;
    }
  }
}

TEST(CapturedStepOnAGpu, ComputesTheSameWhereBlocksAreComputedAgain) {
  const auto self = comm::make_self_communicator();
  const input::ReplicaPlan plan =
      input::make_replica_plan(step::kSmallBatch, 2, 1, 0, step::kSmallBatch);
  for (const char* precision : {"fp32", "bf16"}) {
    config::Config config = step::small_config(precision);
    config.model.network.name = "resnet_vae";
    config.distributed.reproducible = true;
    config::Config kept = config;
    config.train.recompute = config::Recompute::blocks;
    kept.train.cuda_graph = false;
    comm::CollectiveLog log;
    step::Learner again({config, step::kSmallShape, plan, the_device}, *self, log),
        once({kept, step::kSmallShape, plan, the_device}, *self, log);
    for (std::int64_t number = 0; number < 6; ++number) {
      const at::Tensor images = step::images_of_step(number, at::kFloat).to(the_device.device),
                       noise = step::noise_of_step(number, at::kFloat).to(the_device.device);
      const auto step = [&](step::Learner& learner) {
        return learner.step({images, noise}, step::kSmallLearningRate, {step::kSmallKldFactor, 0})
            .get();
      };
      EXPECT_EQ(step(again), step(once)) << precision << ", step " << number;
      EXPECT_EQ(again.is_captured(), number >= step::CaptureRule::kEagerSteps);
    }
    EXPECT_TRUE(step::same_tensors(again.state(), once.state())) << precision;
  }
}

TEST(ResidualNetworkOnAGpu, TrainsAlikeInBfloat16WhateverItNormalisesIn) {
  const auto self = comm::make_self_communicator();
  const input::ReplicaPlan plan =
      input::make_replica_plan(step::kSmallBatch, 1, 1, 0, step::kSmallBatch);
  config::Config in_bf16 = step::small_config("bf16");
  in_bf16.model.network.name = "resnet_vae";
  config::Config in_fp32 = in_bf16;
  in_fp32.model.network.settings_of<model::ResnetOptions>("resnet_vae").normalise_in =
      model::NormaliseIn::fp32;
  comm::CollectiveLog log;
  step::Learner ours({in_bf16, step::kSmallShape, plan, the_device}, *self, log),
      other({in_fp32, step::kSmallShape, plan, the_device}, *self, log);
  for (std::int64_t number = 0; number < 5; ++number) {
    const at::Tensor images = step::images_of_step(number, at::kFloat).to(the_device.device),
                     noise = step::noise_of_step(number, at::kFloat).to(the_device.device);
    const auto loss = [&](step::Learner& learner) {
      return learner.step({images, noise}, step::kSmallLearningRate, {step::kSmallKldFactor, 0})
          .get()[0];
    };
    const double expected = loss(other);
    EXPECT_NEAR(loss(ours), expected, 0.02 * expected) << "step " << number;
  }
}

TEST(CapturedStepOnAGpu, NeverWaitsForTheDevice) {
  const auto self = comm::make_self_communicator();
  const input::ReplicaPlan plan =
      input::make_replica_plan(step::kSmallBatch, 4, 1, 0, step::kSmallBatch);
  comm::CollectiveLog log;
  const config::Config single = step::small_config("fp32");
  step::Learner learner({single, step::kSmallShape, plan, the_device}, *self, log);
  std::vector<device::DeferredValues> outcomes;
  for (std::int64_t number = 0; number < 8; ++number) {
    std::optional<NeverWaits> checked;
    if (learner.is_captured()) checked.emplace();
    const at::Tensor images = device::queue_copy(step::images_of_step(number, at::kFloat),
                                                 the_device.device),
                     noise = device::queue_copy(step::noise_of_step(number, at::kFloat),
                                                the_device.device);
    outcomes.push_back(
        learner.step({images, noise}, step::kSmallLearningRate, {step::kSmallKldFactor, 0}));
  }
  EXPECT_TRUE(learner.is_captured());
  for (device::DeferredValues& outcome : outcomes) EXPECT_TRUE(std::isfinite(outcome.get()[0]));
}

}  // namespace
}  // namespace vae_dist

int main(int argc, char** argv) {
  using namespace vae_dist;
  if (lacks_a_gpu("gpu_test")) return kNotRun;
  testing::InitGoogleTest(&argc, argv);
  comm::MpiWorld world(argc, argv);
  the_device = take_shared_gpu(world);
  return RUN_ALL_TESTS();
}
