// Measures how fast a configuration trains: the steps of a run, with its data, its exchange and its
// flags, without the work between steps.
#pragma once

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "comm/mpi_world.hpp"

namespace vae_dist::bench {

struct BenchRequest {
  std::string config_file;
  std::vector<std::string> overrides;
  std::int64_t steps = 50, warm_up = 10;  ///< measured steps, and steps before them
  bool exchange =
      true;  ///< false: each rank trains alone, so that the difference is the cost of the exchange
  bool profile = false;    ///< also measure the parts, in as many further steps
  std::string trace_file;  ///< if not empty: the file for rank 0's trace of three further steps
};

/// A part of a step: its mean seconds over steps, by rank.
struct StepPart {
  std::string name;
  std::vector<double> seconds;

  double mean() const {
    return std::accumulate(seconds.begin(), seconds.end(), 0.0) /
           static_cast<double>(seconds.size());
  }
};

struct BenchResult {
  std::string model, precision, device;
  std::string cpu;       ///< of rank 0: cpu_text()
  bool rounded = false;  ///< bf16 is rounded and multiplied in fp32 (run::rounds_bfloat16())
  int ranks = 1;
  std::int64_t global_batch = 0, replicas = 1, steps = 0;
  bool exchange = true;
  double samples_per_second = 0;  ///< of all ranks, from the first measured step to the last
  double step_seconds = 0, data_wait_seconds = 0,
         allreduce_wait_seconds = 0;     ///< medians over steps of means over ranks, on the host
  double operations_per_step = 0,        ///< of all ranks together: operations_of()
      peak_operations_per_second = 0;    ///< of all ranks together: matrix_product_peak()
  double fma_operations_per_second = 0;  ///< fma_peak() of all threads of all ranks; 0 on a GPU
  double peak_memory_bytes = 0;          ///< resident, of the rank with the most
  double peak_device_bytes =
      0;  ///< held by torch's allocator on a GPU, of the rank with the most; 0 on the CPU
  bool captured = false;        ///< measured steps were CUDA graphs
  std::string convolutions;     ///< step::plan_convolutions(): how they were computed
  std::vector<StepPart> parts;  ///< they add up to the last one, "step". Empty unless requested

  double operations_per_second() const {
    return operations_per_step * samples_per_second / static_cast<double>(global_batch);
  }
};

/// Runs the bench. Throws AgreedError for bad input. Writes nothing but the trace. A collective.
BenchResult bench_training(const BenchRequest& request, const comm::MpiWorld& world);

}  // namespace vae_dist::bench
