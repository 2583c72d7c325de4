#include "bench/step_profile.hpp"

#include <map>

#include "base/clock.hpp"
#include "bench/over_ranks.hpp"
#include "bench/step_parts.hpp"

namespace vae_dist::bench {

std::vector<StepPart> parts_of_a_step(MeasuredRun& run, std::int64_t steps,
                                      comm::CpuCommunicator& all_ranks) {
  all_ranks.barrier();
  StepParts parts(run.device().device);
  const base::Stopwatch watch;
  run.steps(steps);
  const double whole = watch.elapsed().count();
  const auto by_rank = [&](double seconds) {
    return each_rank(all_ranks, seconds / static_cast<double>(steps));
  };

  std::map<std::string, double> seconds = parts.take();
  std::vector<StepPart> out;
  double named = 0;
  for (const char* part : {"data", "forward", "backward", "exchange", "optimizer"}) {
    named += seconds[part];
    out.push_back({part, by_rank(seconds[part])});
  }
  out.push_back({"other", by_rank(whole - named)});
  out.push_back({"step", by_rank(whole)});
  return out;
}

}  // namespace vae_dist::bench
