#include "bench/step_profile.hpp"

#include <map>

#include "base/clock.hpp"
#include "bench/over_ranks.hpp"
#include "bench/step_parts.hpp"

namespace vae_dist::bench {

std::vector<std::pair<std::string, double>> parts_of_a_step(MeasuredRun& run, std::int64_t steps,
                                                            comm::CpuCommunicator& all_ranks) {
  all_ranks.barrier();
  StepParts parts(run.device().device);
  const base::Stopwatch watch;
  run.steps(steps);
  const double whole = watch.elapsed().count();
  const auto mean = [&](double seconds) {
    return sum_over_ranks(all_ranks, seconds) / (static_cast<double>(steps) * all_ranks.size());
  };

  std::map<std::string, double> seconds = parts.take();
  std::vector<std::pair<std::string, double>> out;
  double named = 0;
  for (const char* part : {"data", "forward", "backward", "exchange", "optimizer"}) {
    named += seconds[part];
    out.emplace_back(part, mean(seconds[part]));
  }
  out.emplace_back("other", mean(whole - named));
  out.emplace_back("step", mean(whole));
  return out;
}

}  // namespace vae_dist::bench
