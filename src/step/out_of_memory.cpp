#include "step/out_of_memory.hpp"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <new>
#include <string_view>

#include "base/digits.hpp"
#include "base/power_of_two.hpp"
#include "base/text.hpp"

namespace vae_dist::step {
namespace {

// Removes the C++ backtrace that follows the first line of torch's messages.
std::string first_line(const std::string& message) { return message.substr(0, message.find('\n')); }

std::string samples_text(std::int64_t samples) {
  return base::text(samples, samples == 1 ? " sample" : " samples");
}

}  // namespace

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) ||
      dynamic_cast<const c10::OutOfMemoryError*>(&error))
    return true;
  const std::string_view said = error.what();
  // The last one is oneDNN's, which chooses a primitive before it creates it: what can then still
  // be missing is memory for its code and its buffers.
  constexpr std::array<std::string_view, 5> kSigns = {
      "DefaultCPUAllocator: ", "out of memory", "CUDNN_STATUS_ALLOC_FAILED",
      "CUBLAS_STATUS_ALLOC_FAILED", "could not create a primitive"};
  return std::any_of(kSigns.begin(), kSigns.end(), [&](std::string_view sign) {
    return said.find(sign) != std::string_view::npos;
  });
}

std::optional<std::int64_t> larger_replicas(const input::ReplicaPlan& plan, bool reproducible) {
  for (std::int64_t replicas = plan.replicas + plan.world_size; 2 * replicas <= plan.global_batch;
       replicas += plan.world_size)
    if (plan.global_batch % replicas == 0 && (!reproducible || base::is_power_of_two(replicas)))
      return replicas;
  return std::nullopt;
}

double model_bytes(const config::Config& config, ParameterCount parameters,
                   std::int64_t replicas_per_rank) {
  const config::OptimizerConfig& optimizer = config.train.optimizer;
  std::int64_t arenas = 1 + optimizer.rule.item().moments_of(optimizer.rule.settings()) +
                        (config.train.ema_decay ? 1 : 0);
  // The partial sums of ReplicaTree.
  if (config.distributed.reproducible)
    for (std::int64_t replicas = replicas_per_rank; replicas > 1; replicas /= 2) ++arenas;
  const double full = static_cast<double>(parameters.all + parameters.trained * arenas) *
                      (config.train.precision == config::Precision::fp64 ? 8 : 4);
  return config.train.precision == config::Precision::bf16
             ? full + 2.0 * static_cast<double>(parameters.trained)
             : full;
}

MemoryUse memory_use(c10::Device device) {
  if (!device.is_cpu()) {
    const auto held = c10::getDeviceAllocator(device.type())
                          ->getDeviceStats(device.index())
                          .allocated_bytes[0];  // total of all pools
    return {static_cast<double>(held.current), static_cast<double>(held.peak)};
  }
  MemoryUse use;
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    double kib = 0;
    if (name == "VmRSS:" && status >> kib) use.now = 1024 * kib;
    if (name == "VmHWM:" && status >> kib) use.peak = 1024 * kib;
  }
  return use;
}

double taken_by_steps(const MemoryUse& before, const MemoryUse& now) {
  return now.peak > before.peak ? now.peak - before.now : 0;
}

std::string out_of_memory_text(const std::string& error, const MemoryNeed& need,
                               const input::ReplicaPlan& plan,
                               const config::DistributedConfig& config) {
  const bool one_batch =
      config.batch_norm == config::BatchNorm::sync;  // a rank's replicas run as one batch
  const std::int64_t samples = one_batch ? plan.samples_per_rank() : plan.samples_per_replica();
  const std::string replica =
      base::text(one_batch ? "one batch of " : "a replica of ", samples_text(samples),
                 one_batch ? " (all replicas of a rank)" : "");
  std::string out =
      base::text("out of memory: ", first_line(error), "\nThe model takes ",
                 base::format_bytes(need.model), " with its gradients and optimizer; ", replica);
  if (need.replica <= 0)
    out += " does not fit beside it.";
  else if (need.step_completed)
    out +=
        base::text(" took ", base::format_bytes(need.replica), " beside it in the steps so far.");
  else
    out += base::text(" needs more beside it than the ", base::format_bytes(need.replica),
                      " that it got.");
  if (need.can_recompute)
    out +=
        " With train.recompute=blocks it needs about half of that, for one more forward pass; the "
        "results are the same, and the run resumes with it.";
  if (one_batch)
    return out +
           " With distributed.batch_norm sync, a larger R does not help. Start more ranks (a "
           "number that divides R), or use a smaller train.global_batch.";
  const auto larger = larger_replicas(plan, config.reproducible);
  if (!larger)
    return out + base::text(" R = ", plan.replicas, " is the largest for train.global_batch ",
                            plan.global_batch, " on ", plan.world_size,
                            plan.world_size == 1 ? " rank" : " ranks",
                            config.reproducible ? " (distributed.reproducible)" : "",
                            ". Use a smaller model or another train.global_batch.");
  return out + base::text(" distributed.replicas=", *larger, " (R is ", plan.replicas,
                          " now) makes replicas of ", samples_text(plan.global_batch / *larger),
                          ", which need about ",
                          static_cast<std::int64_t>(100 * plan.replicas / *larger),
                          " % of that memory and run one after the other on each rank. A new R "
                          "needs a new run (another run.name), because checkpoints keep theirs. "
                          "`vae_dist train --from` starts it with the weights of the old run.");
}

std::string model_out_of_memory_text(const std::string& error) {
  return base::text(
      "out of memory: ", first_line(error),
      "\nThe model does not fit with its gradients and optimizer. Every rank holds a full copy, so "
      "a larger R or more ranks do not help. Use fewer or smaller model.hidden_dims.");
}

std::string evaluation_out_of_memory_text(const std::string& error, std::int64_t batch) {
  const std::string said = base::text("out of memory in an evaluation: ", first_line(error), "\n");
  if (batch < 2)
    return said + "evaluate.batch is already 1. Use a smaller model or a machine with more memory.";
  return said + base::text("evaluate.batch=", batch / 2, " (now ", batch,
                           ") needs about half of the memory and gives the same results. The run "
                           "resumes from its last checkpoint.");
}

}  // namespace vae_dist::step
