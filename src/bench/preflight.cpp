#include "bench/preflight.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/clock.hpp"
#include "base/digits.hpp"
#include "base/text.hpp"
#include "bench/link_rounds.hpp"
#include "bench/machine_peak.hpp"
#include "bench/measured_run.hpp"
#include "bench/measured_sum.hpp"
#include "bench/over_ranks.hpp"
#include "comm/agreement.hpp"
#include "comm/nccl_log.hpp"
#include "run/rank_placement.hpp"

namespace vae_dist::bench {
namespace {

constexpr base::Seconds kReading{1.0};
constexpr int kSums = 15;                                    // measurements of each exchange
constexpr std::int64_t kLinkBytes = std::int64_t{25} << 20;  // like the largest buckets

// Each rank reads its own part, as it would at the start of an epoch. Pages in the page cache are
// read from there.
double read_bytes_per_second(const data::SampleDataset& images, int rank, int ranks) {
  const std::int64_t first = images.size() * rank / ranks,
                     count = std::max<std::int64_t>(1, images.size() / ranks);
  std::vector<std::uint8_t> image(images.image_bytes());
  double bytes = 0;
  const base::Stopwatch watch;
  for (std::int64_t i = 0; i == 0 || watch.elapsed() < kReading; ++i) {
    images.read(first + i % count, image);
    bytes += static_cast<double>(image.size());
  }
  return bytes / watch.elapsed().count();
}

std::vector<double> gather(comm::CpuCommunicator& all_ranks, double value) {
  std::vector<double> out(static_cast<std::size_t>(all_ranks.size()));
  all_ranks.all_gather({&value, 1, comm::DataType::float64},
                       {out.data(), all_ranks.size(), comm::DataType::float64});
  return out;
}

// Returns the speed of the better of a rank's links on the ring through every `distance`-th rank,
// so that a slow neighbour does not count against this rank.
double link_bytes_per_second(MeasuredSum& measured, comm::CpuCommunicator& all_ranks,
                             int distance) {
  double best = 0;
  for (int round = 0; round < link_rounds(all_ranks.size(), distance); ++round) {
    const double seconds = measured.exchange_seconds(
        link_partner(all_ranks.rank(), all_ranks.size(), distance, round), kLinkBytes, kSums);
    if (seconds > 0) best = std::max(best, static_cast<double>(kLinkBytes) / seconds);
  }
  return best;
}

// Returns the number of ranks per host if it is the same on all hosts and each host's ranks are
// consecutive; otherwise 0.
int ranks_of_each_host(comm::CpuCommunicator& all_ranks, const comm::MpiWorld& world) {
  int mine = world.rank() % world.local_size() == world.local_rank() ? world.local_size() : 0;
  for (const double theirs : gather(all_ranks, mine))
    if (theirs != mine) mine = 0;
  return mine;
}

std::string device_text(c10::Device device) {
  const std::string placement = run::placement_text(run::own_placement(device));
  return device.is_cuda() ? base::text("GPU ", static_cast<int>(device.index()), ": ", placement)
                          : "CPU: " + placement;
}

}  // namespace

double Preflight::all_reduce_bytes_per_second() const {
  const auto p = static_cast<double>(ranks.size());
  return all_reduce_seconds > 0 ? 2 * (p - 1) / p * all_reduce_bytes / all_reduce_seconds : 0;
}

Preflight run_preflight(const std::string& config_file, const std::vector<std::string>& overrides,
                        const comm::MpiWorld& world) {
  const std::unique_ptr<comm::CpuCommunicator> all_ranks = world.make_communicator();
  // Reads from the files, not from memory: a run reads them at least once in any case.
  std::vector<std::string> streamed = overrides;
  streamed.emplace_back("data.cache=stream");
  double read = 0, operations = 0;
  Preflight out;
  {
    MeasuredRun run({config_file, streamed}, world, *all_ranks);
    run.steps(1);  // runs the whole path once
    for (const parallel::Bucket& bucket : run.learner().buckets())
      out.all_reduce_bytes += static_cast<double>(bucket.count) * sizeof(float);
    all_ranks->barrier();
    operations = matrix_product_peak(run.device().device, run.config().train.precision);
    all_ranks->barrier();
    comm::agree(*all_ranks,
                [&] { read = read_bytes_per_second(run.data(), world.rank(), world.size()); });
    double to_neighbours = 0, to_hosts = 0;
    if (world.size() > 1) {
      MeasuredSum measured(*all_ranks, run.device().device);
      out.all_reduce_seconds =
          median(measured.turns(static_cast<std::int64_t>(out.all_reduce_bytes), kSums));
      to_neighbours = link_bytes_per_second(measured, *all_ranks, 1);
      // Only the first and the last rank of a host have a neighbour on another host.
      if (const int distance = ranks_of_each_host(*all_ranks, world); distance > 1)
        to_hosts = link_bytes_per_second(measured, *all_ranks, distance);
      out.transport = run::by_ranks(
          comm::all_gather_text(*all_ranks, comm::nccl_transport_in(comm::nccl_log())));
    }
    const std::vector<std::string> hosts = comm::all_gather_text(*all_ranks, world.host()),
                                   devices = comm::all_gather_text(
                                       *all_ranks, device_text(run.device().device));
    const std::vector<double> all_operations = gather(*all_ranks, operations),
                              all_reads = gather(*all_ranks, read),
                              neighbours = gather(*all_ranks, to_neighbours),
                              other_hosts = gather(*all_ranks, to_hosts);
    for (int rank = 0; rank < world.size(); ++rank) {
      const auto i = static_cast<std::size_t>(rank);
      out.ranks.push_back({rank,
                           hosts[i],
                           devices[i],
                           all_operations[i],
                           all_reads[i],
                           neighbours[i],
                           other_hosts[i],
                           {}});
    }
  }
  mark_slow_ranks(out.ranks);
  return out;
}

void mark_slow_ranks(std::vector<RankMachine>& ranks) {
  const auto compare = [&](double RankMachine::* figure, const char* name) {
    std::vector<double> all;
    for (const RankMachine& one : ranks) all.push_back(one.*figure);
    const double usual = median(all);
    for (RankMachine& one : ranks)
      if (one.*figure < Preflight::kSlow * usual) one.slow.emplace_back(name);
  };
  compare(&RankMachine::operations_per_second, "matrix product");
  compare(&RankMachine::read_bytes_per_second, "file reading");
  compare(&RankMachine::neighbour_bytes_per_second, "link to neighbours");
  compare(&RankMachine::host_bytes_per_second, "link to other hosts");
}

std::string preflight_text(const Preflight& preflight) {
  std::ostringstream out, slow;
  for (const RankMachine& one : preflight.ranks) {
    out << "rank " << one.rank << " on " << one.host << ", " << one.device << ": matrix product "
        << base::digits(1e-12 * one.operations_per_second, 3) << " TFLOP/s, reads "
        << base::format_bytes(one.read_bytes_per_second) << "/s of images";
    if (one.neighbour_bytes_per_second > 0)
      out << ", " << base::format_bytes(one.neighbour_bytes_per_second)
          << "/s each way to a neighbour";
    if (one.host_bytes_per_second > 0)
      out << ", " << base::format_bytes(one.host_bytes_per_second) << "/s to another host";
    for (const std::string& what : one.slow) {
      out << "  SLOW: " << what;
      slow << "SLOW: rank " << one.rank << " on " << one.host << " (" << one.device << "): " << what
           << "\n";
    }
    out << "\n";
  }
  if (preflight.all_reduce_seconds > 0)
    out << "all-reduce of " << base::format_bytes(preflight.all_reduce_bytes)
        << " among all: " << base::milliseconds(preflight.all_reduce_seconds) << ", "
        << base::format_bytes(preflight.all_reduce_bytes_per_second())
        << "/s through each rank's link\n";
  for (const std::string& one : preflight.transport) out << "NCCL: " << one << "\n";
  if (slow.str().empty())
    out << "No rank is slower than " << base::digits(100 * Preflight::kSlow)
        << " % of the median.\n";
  else
    out << slow.str() << "These figures are below " << base::digits(100 * Preflight::kSlow)
        << " % of the median: every step would wait for the slowest rank.\n";
  return out.str();
}

nlohmann::json preflight_json(const Preflight& preflight) {
  nlohmann::json out = {{"all_reduce_bytes", preflight.all_reduce_bytes},
                        {"all_reduce_seconds", preflight.all_reduce_seconds},
                        {"transport", preflight.transport}};
  for (const RankMachine& one : preflight.ranks)
    out["ranks"].push_back({{"rank", one.rank},
                            {"host", one.host},
                            {"device", one.device},
                            {"operations_per_second", one.operations_per_second},
                            {"read_bytes_per_second", one.read_bytes_per_second},
                            {"neighbour_bytes_per_second", one.neighbour_bytes_per_second},
                            {"host_bytes_per_second", one.host_bytes_per_second},
                            {"slow", one.slow}});
  return out;
}

}  // namespace vae_dist::bench
