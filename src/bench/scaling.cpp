#include "bench/scaling.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "bench/measured_run.hpp"
#include "bench/measured_sum.hpp"
#include "bench/over_ranks.hpp"
#include "bench/step_profile.hpp"

namespace vae_dist {
namespace {

constexpr int kMostRanks = 1024;
constexpr std::int64_t kSmallest = 1 << 16, kLargest = 1 << 25;  // bytes

// Rank 0 is in every group.
std::vector<AllReduceTime> measure_all_reduces(const MpiWorld& world, c10::Device device) {
  std::vector<AllReduceTime> out;
  for (int ranks = 2; ranks <= world.size(); ranks *= 2) {
    const std::unique_ptr<Communicator> group = world.make_communicator_of_first(ranks);
    if (!group) continue;
    MeasuredSum sum(*group, device);
    for (std::int64_t bytes = kSmallest; bytes <= kLargest; bytes *= 4) out.push_back({ranks, static_cast<double>(bytes), sum.seconds(bytes)});
  }
  return out;
}

void fit(Scaling& scaling) {
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
    if (one.ranks == scaling.left_out) errors.push_back(std::abs(scaling.model.seconds(one.bytes, one.ranks) / one.seconds - 1));
  if (!errors.empty()) scaling.left_out_error = median(errors);
}

// From the log of the last step: a bucket starts as soon as it is ready, the last one at the end of backward.
std::vector<ReadyBucket> ready_buckets(const MeasuredRun& run, double backward_seconds) {
  const std::vector<Bucket>& plan = run.reducer().buckets();
  std::vector<Seconds> since;
  for (const CollectiveLog::Entry& entry : run.collectives().entries())
    if (entry.what.find("gradients, bucket ") == 0) since.push_back(entry.since_start);
  double all = 0, done = 0;
  for (const Bucket& bucket : plan) all += static_cast<double>(bucket.count);

  std::vector<ReadyBucket> out;
  const bool logged = since.size() >= plan.size();
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const auto count = static_cast<double>(plan[i].count);
    done += count;
    const double ready = logged ? backward_seconds - (since[since.size() - plan.size() + i] - since.back()).count() : backward_seconds * done / all;
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
      point.exposed_seconds = exposed_seconds(scaling.buckets, scaling.backward_seconds, [&](double bytes) { return all_reduce_seconds(scaling.links, bytes, ranks); });
    point.step_seconds = scaling.compute_seconds + point.exposed_seconds;
    point.samples_per_second = static_cast<double>(ranks * scaling.samples_per_rank) / point.step_seconds;
    point.efficiency = scaling.compute_seconds / point.step_seconds;
    out.push_back(point);
  }
  return out;
}

}  // namespace

Scaling predict_scaling(const ScalingRequest& request, const MpiWorld& world) {
  const std::unique_ptr<Communicator> host = world.make_communicator();
  MeasuredRun run(request.config_file, request.overrides, /*exchange=*/true, world, *host);
  Scaling scaling;
  scaling.ranks = world.size();
  scaling.links = request.links;
  scaling.samples_per_rank = run.plan().samples_per_rank();

  run.steps(request.warm_up);
  run.end_capture();
  const auto parts = parts_of_a_step(run, request.steps, *host);
  const std::map<std::string, double> seconds(parts.begin(), parts.end());
  scaling.backward_seconds = seconds.at("backward");
  scaling.compute_seconds = seconds.at("step") - seconds.at("exchange");
  scaling.buckets = ready_buckets(run, scaling.backward_seconds);
  for (const ReadyBucket& bucket : scaling.buckets) scaling.gradient_bytes += bucket.bytes;

  scaling.measured = measure_all_reduces(world, run.device().device);
  host->barrier();
  fit(scaling);
  scaling.points = predict(scaling);
  return scaling;
}

}  // namespace vae_dist
