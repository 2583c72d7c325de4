// vae_dist with injected faults that cannot be caused from outside: the program's own main and
// objects, with two functions of src/step replaced by those below. (The linker skips a member of a
// static library if all its symbols are already defined. real_functions.cpp keeps the originals as
// real_make_model() and real_stored_batch().) The product itself thus needs no switch for faults.
// VAE_DIST_FAULT states the fault, the rank, the process's first step to fail (from 1) and the
// number of steps: "nan_gradient rank=1 step=5 times=2".
//
//   nan_gradient   sets one element of one parameter's gradient to NaN
//   nan_forward    sets one value of the forward pass's noise, after the encoder, to NaN
//   flip_bit       flips the lowest bit of one weight
//   exhaust        allocates memory until none is left
//   throw          throws an error
//   deleter        throws an error, and while the stack unwinds a deleter of memory throws another
//   thread         starts a thread that ends with an error, and waits for it
//
// With VAE_DIST_FAULT_RESTART, only the start of that number (VAE_DIST_JOB_RESTART) fails.
#include <ATen/ATen.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

#include "input/batch_tensors.hpp"
#include "step/make_model.hpp"

namespace vae_dist::input {

model::Sample real_stored_batch(const data::Batch& batch, const data::InputFormat& format);

}  // namespace vae_dist::input

namespace vae_dist::step {

static_assert(std::is_same_v<decltype(make_model),
                             std::shared_ptr<model::LatentModel>(
                                 const config::Config&, const arrays::SampleShape&, std::int64_t)>,
              "make_model() has changed: change the one below too, or it replaces nothing");
static_assert(std::is_same_v<decltype(input::stored_batch),
                             model::Sample(const data::Batch&, const data::InputFormat&)>,
              "stored_batch() has changed: change the one below too, or it replaces nothing");

std::shared_ptr<model::LatentModel> real_make_model(const config::Config& config,
                                                    const arrays::SampleShape& shape,
                                                    std::int64_t condition_values);
namespace {

struct Plan {
  char kind[32] = "";
  int rank = -1;
  long long step = 0, times = 0;
};

Plan read_plan() {
  Plan plan;
  const char* const words = std::getenv("VAE_DIST_FAULT");
  if (words && std::sscanf(words, "%31s rank=%d step=%lld times=%lld", plan.kind, &plan.rank,
                           &plan.step, &plan.times) != 4) {
    std::fprintf(stderr, "cannot parse VAE_DIST_FAULT=%s\n", words);
    std::abort();
  }
  const char *const wanted = std::getenv("VAE_DIST_FAULT_RESTART"), *const restart = std::getenv(
                                                                        "VAE_DIST_JOB_RESTART");
  if (wanted && restart && std::strcmp(wanted, restart) != 0) plan = {};
  return plan;
}

bool on_rank(int rank) {
  const char* const mine = std::getenv("OMPI_COMM_WORLD_RANK");
  return (mine ? std::atoi(mine) : 0) == rank;
}

const Plan plan = read_plan();
std::weak_ptr<model::LatentModel> trained;  // set only on the rank with the fault
bool strikes = false;                       // whether the current step fails

// As pinned memory does when the GPU has failed.
[[noreturn]] void unwind_past_a_deleter_that_throws() {
  std::int64_t value = 0;
  const at::Tensor pinned = at::from_blob(
      &value, {1}, [](void*) { throw std::runtime_error("planted in a deleter"); }, at::kLong);
  throw std::runtime_error("planted in this step");
}

void take_all_memory() {
  std::vector<char*> taken;
  while (true) {
    constexpr std::size_t kBlock = 16 << 20;
    taken.push_back(new char[kBlock]);
    std::memset(taken.back(), 1, kBlock);
  }
}

}  // namespace

std::shared_ptr<model::LatentModel> make_model(const config::Config& config,
                                               const arrays::SampleShape& shape,
                                               std::int64_t condition_values) {
  std::shared_ptr<model::LatentModel> model = real_make_model(config, shape, condition_values);
  if (on_rank(plan.rank)) trained = model;
  if (trained.expired() || std::strcmp(plan.kind, "nan_gradient") != 0) return model;
  model->parameters().front().register_hook([](const at::Tensor& gradient) {
    if (!strikes) return gradient;
    at::Tensor broken = gradient.clone();
    broken.view(-1)[0] = std::numeric_limits<double>::quiet_NaN();
    return broken;
  });
  return model;
}

}  // namespace vae_dist::step

namespace vae_dist::input {

using namespace step;  // the plan

// Each step calls this once, before anything else.
model::Sample stored_batch(const data::Batch& batch, const data::InputFormat& format) {
  static long long step = 0;
  ++step;
  const std::shared_ptr<model::LatentModel> model = trained.lock();
  strikes = model && step >= plan.step && step < plan.step + plan.times;
  model::Sample stored = real_stored_batch(batch, format);
  if (!strikes) return stored;
  if (std::strcmp(plan.kind, "exhaust") == 0) take_all_memory();
  if (std::strcmp(plan.kind, "throw") == 0) throw std::runtime_error("planted in this step");
  if (std::strcmp(plan.kind, "deleter") == 0) unwind_past_a_deleter_that_throws();
  if (std::strcmp(plan.kind, "thread") == 0)
    std::thread([] { throw std::runtime_error("planted in a thread"); }).join();
  if (std::strcmp(plan.kind, "nan_forward") == 0)
    stored.noise.view(-1)[0] = std::numeric_limits<double>::quiet_NaN();
  if (std::strcmp(plan.kind, "flip_bit") == 0) {
    const at::NoGradGuard no_grad;
    // The parameter's memory is contiguous, with or without channels_last.
    auto* const word = static_cast<std::uint32_t*>(model->parameters().front().data_ptr());
    *word ^= 1;
  }
  return stored;
}

}  // namespace vae_dist::input
