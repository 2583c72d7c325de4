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
#include "run/rank_places.hpp"

namespace vae_dist::bench {
namespace {

constexpr base::Seconds kReading{1.0};
constexpr int kSums = 15;                                    // measured of each exchange
constexpr std::int64_t kLinkBytes = std::int64_t{25} << 20;  // as the largest buckets

// Each rank reads a part of its own, as it would at the start of an epoch; what lies in the page
// cache is read from there.
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

std::vector<double> gather(comm::HostCommunicator& host, double value) {
  std::vector<double> out(static_cast<std::size_t>(host.size()));
  host.all_gather({&value, 1, comm::DataType::float64},
                  {out.data(), host.size(), comm::DataType::float64});
  return out;
}

// The better of a rank's links on the ring through every `distance`-th rank: a slow neighbour is
// not this rank's.
double link_bytes_per_second(MeasuredSum& measured, comm::HostCommunicator& host, int distance) {
  double best = 0;
  for (int round = 0; round < link_rounds(host.size(), distance); ++round) {
    const double seconds = measured.exchange_seconds(
        link_partner(host.rank(), host.size(), distance, round), kLinkBytes, kSums);
    if (seconds > 0) best = std::max(best, static_cast<double>(kLinkBytes) / seconds);
  }
  return best;
}

// Ranks of a host, where all hosts have as many, one host's after the other's; else 0.
int ranks_of_each_host(comm::HostCommunicator& host, const comm::MpiWorld& world) {
  int mine = world.rank() % world.local_size() == world.local_rank() ? world.local_size() : 0;
  for (const double theirs : gather(host, mine))
    if (theirs != mine) mine = 0;
  return mine;
}

std::string device_text(c10::Device device) {
  const std::string place = run::place_text(run::own_place(device));
  return device.is_cuda() ? base::text("GPU ", static_cast<int>(device.index()), ": ", place)
                          : "CPU: " + place;
}

}  // namespace

double Preflight::all_reduce_bytes_per_second() const {
  const auto p = static_cast<double>(ranks.size());
  return all_reduce_seconds > 0 ? 2 * (p - 1) / p * all_reduce_bytes / all_reduce_seconds : 0;
}

Preflight run_preflight(const std::string& config_file, const std::vector<std::string>& overrides,
                        const comm::MpiWorld& world) {
  const std::unique_ptr<comm::HostCommunicator> host = world.make_communicator();
  // From the files, not from memory: a run reads them once all the same.
  std::vector<std::string> streamed = overrides;
  streamed.emplace_back("data.cache=stream");
  double read = 0, operations = 0;
  Preflight out;
  {
    MeasuredRun run({config_file, streamed}, world, *host);
    run.steps(1);  // the whole path once
    for (const parallel::Bucket& bucket : run.learner().buckets())
      out.all_reduce_bytes += static_cast<double>(bucket.count) * sizeof(float);
    host->barrier();
    operations = matrix_product_peak(run.device().device, run.config().train.precision);
    host->barrier();
    comm::agree(*host,
                [&] { read = read_bytes_per_second(run.data(), world.rank(), world.size()); });
    double to_neighbours = 0, to_hosts = 0;
    if (world.size() > 1) {
      MeasuredSum measured(*host, run.device().device);
      out.all_reduce_seconds =
          median(measured.turns(static_cast<std::int64_t>(out.all_reduce_bytes), kSums));
      to_neighbours = link_bytes_per_second(measured, *host, 1);
      // Neighbours of another host are reached by the ranks at its ends alone.
      if (const int distance = ranks_of_each_host(*host, world); distance > 1)
        to_hosts = link_bytes_per_second(measured, *host, distance);
      out.transport =
          run::by_ranks(comm::all_gather_text(*host, comm::nccl_transport_in(comm::nccl_log())));
    }
    const std::vector<std::string> hosts = comm::all_gather_text(*host, world.host()),
                                   devices = comm::all_gather_text(
                                       *host, device_text(run.device().device));
    const std::vector<double> all_operations = gather(*host, operations),
                              all_reads = gather(*host, read),
                              neighbours = gather(*host, to_neighbours),
                              other_hosts = gather(*host, to_hosts);
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
  name_the_slow(out.ranks);
  return out;
}

void name_the_slow(std::vector<RankMachine>& ranks) {
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
    out << slow.str() << "That is below " << base::digits(100 * Preflight::kSlow)
        << " % of the median: every step would wait for the slowest.\n";
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
