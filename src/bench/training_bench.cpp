#include "bench/training_bench.hpp"

#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>

#include <optional>

#include "base/clock.hpp"
#include "bench/flop_count.hpp"
#include "bench/machine_peak.hpp"
#include "bench/measured_run.hpp"
#include "bench/over_ranks.hpp"
#include "bench/step_profile.hpp"
#include "bench/step_trace.hpp"
#include "comm/agreement.hpp"
#include "config/words.hpp"

namespace vae_dist::bench {
namespace {

constexpr std::int64_t kTracedSteps = 3;

double resident_peak_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

double device_peak_bytes(c10::Device device) {
  if (device.is_cpu()) return 0;
  return static_cast<double>(c10::getDeviceAllocator(device.type())
                                 ->getDeviceStats(device.index())
                                 .reserved_bytes[0]
                                 .peak);  // of all its pools
}

double operations_of_a_step(MeasuredRun& run, comm::CpuCommunicator& all_ranks) {
  const model::LayerCalls calls;
  run.steps(1);
  return sum_over_ranks(all_ranks, operations_of(calls.all()));
}

}  // namespace

BenchResult bench_training(const BenchRequest& request, const comm::MpiWorld& world) {
  const std::unique_ptr<comm::CpuCommunicator> all_ranks = world.make_communicator();
  MeasuredRun run({request.config_file, request.overrides, request.exchange}, world, *all_ranks);
  BenchResult result;
  result.model = run.config().model.network.name;
  result.precision = config::word(run.config().train.precision);
  result.device = run::describe_device(run.device());
  if (run.device().device.is_cpu()) result.cpu = cpu_text();
  result.rounded = run::rounds_bfloat16(run.device().device, run.config().train.precision);
  result.ranks = world.size();
  result.global_batch = run.plan().global_batch;
  result.replicas = run.plan().replicas;
  result.steps = request.steps;
  result.exchange = request.exchange;

  run.steps(request.warm_up);
  all_ranks->barrier();
  const base::Stopwatch watch;
  const Laps laps = run.steps(request.steps);
  all_ranks->barrier();
  result.samples_per_second = static_cast<double>(request.steps * result.global_batch) /
                              most_over_ranks(*all_ranks, watch.elapsed().count());
  result.step_seconds = median(over_ranks(*all_ranks, laps.step).mean);
  result.data_wait_seconds = median(over_ranks(*all_ranks, laps.data_wait).mean);
  result.allreduce_wait_seconds = median(over_ranks(*all_ranks, laps.allreduce_wait).mean);
  result.peak_memory_bytes = most_over_ranks(*all_ranks, resident_peak_bytes());
  result.peak_device_bytes = most_over_ranks(*all_ranks, device_peak_bytes(run.device().device));
  result.captured = run.is_captured();
  result.convolutions = run.convolutions();

  if (!request.trace_file.empty()) {
    std::optional<StepTrace> trace;
    if (world.rank() == 0) trace.emplace(run.device().device);
    run.steps(kTracedSteps);
    comm::agree_on_rank_0(*all_ranks, [&] { trace->save(request.trace_file); });
  }
  // Parts and operations are visible only where torch is called for them, which a captured step no
  // longer does.
  run.end_capture();
  result.operations_per_step = operations_of_a_step(run, *all_ranks);
  if (request.profile) result.parts = parts_of_a_step(run, request.steps, *all_ranks);
  const config::Precision precision = run.config().train.precision;
  all_ranks->barrier();
  result.peak_operations_per_second =
      sum_over_ranks(*all_ranks, matrix_product_peak(run.device().device, precision));
  all_ranks->barrier();
  if (run.device().device.is_cpu())
    result.fma_operations_per_second =
        sum_over_ranks(*all_ranks, run.device().threads * fma_peak(precision));
  return result;
}

}  // namespace vae_dist::bench
