// vae_dist with faults that only the program itself can have: its own main and objects, with two calls wrapped by the linker (-Wl,--wrap), so
// that the product has no switch for any of this. VAE_DIST_FAULT says what happens, on which rank, at which of the process's steps (from 1)
// and how often: "nan_gradient rank=1 step=5 times=2".
//
//   nan_gradient   one gradient of one parameter
//   nan_forward    the noise of the forward pass, behind the encoder
//   flip_bit       the lowest bit of one weight
//   exhaust        takes memory until there is none
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "train/learner.hpp"

// Member functions take `this` as their first argument; the names are those of Learner's constructor and TrainingStep::run.
#define LEARNER "_ZN8vae_dist7LearnerC1ERKNS_6ConfigERKNS_10ImageShapeERKNS_11ReplicaPlanERKNS_12DeviceChoiceERNS_12CommunicatorERNS_13CollectiveLogE"
#define STEP "_ZN8vae_dist12TrainingStep3runERKN2at6TensorES4_dRKNS_11StepWeightsE"

namespace vae_dist {

void real_learner(Learner*, const Config&, const ImageShape&, const ReplicaPlan&, const DeviceChoice&, Communicator&, CollectiveLog&) asm("__real_" LEARNER);
void wrapped_learner(Learner*, const Config&, const ImageShape&, const ReplicaPlan&, const DeviceChoice&, Communicator&, CollectiveLog&) asm("__wrap_" LEARNER);
StepOutcome real_step(TrainingStep*, const at::Tensor&, const at::Tensor&, double, const StepWeights&) asm("__real_" STEP);
StepOutcome wrapped_step(TrainingStep*, const at::Tensor&, const at::Tensor&, double, const StepWeights&) asm("__wrap_" STEP);

namespace {

struct Plan {
  char kind[32] = "";
  int rank = -1;
  long long step = 0, times = 0;
};

Plan read_plan() {
  Plan plan;
  const char* const words = std::getenv("VAE_DIST_FAULT");
  if (words && std::sscanf(words, "%31s rank=%d step=%lld times=%lld", plan.kind, &plan.rank, &plan.step, &plan.times) != 4) {
    std::fprintf(stderr, "VAE_DIST_FAULT=%s is no plan\n", words);
    std::abort();
  }
  return plan;
}

const Plan plan = read_plan();
Learner* learner = nullptr;
bool strikes = false;  // in the step under way

void take_all_memory() {
  std::vector<char*> taken;
  while (true) {
    constexpr std::size_t kBlock = 16 << 20;
    taken.push_back(new char[kBlock]);
    std::memset(taken.back(), 1, kBlock);
  }
}

}  // namespace

void wrapped_learner(Learner* self, const Config& config, const ImageShape& shape, const ReplicaPlan& replicas, const DeviceChoice& device, Communicator& host, CollectiveLog& log) {
  real_learner(self, config, shape, replicas, device, host, log);
  learner = host.rank() == plan.rank ? self : nullptr;
  if (!learner || std::strcmp(plan.kind, "nan_gradient") != 0) return;
  self->model().parameters().front().register_hook([](const at::Tensor& gradient) {
    if (!strikes) return gradient;
    at::Tensor broken = gradient.clone();
    broken.view(-1)[0] = std::numeric_limits<double>::quiet_NaN();
    return broken;
  });
}

StepOutcome wrapped_step(TrainingStep* self, const at::Tensor& images, const at::Tensor& noise, double learning_rate, const StepWeights& weights) {
  static long long step = 0;
  ++step;
  strikes = learner && step >= plan.step && step < plan.step + plan.times;
  if (!strikes) return real_step(self, images, noise, learning_rate, weights);
  if (std::strcmp(plan.kind, "exhaust") == 0) take_all_memory();
  if (std::strcmp(plan.kind, "flip_bit") == 0) {
    const at::NoGradGuard no_grad;
    // channels_last or not, its memory is one piece.
    auto* const word = static_cast<std::uint32_t*>(learner->model().parameters().front().data_ptr());
    *word ^= 1;
  }
  if (std::strcmp(plan.kind, "nan_forward") != 0) return real_step(self, images, noise, learning_rate, weights);
  at::Tensor broken = noise.clone();
  broken.view(-1)[0] = std::numeric_limits<double>::quiet_NaN();
  return real_step(self, images, broken, learning_rate, weights);
}

}  // namespace vae_dist
