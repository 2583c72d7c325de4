#include "bench/scaling_report.hpp"

#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/digits.hpp"
#include "base/text.hpp"

namespace vae_dist::bench {
namespace {

std::string measured_text(const Scaling& scaling) {
  if (scaling.measured.empty())
    return "One rank: no all-reduce was measured. Start it with mpirun -np 8 (or as many ranks as "
           "possible) to check the model.\n";
  std::ostringstream out;
  const AllReduceModel& model = scaling.model;
  const auto microseconds = [](double seconds) { return base::digits(1e6 * seconds, 3) + " us"; };
  const auto speed = [](double seconds_of_byte) {
    return seconds_of_byte > 0 ? base::digits(1e-9 / seconds_of_byte, 3) + " GB/s" : "unlimited";
  };
  out << "All-reduces among these ranks, and the model fitted to them, 2 log2(p) (a + (s-1) o) + "
         "2(p-1)/p n b + 2(p-1) n (c + m d) for s ranks per core and a share m of the bytes that "
         "no cache holds,\nwith a = "
      << microseconds(model.message_seconds) << ", o = " << microseconds(model.turn_seconds)
      << ", 1/b = " << speed(model.byte_seconds) << ", 1/c = " << speed(model.shared_byte_seconds)
      << ", 1/d = " << speed(model.uncached_byte_seconds) << ":\n";
  for (const AllReduceTime& one : scaling.measured)
    out << std::setw(6) << one.ranks << " ranks " << std::setw(10) << base::format_bytes(one.bytes)
        << std::setw(12) << base::milliseconds(one.seconds) << "   model "
        << base::milliseconds(model.seconds(one))
        << (one.ranks == scaling.left_out ? "   left out of the fit" : "") << "\n";
  if (scaling.left_out)
    out << "At " << *scaling.left_out
        << " ranks, which were left out of the fit, the model is off by "
        << base::digits(100 * scaling.left_out_error, 2) << " % (median over sizes).\n";
  else
    out << "With fewer than 8 ranks, no number of ranks can be left out to check the model.\n";
  if (scaling.ranks_wander)
    out << "Ranks share cores and are not bound to one each, which the model does not cover. "
           "mpirun --oversubscribe --bind-to core:overload-allowed binds each rank to one core.\n";
  return out.str();
}

// "predicted from measurements on 8 ranks"
std::string source_of(const Scaling& scaling) {
  return base::text("predicted from measurements on ", scaling.ranks,
                    scaling.ranks == 1 ? " rank" : " ranks");
}

}  // namespace

std::string scaling_text(const Scaling& scaling) {
  std::ostringstream out;
  out << "A step of " << scaling.samples_per_rank << " samples per rank computes for "
      << base::milliseconds(scaling.compute_seconds) << ", "
      << base::milliseconds(scaling.backward_seconds) << " of it in backward. There are "
      << base::format_bytes(scaling.gradient_bytes) << " of gradients in " << scaling.buckets.size()
      << (scaling.buckets.size() == 1 ? " bucket, ready" : " buckets, ready") << " after";
  for (std::size_t i = 0; i < scaling.buckets.size(); ++i)
    out << (i ? ", " : " ") << base::milliseconds(scaling.buckets[i].ready_seconds);
  out << " of backward.\n\n" << measured_text(scaling);
  const Interconnect& links = scaling.links;
  out << "\nThis table is " << source_of(scaling)
      << ", with each rank computing as here, for nodes of " << links.node_ranks
      << " GPUs that send " << base::digits(links.node_gbytes_per_second)
      << " GB/s each within the node and " << base::digits(links.network_gbytes_per_second)
      << " GB/s per node to other nodes (latency per message: "
      << base::digits(links.node_microseconds) << " and "
      << base::digits(links.network_microseconds) << " us):\n"
      << " ranks    all-reduce     not hidden          step     samples/s    efficiency\n";
  for (const ScalingPoint& point : scaling.points)
    out << std::setw(6) << point.ranks << std::setw(14)
        << base::milliseconds(point.all_reduce_seconds) << std::setw(15)
        << base::milliseconds(point.exposed_seconds) << std::setw(14)
        << base::milliseconds(point.step_seconds) << std::setw(14)
        << base::digits(point.samples_per_second) << std::setw(12)
        << base::digits(100 * point.efficiency, 3) << " %\n";
  return out.str();
}

nlohmann::json scaling_json(const Scaling& scaling) {
  const AllReduceModel& model = scaling.model;
  nlohmann::json out = {{"ranks", scaling.ranks},
                        {"predicted_from", source_of(scaling)},
                        {"samples_per_rank", scaling.samples_per_rank},
                        {"compute_seconds", scaling.compute_seconds},
                        {"backward_seconds", scaling.backward_seconds},
                        {"gradient_bytes", scaling.gradient_bytes},
                        {"model",
                         {{"message_seconds", model.message_seconds},
                          {"turn_seconds", model.turn_seconds},
                          {"byte_seconds", model.byte_seconds},
                          {"shared_byte_seconds", model.shared_byte_seconds},
                          {"uncached_byte_seconds", model.uncached_byte_seconds}}}};
  for (const ReadyBucket& bucket : scaling.buckets)
    out["buckets"].push_back({{"ready_seconds", bucket.ready_seconds}, {"bytes", bucket.bytes}});
  for (const AllReduceTime& one : scaling.measured)
    out["measured"].push_back({{"ranks", one.ranks},
                               {"bytes", one.bytes},
                               {"seconds", one.seconds},
                               {"ranks_per_core", one.ranks_per_core},
                               {"uncached", one.uncached}});
  if (scaling.left_out) {
    out["left_out_ranks"] = *scaling.left_out;
    out["left_out_error"] = scaling.left_out_error;
  }
  out["ranks_wander"] = scaling.ranks_wander;
  for (const ScalingPoint& point : scaling.points)
    out["predicted"].push_back({{"ranks", point.ranks},
                                {"all_reduce_seconds", point.all_reduce_seconds},
                                {"exposed_seconds", point.exposed_seconds},
                                {"step_seconds", point.step_seconds},
                                {"samples_per_second", point.samples_per_second},
                                {"efficiency", point.efficiency}});
  return out;
}

}  // namespace vae_dist::bench
