#include "bench/preflight.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/clock.hpp"
#include "base/digits.hpp"
#include "bench/machine_peak.hpp"
#include "bench/measured_run.hpp"
#include "bench/measured_sum.hpp"
#include "bench/over_ranks.hpp"
#include "comm/agreement.hpp"
#include "train/start_table.hpp"

namespace vae_dist {
namespace {

constexpr Seconds kReading{1.0};
constexpr int kSums = 15;  // measured of the exchange

// Each rank reads a part of its own, as it would at the start of an epoch; what lies in the page cache is read from there.
double read_bytes_per_second(const ImageDataset& images, int rank, int ranks) {
  const std::int64_t first = images.size() * rank / ranks, count = std::max<std::int64_t>(1, images.size() / ranks);
  std::vector<std::uint8_t> image(images.image_bytes());
  double bytes = 0;
  const Stopwatch watch;
  for (std::int64_t i = 0; i == 0 || watch.elapsed() < kReading; ++i) {
    images.read(first + i % count, image);
    bytes += static_cast<double>(image.size());
  }
  return bytes / watch.elapsed().count();
}

std::vector<double> gather(Communicator& host, double value) {
  std::vector<double> out(static_cast<std::size_t>(host.size()));
  host.all_gather({&value, 1, DataType::float64}, {out.data(), host.size(), DataType::float64});
  return out;
}

}  // namespace

double Preflight::all_reduce_bytes_per_second() const {
  const auto p = static_cast<double>(ranks.size());
  return all_reduce_seconds > 0 ? 2 * (p - 1) / p * all_reduce_bytes / all_reduce_seconds : 0;
}

Preflight run_preflight(const std::string& config_file, const std::vector<std::string>& overrides, const MpiWorld& world) {
  const std::unique_ptr<Communicator> host = world.make_communicator();
  // From the files, not from memory: a run reads them once all the same.
  std::vector<std::string> streamed = overrides;
  streamed.emplace_back("data.cache=stream");
  double read = 0, operations = 0;
  Preflight out;
  {
    MeasuredRun run(config_file, streamed, /*exchange=*/true, world, *host);
    run.steps(1);  // the whole path once
    for (const Bucket& bucket : run.reducer().buckets()) out.all_reduce_bytes += static_cast<double>(bucket.count) * sizeof(float);
    host->barrier();
    operations = matrix_product_peak(run.device().device, run.config().train.precision);
    host->barrier();
    agree(*host, [&] { read = read_bytes_per_second(run.data(), world.rank(), world.size()); });
    if (world.size() > 1) out.all_reduce_seconds = median(MeasuredSum(*host, run.device().device).turns(static_cast<std::int64_t>(out.all_reduce_bytes), kSums));
    const std::vector<std::string> hosts = all_gather_text(*host, world.host()), devices = all_gather_text(*host, describe_device(run.device()));
    const std::vector<double> all_operations = gather(*host, operations), all_reads = gather(*host, read);
    for (int rank = 0; rank < world.size(); ++rank) {
      const auto i = static_cast<std::size_t>(rank);
      out.ranks.push_back({rank, hosts[i], devices[i], all_operations[i], all_reads[i], {}});
    }
  }
  name_the_slow(out.ranks);
  return out;
}

void name_the_slow(std::vector<RankMachine>& ranks) {
  const auto compare = [&](double RankMachine::*figure, const char* name) {
    std::vector<double> all;
    for (const RankMachine& one : ranks) all.push_back(one.*figure);
    const double usual = median(all);
    for (RankMachine& one : ranks)
      if (one.*figure < Preflight::kSlow * usual) one.slow.emplace_back(name);
  };
  compare(&RankMachine::operations_per_second, "matrix product");
  compare(&RankMachine::read_bytes_per_second, "file reading");
}

std::string preflight_text(const Preflight& preflight) {
  std::ostringstream out;
  int slow = 0;
  for (const RankMachine& one : preflight.ranks) {
    out << "rank " << one.rank << " on " << one.host << ", " << one.device << ": matrix product " << digits(1e-12 * one.operations_per_second, 3) << " TFLOP/s, reads "
        << format_bytes(one.read_bytes_per_second) << "/s of images";
    for (const std::string& what : one.slow) out << "  SLOW: " << what;
    slow += !one.slow.empty();
    out << "\n";
  }
  if (preflight.all_reduce_seconds > 0)
    out << "all-reduce of " << format_bytes(preflight.all_reduce_bytes) << " among all: " << milliseconds(preflight.all_reduce_seconds) << ", "
        << format_bytes(preflight.all_reduce_bytes_per_second()) << "/s through each rank's link\n";
  if (slow == 0)
    out << "No rank is slower than " << digits(100 * Preflight::kSlow) << " % of the median.\n";
  else
    out << slow << (slow == 1 ? " rank is" : " ranks are") << " slower than " << digits(100 * Preflight::kSlow) << " % of the median: every step would wait for the slowest.\n";
  return out.str();
}

nlohmann::json preflight_json(const Preflight& preflight) {
  nlohmann::json out = {{"all_reduce_bytes", preflight.all_reduce_bytes}, {"all_reduce_seconds", preflight.all_reduce_seconds}};
  for (const RankMachine& one : preflight.ranks)
    out["ranks"].push_back({{"rank", one.rank},
                            {"host", one.host},
                            {"device", one.device},
                            {"operations_per_second", one.operations_per_second},
                            {"read_bytes_per_second", one.read_bytes_per_second},
                            {"slow", one.slow}});
  return out;
}

}  // namespace vae_dist
