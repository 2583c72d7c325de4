#include "bench/scaling.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "bench/measured_run.hpp"
#include "bench/measured_sum.hpp"
#include "bench/over_ranks.hpp"
#include "bench/shared_cache.hpp"
#include "bench/step_profile.hpp"

namespace vae_dist::bench {
namespace {

constexpr int kMostRanks = 1024;
constexpr std::int64_t kSmallest = 1 << 16, kLargest = 1 << 25;  // bytes

// Measures in rounds, because a machine's speed changes over time.
constexpr int kRounds = 5, kTurnsOfRound = 5;

// The first ranks of the world and their measurement; `comm` and `sum` are empty on other ranks.
struct Group {
  int ranks = 2;
  std::unique_ptr<comm::CpuCommunicator> comm;
  std::optional<MeasuredSum> sum;
};

// Returns when the first `ranks` have measured. The other ranks sleep, because MPI's own waits
// (even in a barrier) poll on cores that the measuring ranks need.
void wait_for_measured(int ranks, comm::CpuCommunicator& all_ranks) {
  std::uint8_t sent = 0, received = 0;
  const auto meet = [&](int peer) {
    all_ranks.exchange(peer, {&sent, 1, comm::DataType::uint8},
                       {&received, 1, comm::DataType::uint8});
  };
  if (all_ranks.rank() >= ranks) meet(0);
  for (int other = ranks; all_ranks.rank() == 0 && other < all_ranks.size(); ++other) meet(other);
}

// Describes an all-reduce among the first ranks. On GPUs the host's cores and cache play no part.
AllReduce all_reduce_here(int ranks, double bytes, const comm::MpiWorld& world,
                          c10::Device device) {
  AllReduce out{ranks, bytes};
  if (!device.is_cpu()) return out;
  const double of_node = std::min(ranks, world.local_size());
  out.ranks_per_core = std::max(1.0, of_node / run::node_facts(world).cores);
  // Each rank holds its vector and half of a received one.
  const double cache = shared_cache_bytes();
  if (cache > 0) out.uncached = std::max(0.0, 1 - cache / (of_node * 1.5 * bytes));
  return out;
}

// Measures in all groups. Rank 0, a member of every group, gets all results.
std::vector<AllReduceTime> measure_all_reduces(const comm::MpiWorld& world, c10::Device device,
                                               comm::CpuCommunicator& all_ranks) {
  std::vector<Group> groups;
  for (int ranks = 2; ranks <= world.size(); ranks *= 2)
    groups.push_back({ranks, world.make_communicator_of_first(ranks), std::nullopt});
  std::map<std::pair<int, std::int64_t>, std::vector<double>> seconds;
  for (int round = 0; round < kRounds; ++round) {
    for (Group& group : groups) {
      if (group.comm && !group.sum) group.sum.emplace(*group.comm, device);
      for (std::int64_t bytes = kSmallest; group.sum && bytes <= kLargest; bytes *= 4) {
        const std::vector<double> turns = group.sum->turns(bytes, kTurnsOfRound);
        std::vector<double>& all = seconds[{group.ranks, bytes}];
        all.insert(all.end(), turns.begin(), turns.end());
      }
      wait_for_measured(group.ranks, all_ranks);
    }
  }
  std::vector<AllReduceTime> out;
  for (const auto& [what, turns] : seconds)
    out.push_back({all_reduce_here(what.first, static_cast<double>(what.second), world, device),
                   median(turns)});
  return out;
}

void fit_model(Scaling& scaling) {
  std::vector<int> counts;
  for (const AllReduceTime& one : scaling.measured)
    if (counts.empty() || counts.back() != one.ranks) counts.push_back(one.ranks);
  if (counts.empty()) return;
  if (counts.size() >= 3) scaling.left_out = counts[counts.size() / 2];

  std::vector<AllReduceTime> seen;
  for (const AllReduceTime& one : scaling.measured)
    if (one.ranks != scaling.left_out) seen.push_back(one);
  scaling.model = fit_all_reduce(seen);
  std::vector<double> errors;
  for (const AllReduceTime& one : scaling.measured)
    if (one.ranks == scaling.left_out)
      errors.push_back(std::abs(scaling.model.seconds(one) / one.seconds - 1));
  if (!errors.empty()) scaling.left_out_error = median(errors);
}

// Derives ready times from the log of the last step: a bucket starts as soon as it is ready, the
// last one at the end of backward.
std::vector<ReadyBucket> ready_buckets(const MeasuredRun& run, double backward_seconds) {
  const std::vector<parallel::Bucket> plan = run.learner().buckets();
  std::vector<base::Seconds> since;
  for (const comm::CollectiveLog::Entry& entry : run.collectives().entries())
    if (entry.what.starts_with("gradients: bucket ")) since.push_back(entry.since_start);
  double all = 0, done = 0;
  for (const parallel::Bucket& bucket : plan) all += static_cast<double>(bucket.count);

  std::vector<ReadyBucket> out;
  const bool logged = since.size() >= plan.size();
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const auto count = static_cast<double>(plan[i].count);
    done += count;
    const double ready =
        logged ? backward_seconds - (since[since.size() - plan.size() + i] - since.back()).count()
               : backward_seconds * done / all;
    out.push_back({std::max(0.0, ready), count * static_cast<double>(sizeof(float))});
  }
  return out;
}

std::vector<ScalingPoint> predict(const Scaling& scaling) {
  std::vector<ScalingPoint> out;
  for (int ranks = 1; ranks <= kMostRanks; ranks *= 2) {
    ScalingPoint point;
    point.ranks = ranks;
    point.all_reduce_seconds = all_reduce_seconds(scaling.links, scaling.gradient_bytes, ranks);
    if (ranks > 1)
      point.exposed_seconds = exposed_seconds(
          scaling.buckets, scaling.backward_seconds,
          [&](double bytes) { return all_reduce_seconds(scaling.links, bytes, ranks); });
    point.step_seconds = scaling.compute_seconds + point.exposed_seconds;
    point.samples_per_second =
        static_cast<double>(ranks * scaling.samples_per_rank) / point.step_seconds;
    point.efficiency = scaling.compute_seconds / point.step_seconds;
    out.push_back(point);
  }
  return out;
}

}  // namespace

Scaling predict_scaling(const ScalingRequest& request, const comm::MpiWorld& world) {
  const std::unique_ptr<comm::CpuCommunicator> all_ranks = world.make_communicator();
  MeasuredRun run({request.config_file, request.overrides}, world, *all_ranks);
  Scaling scaling;
  scaling.ranks = world.size();
  scaling.links = request.links;
  scaling.samples_per_rank = run.plan().samples_per_rank();

  run.steps(request.warm_up);
  run.end_capture();
  const auto parts = parts_of_a_step(run, request.steps, *all_ranks);
  std::map<std::string, double> seconds;
  for (const StepPart& part : parts) seconds[part.name] = part.mean();
  scaling.backward_seconds = seconds.at("backward");
  scaling.compute_seconds = seconds.at("step") - seconds.at("exchange");
  scaling.buckets = ready_buckets(run, scaling.backward_seconds);
  for (const ReadyBucket& bucket : scaling.buckets) scaling.gradient_bytes += bucket.bytes;

  const run::NodeFacts node = run::node_facts(world);
  scaling.ranks_wander =
      run.device().device.is_cpu() && node.local_size > node.cores && node.usable_cores > 1;
  scaling.measured = measure_all_reduces(world, run.device().device, *all_ranks);
  all_ranks->barrier();
  fit_model(scaling);
  scaling.points = predict(scaling);
  return scaling;
}

}  // namespace vae_dist::bench
