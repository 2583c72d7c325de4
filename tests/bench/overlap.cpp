// Measures what the gradient exchange costs a training step: VanillaVAE 64x64x3, 64 images per
// rank, fp32, one thread per rank, in turns in one run:
//   mpirun -np 2 --bind-to core build/tests/bench/bench_overlap [rounds] [regular expression]
// The expression selects among the kinds of exchange by name. Compares steps without any exchange,
// steps that start the all-reduce after backward, and steps that overlap it with backward, with
// several bucket sizes; in memory that the ranks share, if they are on one node, and by messages.
//
// The time that a rank waits in finish() has two parts: until the slower ranks have computed, and
// until the exchange is done. The shortest wait in a round consists of the second part only.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "bench/over_ranks.hpp"
#include "comm/mpi_world.hpp"
#include "comm/node_sum.hpp"
#include "step/make_model.hpp"
#include "step/training_step.hpp"

namespace {

using namespace vae_dist;
using namespace vae_dist::bench;

constexpr std::int64_t kBatch = 64, kMiB = 1 << 20;
constexpr std::size_t kGradientBytes = 32 * kMiB;  // room for those of the model
constexpr double kLearningRate = 1e-4, kKldFactor = 0.00025;

// Delays all buckets until the end of backward.
class AfterBackward final : public parallel::BucketExchange {
 public:
  explicit AfterBackward(std::unique_ptr<parallel::BucketExchange> exchange)
      : exchange_(std::move(exchange)) {}
  void start(const at::Tensor& bucket, comm::Wire wire, const std::string& what) override {
    kept_.push_back({bucket, wire, what});
  }
  void finish() override {
    for (const auto& [bucket, wire, what] : kept_) exchange_->start(bucket, wire, what);
    kept_.clear();
    exchange_->finish();
  }

 private:
  const std::unique_ptr<parallel::BucketExchange> exchange_;
  struct Kept {
    at::Tensor bucket;
    comm::Wire wire;
    std::string what;
  };
  std::vector<Kept> kept_;
};

// Returns the CPU time of all threads of this process.
double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

step::StepOptions step_options(int ranks) {
  step::StepOptions options;
  options.global_batches = ranks;
  return options;
}

// A model with everything that a step needs, and one kind of exchange.
class Trainer {
 public:
  Trainer(std::string name, const config::Config& config, int ranks,
          std::unique_ptr<comm::CpuCommunicator> comm,
          std::unique_ptr<parallel::BucketExchange> exchange,
          const parallel::ArenaMemory& gradient_memory, const parallel::ReducerOptions& options)
      : name_(std::move(name)),
        comm_(std::move(comm)),
        model_(step::make_model(config, {3, {64, 64}})),
        objective_(objective::ObjectiveOptions{}, *model_),
        part_({.name = {},
               .parameters = step::trained_parameters(*model_),
               .optimizer = config.train.optimizer,
               .channels_last = config.train.channels_last,
               .gradient_memory = gradient_memory}),
        statistics_(*model_, objective_, part_.parameters().values().options()),
        step_({*model_, objective_, statistics_, {&part_}}, step_options(ranks)) {
    part_.reduce_through(std::move(exchange), statistics_.sums(), options);
    model_->train();
  }

  void step(const at::Tensor& images, const at::Tensor& noise) {
    const double cpu = cpu_seconds();
    const base::Stopwatch watch;
    step_.run({images, noise}, kLearningRate, {kKldFactor, 0});
    step_seconds_.push_back(watch.elapsed().count());
    cpu_seconds_.push_back(cpu_seconds() - cpu);
    wait_seconds_.push_back(part_.reducer().exposed_wait().count());
  }

  void forget_measurements() {
    for (auto* measured : {&step_seconds_, &cpu_seconds_, &wait_seconds_}) measured->clear();
  }

  const std::string& name() const { return name_; }
  std::size_t buckets() const { return part_.reducer().buckets().size(); }
  const std::vector<double>& step_seconds() const { return step_seconds_; }
  const std::vector<double>& cpu_seconds_of_steps() const { return cpu_seconds_; }
  const std::vector<double>& wait_seconds() const { return wait_seconds_; }

