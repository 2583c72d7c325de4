// Measures what monitoring costs training: VanillaVAE 64x64x3, G = 64, fp32, one thread, in turns
// in one run:
//   build/tests/bench/bench_exporter [turns]
// Compares steps without metrics, with metrics and a scrape per second, and with a hundred
// concurrent scrapers every second; and a step in TensorBoard's event file with its line in
// metrics.jsonl. The scrapers are a separate process of the lowest priority,
// because in production they are other machines.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <arpa/inet.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "bench/over_ranks.hpp"
#include "metrics/event_log.hpp"
#include "metrics/log_records.hpp"
#include "metrics/run_metrics.hpp"
#include "step/learner.hpp"

namespace {

using namespace vae_dist;
using namespace vae_dist::bench;

constexpr std::int64_t kBatch = 64;
constexpr int kStepsATurn = 8, kScrapers = 100;
constexpr timeval kPatience{5, 0};  // a server that ends does not answer waiting clients
constexpr double kLearningRate = 1e-4, kKldFactor = 0.00025;

// The state that both processes share.
struct Orders {
  std::atomic<int> port = 0;     // of the scraped rank
  std::atomic<int> at_once = 0;  // scrapes per second; 0: none
  std::atomic<long> answers = 0;
};

// The request as Prometheus sends it.
const std::string kRequest = "GET /metrics HTTP/1.1\r\nHost: rank\r\nAccept-Encoding: gzip\r\n\r\n";

void scrape_at_once(Orders& orders, int count) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(orders.port.load()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<int> connections;
  for (int i = 0; i < count; ++i) {
    const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    if (::connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        ::send(connection, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) > 0)
      connections.push_back(connection);
    else
      ::close(connection);
  }
  for (const int connection : connections) {
    char block[4096];
    bool answered = false;
    while (::recv(connection, block, sizeof block, 0) > 0) answered = true;
    if (answered) ++orders.answers;
    ::close(connection);
  }
}

[[noreturn]] void be_scrapers(Orders& orders) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpriority(PRIO_PROCESS, 0, 19);
  for (;;) {
    const base::Stopwatch watch;
    if (const int count = orders.at_once; count > 0) scrape_at_once(orders, count);
    std::this_thread::sleep_for(base::Seconds(1) - watch.elapsed());
  }
}

// Returns the CPU time of RUSAGE_SELF, all threads of this process, or of RUSAGE_THREAD, the
// training thread.
double cpu_seconds(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Way {
  const char* name;
  bool metrics;
  int scrapers;
  std::vector<double> wall = {}, cpu = {};  // seconds per step, by turn
  std::vector<double> server =
      {};  // CPU time of all threads except the training one, as a share of the elapsed time
};

metrics::StepMetrics numbers_of(std::int64_t step, double seconds) {
  return {.step = step,
          .loss = 0.3,
          .reconstruction_loss = 0.2,
          .kld_nats = 12,
          .kld_weight = kKldFactor,
          .learning_rate = kLearningRate,
          .gradient_norm = 3,
          .samples = kBatch,
          .step_seconds = seconds,
          .data_wait_seconds = 1e-4,
          .allreduce_wait_seconds = 1e-3,
          .allreduce_bytes = 1 << 20,
          .read_bytes = static_cast<std::uint64_t>(step) << 20};
}

std::unique_ptr<metrics::RunMetrics> start_metrics() {
  return std::make_unique<metrics::RunMetrics>(
      metrics::MetricsIdentity{.run = "bench", .host = "here"},
      metrics::RunFacts{.steps_planned = 1000, .global_batch = kBatch}, "127.0.0.1", 0);
}

// Compares what the event file of TensorBoard adds to a step with the line of metrics.jsonl, both
// on the file system of the current directory.
void measure_event_file(double step_seconds) {
  constexpr int kMany = 100000;
  const std::filesystem::path folder = "bench_exporter_files";
  std::filesystem::create_directories(folder);
  {
    metrics::StepLog log(folder / "metrics.jsonl", 0);
    std::optional<metrics::EventLog> events(
        std::in_place, folder / "tensorboard",
        metrics::EventHistory{folder / "metrics.jsonl", {}, 0, {}});
    const auto seconds_each = [](const auto& write) {
      const base::Stopwatch watch;
      for (int step = 1; step <= kMany; ++step)
        write(metrics::step_record(numbers_of(step, 0.1), {}, kBatch));
      return watch.elapsed().count() / kMany;
    };
    const double line = seconds_each([&](const metrics::LogRecord& record) { log.write(record); });
    const double cpu = cpu_seconds(RUSAGE_SELF);
    const double event =
        seconds_each([&](const metrics::LogRecord& record) { events->write(record); });
    events.reset();  // writes what is pending
    std::printf(
        "a step in the event file takes %.2f us of the training thread (%.5f %% of it) and %.2f us "
        "of CPU time in all; its line of metrics.jsonl %.2f us\n",
        1e6 * event, 100 * event / step_seconds, 1e6 * (cpu_seconds(RUSAGE_SELF) - cpu) / kMany,
        1e6 * line);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace

int main(int argc, char** argv) {
  const int turns = argc > 1 ? std::atoi(argv[1]) : 20;
  auto& orders = *new (::mmap(nullptr, sizeof(Orders), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Orders;
  if (::fork() == 0) be_scrapers(orders);

  at::set_num_threads(1);
  config::Config config;
  config.train.global_batch = kBatch;
  const std::unique_ptr<comm::CpuCommunicator> alone = comm::make_self_communicator();
  comm::CollectiveLog log;
  step::Learner learner({config,
                         {3, {64, 64}},
                         input::make_replica_plan(kBatch, 1, 1, 0, kBatch),
                         device::DeviceChoice{}},
                        *alone, log);
  const at::Tensor images =
                       at::rand({kBatch, 3, 64, 64}).contiguous(at::MemoryFormat::ChannelsLast),
                   noise = at::randn({kBatch, config.model.latent_dim});

  std::vector<Way> ways = {{"no metrics", false, 0},
                           {"a scrape a second", true, 1},
                           {"a hundred at once, every second", true, kScrapers}};
  for (int turn = -1; turn < turns; ++turn) {
    for (Way& way : ways) {
      const std::unique_ptr<metrics::RunMetrics> metrics = way.metrics ? start_metrics() : nullptr;
      orders.port = metrics ? *metrics->port() : 0;
      orders.at_once = way.scrapers;
      const double cpu = cpu_seconds(RUSAGE_SELF), training = cpu_seconds(RUSAGE_THREAD);
      const base::Stopwatch watch;
      for (int step = 1; step <= kStepsATurn; ++step) {
        learner.step({images, noise}, kLearningRate, {kKldFactor, 0});
        if (metrics) metrics->record_step(numbers_of(step, 0.1));
      }
      const double wall = watch.elapsed().count();
      orders.at_once = 0;
      if (turn < 0) continue;  // the first turn fills caches and allocators
      const double all = cpu_seconds(RUSAGE_SELF) - cpu;
      way.wall.push_back(wall / kStepsATurn);
      way.cpu.push_back(all / kStepsATurn);
      way.server.push_back((all - (cpu_seconds(RUSAGE_THREAD) - training)) / wall);
    }
  }
  std::printf(
      "medians of %d turns of %d steps each; %ld scrapes were answered\n%-34s %10s %10s %14s "
      "%21s\n",
      turns, kStepsATurn, orders.answers.load(), "", "step", "longer", "more CPU time",
      "server, of one core");
  for (const Way& way : ways)
    std::printf("%-34s %7.2f ms %+8.2f %% %+12.2f %% %19.3f %%\n", way.name, 1e3 * median(way.wall),
                percent_over(way.wall, ways[0].wall), percent_over(way.cpu, ways[0].cpu),
                100 * median(way.server));

  const std::unique_ptr<metrics::RunMetrics> metrics = start_metrics();
  constexpr int kMany = 100000;
  const base::Stopwatch watch;
  for (int step = 1; step <= kMany; ++step) metrics->record_step(numbers_of(step, 0.1));
  const double record = watch.elapsed().count() / kMany;
  orders.port = *metrics->port();
  const double idle_cpu = cpu_seconds(RUSAGE_SELF);
  const long before = orders.answers;
  orders.at_once = kScrapers;
  while (orders.answers < before + 3 * kScrapers) std::this_thread::sleep_for(base::Seconds(0.05));
  const double scrape =
      (cpu_seconds(RUSAGE_SELF) - idle_cpu) / static_cast<double>(orders.answers - before);
  std::printf("recording a step takes %.2f us, %.5f %% of it; a scrape %.0f us of CPU time\n",
              1e6 * record, 100 * record / median(ways[0].wall), 1e6 * scrape);
  orders.at_once = 0;
  measure_event_file(median(ways[0].wall));
}