 private:
  const std::string name_;
  const std::unique_ptr<comm::CpuCommunicator> comm_;  // for the exchange; null without one
  std::shared_ptr<model::LatentModel> model_;
  objective::Objective objective_;
  step::TrainedPart part_;
  step::StepStatistics statistics_;
  step::TrainingStep step_;
  std::vector<double> step_seconds_, cpu_seconds_, wait_seconds_;  // by round
};

using Trainers = std::vector<std::unique_ptr<Trainer>>;

parallel::ReducerOptions with_caps(double first_mib, double mib) {
  parallel::ReducerOptions options;
  options.caps.first_bytes = static_cast<std::int64_t>(first_mib * kMiB);
  options.caps.bytes = static_cast<std::int64_t>(mib * kMiB);
  return options;
}

Trainers make_trainers(const config::Config& config, comm::CpuCommunicator& all_ranks,
                       comm::CollectiveLog& log, const std::string& names) {
  Trainers trainers;
  trainers.push_back(std::make_unique<Trainer>("no exchange", config, all_ranks.size(), nullptr,
                                               nullptr, parallel::ordinary_memory,
                                               parallel::ReducerOptions{}));
  const std::regex wanted(names);
  const auto add = [&](const std::string& name, const parallel::ReducerOptions& options,
                       comm::SumOrder order, bool overlapped, bool shared) {
    if (!std::regex_search(name, wanted)) return;
    std::unique_ptr<comm::CpuCommunicator> comm = all_ranks.duplicate();
    std::shared_ptr<comm::NodeSum> node_sum;
    parallel::ArenaMemory memory = parallel::ordinary_memory;
    if (shared) {
      node_sum = std::make_shared<comm::NodeSum>(all_ranks, kGradientBytes);
      memory = [node_sum](std::int64_t count, const at::TensorOptions& type) {
        if (static_cast<std::size_t>(count) * type.dtype().itemsize() > kGradientBytes)
          throw std::logic_error("the model has more gradients than this program expects");
        return at::from_blob(node_sum->data(), {count}, [owner = node_sum](void*) {}, type);
      };
    }
    std::unique_ptr<parallel::BucketExchange> exchange =
        parallel::make_cpu_exchange(*comm, order, {log, name}, node_sum);
    if (!overlapped) exchange = std::make_unique<AfterBackward>(std::move(exchange));
    trainers.push_back(std::make_unique<Trainer>(name, config, all_ranks.size(), std::move(comm),
                                                 std::move(exchange), memory, options));
  };
  if (all_ranks.on_one_node()) {
    add("shared, after backward", {}, comm::SumOrder::fast, false, true);
    add("shared", {}, comm::SumOrder::fast, true, true);
    for (const int mib : {8, 4, 2, 1})
      add("shared, bucket_mib " + std::to_string(mib), with_caps(1, mib), comm::SumOrder::fast,
          true, true);
  }
  add("after backward", {}, comm::SumOrder::fast, false, false);
  add("overlapped", {}, comm::SumOrder::fast, true, false);
  for (const int mib : {8, 4, 2, 1})
    add("  bucket_mib " + std::to_string(mib), with_caps(1, mib), comm::SumOrder::fast, true,
        false);
  add("  first_bucket_mib 0.001", with_caps(0.001, 25), comm::SumOrder::fast, true, false);
  parallel::ReducerOptions reproducible, rounded;
  reproducible.reproducible = true;
  rounded.wire = comm::Wire::bf16;
  add("  reproducible", reproducible, comm::SumOrder::tree, true, false);
  add("  compress bf16", rounded, comm::SumOrder::fast, true, false);
  return trainers;
}

void print_results(comm::CpuCommunicator& all_ranks, const Trainers& trainers, int rounds) {
  if (all_ranks.rank() == 0) {
    std::printf(
        "%d ranks, medians of %d rounds. longer: compared with no exchange in the same round. "
        "waits: time in finish(), and its share of the wait of steps that exchange after "
        "backward.\n",
        all_ranks.size(), rounds);
    std::printf("%-26s %7s %10s %9s %9s %9s %19s %19s\n", "", "buckets", "step", "longer",
                "slowest", "CPU time", "waits, mean", "waits least");
  }
  OverRanks step_alone, cpu_alone, wait_after;
  for (std::size_t i = 0; i < trainers.size(); ++i) {
    const OverRanks step = over_ranks(all_ranks, trainers[i]->step_seconds()),
                    cpu = over_ranks(all_ranks, trainers[i]->cpu_seconds_of_steps()),
                    wait = over_ranks(all_ranks, trainers[i]->wait_seconds());
    if (i == 0) step_alone = step, cpu_alone = cpu;
    if (i <= 1) wait_after = wait;
    if (all_ranks.rank() != 0) continue;
    std::printf("%-26s %7zu %7.1f ms", trainers[i]->name().c_str(), trainers[i]->buckets(),
                1e3 * median(step.mean));
    if (i > 0) {
      std::printf(" %+7.1f %% %+7.1f %% %+7.1f %%", percent_over(step.mean, step_alone.mean),
                  percent_over(step.most, step_alone.most), percent_over(cpu.mean, cpu_alone.mean));
      std::printf(" %8.2f ms (%3.0f %%) %8.2f ms (%3.0f %%)", 1e3 * median(wait.mean),
                  100 * median(wait.mean) / median(wait_after.mean), 1e3 * median(wait.least),
                  100 * median(wait.least) / median(wait_after.least));
    }
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  comm::MpiWorld world(argc, argv);
  const auto all_ranks = world.make_communicator();
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 40;
  at::set_num_threads(1);

  const config::Config config;
  comm::CollectiveLog log;
  const Trainers trainers = make_trainers(config, *all_ranks, log, argc > 2 ? argv[2] : "");
  const at::Tensor images =
      at::rand({kBatch, 3, 64, 64}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor noise = at::randn({kBatch, config.model.latent_dim});
  for (int round = 0; round <= rounds; ++round) {
    // The first round fills caches and allocators.
    if (round == 1)
      for (const auto& trainer : trainers) trainer->forget_measurements();
    for (const auto& trainer : trainers) {
      all_ranks->barrier();
      trainer->step(images, noise);
    }
  }
  print_results(*all_ranks, trainers, rounds);
}
