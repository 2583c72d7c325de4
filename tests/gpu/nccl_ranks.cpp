// Checks the guarantees of collective_checks.hpp and of the device exchange with real NCCL: mpirun
// -np N nccl_ranks N, on one or several GPUs. A failure on any rank makes mpirun return non-zero.
// Without a GPU the program reports that and returns 77.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "../comm/collective_checks.hpp"
#include "../step/small_run.hpp"
#include "base/error.hpp"
#include "comm/nccl_communicator.hpp"
#include "data/model_input.hpp"
#include "device/queue_copy.hpp"
#include "never_waits.hpp"
#include "parallel/bucket_exchange.hpp"
#include "parallel/replicate.hpp"
#include "shared_gpu.hpp"
#include "staged_communicator.hpp"
#include "step/exchanges.hpp"

namespace vae_dist {
namespace {

const comm::MpiWorld* the_world = nullptr;
device::DeviceChoice the_device;

const comm::NcclDeadlines kDeadlines{base::Seconds(120), base::Seconds(60)};

class Nccl : public testing::TestWithParam<comm::NcclCalls> {
 protected:
  std::unique_ptr<comm::NcclCommunicator> make(const comm::NcclDeadlines& deadlines = kDeadlines) {
    return comm::make_nccl_communicator(*all_ranks_, native_stream(stream_), deadlines, GetParam());
  }

  // The summand of rank `rank`. Every rank can compute it.
  at::Tensor random(int rank, std::int64_t bucket, std::int64_t count, at::ScalarType type) const {
    return at::randn({count},
                     at::make_generator<at::CPUGeneratorImpl>(
                         static_cast<std::uint64_t>(1000 * bucket + rank)),
                     at::kDouble)
        .to(type);
  }

  // The expected sum, on the CPU: level l adds neighbouring groups of 2^l ranks.
  at::Tensor tree_sum(int first, int ranks, std::int64_t bucket, std::int64_t count) const {
    if (ranks == 1) return random(first, bucket, count, at::kFloat);
    return tree_sum(first, ranks / 2, bucket, count) +
           tree_sum(first + ranks / 2, ranks / 2, bucket, count);
  }

  at::Tensor straight_sum_of(std::int64_t bucket, std::int64_t count) const {
    at::Tensor sum = at::zeros({count}, at::kDouble);
    for (int rank = 0; rank < all_ranks_->size(); ++rank)
      sum += random(rank, bucket, count, at::kDouble);
    return sum;
  }

  // Keeps the current stream busy for some milliseconds, so that work queued after it is still
  // pending when the host continues.
  void keep_stream_busy() {
    at::Tensor product =
        at::ones({2048, 2048}, at::TensorOptions(the_device.device).dtype(at::kFloat));
    for (int i = 0; i < 20; ++i) product = at::mm(product, product).clamp_(-1, 1);
  }

  // Bucket lengths in one exchange: short, odd, long, short again.
  static constexpr std::array<std::int64_t, 5> kBuckets = {1, 1003, 250'001, 7, 64};

  // Sums all buckets over the ranks, with several in flight at once. The device writes each bucket
  // only after the host has queued its exchange.
  std::vector<at::Tensor> exchanged(comm::SumOrder order, at::ScalarType type) {
    const auto comm = make();
    const auto exchange = parallel::make_device_exchange(*comm, order, stream_, {log_, "test"});
    std::vector<at::Tensor> results;
    for (int step = 0; step < 3; ++step) {
      results.clear();
      std::vector<at::Tensor> buckets, sources;
      for (std::size_t b = 0; b < kBuckets.size(); ++b) {
        sources.push_back(
            random(all_ranks_->rank(), static_cast<std::int64_t>(b), kBuckets[b], type)
                .to(the_device.device));
        buckets.push_back(at::zeros_like(sources.back()));
      }
      for (std::size_t b = 0; b < kBuckets.size(); ++b) {
        keep_stream_busy();
        buckets[b].copy_(sources[b]);
        exchange->start(buckets[b], comm::Wire::exact, "bucket");
      }
      exchange->finish();
      // The current stream waits for finish(), so these are copies of the sums although the buckets
      // are cleared right away.
      for (at::Tensor& bucket : buckets) {
        results.push_back(bucket.clone());
        bucket.zero_();
      }
    }
    for (at::Tensor& result : results) result = result.cpu();
    return results;
  }

  std::unique_ptr<comm::CpuCommunicator> all_ranks_ = the_world->make_communicator();
  const c10::Stream stream_ = communication_stream(the_device);
  comm::CollectiveLog log_;
};

TEST_P(Nccl, CollectivesEqualStraightSumsAndCopies) {
  const auto comm = make();
  EXPECT_STREQ(comm->name(), "nccl");
  StagedCommunicator staged(*comm, stream_);
  comm::check_collectives(staged);
}

TEST_P(Nccl, SumsHaveTheSameBitsOnEveryRank) {
  const auto comm = make();
  StagedCommunicator staged(*comm, stream_);
  comm::check_same_bits_on_every_rank(staged);
}

TEST_P(Nccl, PairsExchangeBuffersOfAnyLength) {
  const auto comm = make();
  StagedCommunicator staged(*comm, stream_);
  comm::check_exchanges(staged);
}

TEST_P(Nccl, TheTreeSumsInItsOrderBitForBit) {
  const auto comm = make();
  StagedCommunicator staged(*comm, stream_);
  comm::check_tree(staged);
}

TEST_P(Nccl, TheDeviceExchangeSumsWhatWasWrittenBeforeEachStart) {
  const std::vector<at::Tensor> sums = exchanged(comm::SumOrder::fast, at::kDouble);
  for (std::size_t b = 0; b < kBuckets.size(); ++b)
    EXPECT_TRUE(at::allclose(sums[b], straight_sum_of(static_cast<std::int64_t>(b), kBuckets[b]),
                             1e-12, 1e-12))
        << "bucket " << b;
}

TEST_P(Nccl, TheDeviceExchangeSumsAsATreeBitForBit) {
  const std::vector<at::Tensor> sums = exchanged(comm::SumOrder::tree, at::kFloat);
  for (std::size_t b = 0; b < kBuckets.size(); ++b)
    EXPECT_TRUE(at::equal(
        sums[b], tree_sum(0, all_ranks_->size(), static_cast<std::int64_t>(b), kBuckets[b])))
        << "bucket " << b;
}

TEST_P(Nccl, SumsInMemoryOfItsOwnAsInAnyOther) {
  constexpr std::int64_t kCount = 1'000'000, kPart = 300'001;
  step::GradientMemory memory(the_device, comm::SumOrder::fast, *all_ranks_);
  at::Tensor arena = memory.zeros(kCount, at::TensorOptions(the_device.device).dtype(at::kDouble));
  EXPECT_EQ(arena.count_nonzero().item<std::int64_t>(), 0);
  {
    const auto comm = make();
    memory.register_with(*comm);
    const auto exchange =
        parallel::make_device_exchange(*comm, comm::SumOrder::fast, stream_, {log_, "test"});
    for (std::int64_t offset = 0, b = 0; offset + kPart <= kCount; offset += kPart, ++b) {
      const at::Tensor part = arena.slice(0, offset, offset + kPart);
      part.copy_(random(all_ranks_->rank(), b, kPart, at::kDouble));
      exchange->start(part, comm::Wire::exact, "part");
    }
    exchange->finish();
  }
  // The memory outlives the communicator.
  for (std::int64_t offset = 0, b = 0; offset + kPart <= kCount; offset += kPart, ++b)
    EXPECT_TRUE(at::allclose(arena.slice(0, offset, offset + kPart).cpu(),
                             straight_sum_of(b, kPart), 1e-12, 1e-12))
        << "part " << b;
  EXPECT_EQ(arena.slice(0, kCount / kPart * kPart).count_nonzero().item<std::int64_t>(), 0);
}

// Guarantee 3, for a kernel that waits for a rank which never joins.
TEST_P(Nccl, AHangingKernelIsAbortedAndItsStreamIsFree) {
  const auto comm = make();
  at::Tensor values = at::ones({1000}, at::TensorOptions(the_device.device).dtype(at::kFloat));
  comm->all_reduce_sum(parallel::buffer_of(values));
  stream_.synchronize();
  all_ranks_->barrier();
  if (all_ranks_->rank() == 0) {
    comm->all_reduce_sum(parallel::buffer_of(values));
    comm->abort();
    stream_.synchronize();
    EXPECT_THROW(comm->all_reduce_sum(parallel::buffer_of(values)), base::Failure);
  }
  all_ranks_->barrier();
  comm->abort();
}

// The first exchange of two ranks connects them, which needs both. On a blocking communicator the
// Watchdog has to end this call; see gpu_failure_test.py.
TEST_P(Nccl, ACallForWhichNobodyComesTimesOutByName) {
  if (GetParam() == comm::NcclCalls::blocking) return;
  const auto comm = make({base::Seconds(20), base::Seconds(20)});
  all_ranks_->barrier();
  if (all_ranks_->rank() == 0) {
    const at::Tensor values =
        at::ones({1000}, at::TensorOptions(the_device.device).dtype(at::kFloat));
    try {
      comm->exchange(1, parallel::buffer_of(values), parallel::buffer_of(values));
      ADD_FAILURE() << "the exchange succeeded without its peer";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ExitCode::timed_out);
      EXPECT_THAT(error.what(), testing::HasSubstr("ncclSend and ncclRecv of 4000 bytes"));
    }
  }
  all_ranks_->barrier();
  comm->abort();
}

// The first steps select algorithms, connect ranks and capture the graph. After them the host only
// queues work.
TEST(Step, NeverWaitsForTheDevice) {
  const auto all_ranks = the_world->make_communicator();
  for (const auto& [batch_norm, reproducible, cuda_graph] : {std::tuple{"local", false, false},
                                                             {"local", true, false},
                                                             {"sync", false, false},
                                                             {"local", false, true},
                                                             {"local", true, true}}) {
    config::Config config = step::small_config("fp32");
    config.train.cuda_graph = cuda_graph;
    config.distributed.batch_norm = config::from_word<config::BatchNorm>(batch_norm);
    config.distributed.reproducible = reproducible;
    config.distributed.first_bucket_mib = config.distributed.bucket_mib = 0.001;
    const input::ReplicaPlan plan = input::make_replica_plan(
        step::kSmallBatch, 8, all_ranks->size(), all_ranks->rank(), step::kSmallBatch);
    comm::CollectiveLog log;
    step::Learner learner({config, step::kSmallShape, plan, the_device}, *all_ranks, log);
    learner.replicate(*all_ranks);
    std::vector<std::vector<double>> losses;
    for (std::int64_t number = 0; number < 8; ++number) {
      std::optional<NeverWaits> checked;
      if (number >= learner.slow_steps()) checked.emplace();
      const auto mine = [&](const at::Tensor& global) {
        return device::queue_copy(
            global.narrow(0, plan.first_sample(), plan.samples_per_rank()).contiguous(),
            the_device.device);
      };
      losses.push_back(learner
                           .step({mine(step::images_of_step(number, at::kFloat)),
                                  mine(step::noise_of_step(number, at::kFloat))},
                                 step::kSmallLearningRate, {step::kSmallKldFactor, 0})
                           .get());
    }
    EXPECT_EQ(learner.is_captured(), cuda_graph);
    for (const std::vector<double>& of_step : losses)
      for (const double value : of_step) EXPECT_TRUE(std::isfinite(value));
    EXPECT_NO_THROW(parallel::require_equal_tensors(*all_ranks, "weights", learner.state()))
        << batch_norm;
  }
}

// The graph includes the exchange. The tree sums in a fixed order, so bits can be compared; NCCL's
// own sums are compared within a tolerance.
TEST(Step, CapturedComputesWhatItDoesEagerly) {
  const auto all_ranks = the_world->make_communicator();
  for (const bool reproducible : {true, false}) {
    for (const std::int64_t replicas : {all_ranks->size(), 2 * all_ranks->size()}) {
      std::vector<std::vector<at::Tensor>> states;
      for (const bool cuda_graph : {false, true}) {
        config::Config config = step::small_config("fp32");
        config.train.cuda_graph = cuda_graph;
        config.distributed.reproducible = reproducible;
        config.distributed.first_bucket_mib = config.distributed.bucket_mib = 0.001;
        const input::ReplicaPlan plan = input::make_replica_plan(
            step::kSmallBatch, replicas, all_ranks->size(), all_ranks->rank(), step::kSmallBatch);
        comm::CollectiveLog log;
        step::Learner learner({config, step::kSmallShape, plan, the_device}, *all_ranks, log);
        learner.replicate(*all_ranks);
        for (std::int64_t number = 0; number < 10; ++number) {
          const auto mine = [&](const at::Tensor& global) {
            return device::queue_copy(
                global.narrow(0, plan.first_sample(), plan.samples_per_rank()).contiguous(),
                the_device.device);
          };
          learner.step({mine(step::images_of_step(number, at::kFloat)),
                        mine(step::noise_of_step(number, at::kFloat))},
                       step::kSmallLearningRate, {step::kSmallKldFactor, 0});
        }
        EXPECT_EQ(learner.is_captured(), cuda_graph);
        c10::impl::VirtualGuardImpl(c10::kCUDA).synchronizeDevice(the_device.device.index());
        // The log holds ten steps of the statistics and of every bucket, captured or not. It does
        // not hold host collectives.
        EXPECT_GE(log.started(), static_cast<std::int64_t>(10 * (1 + learner.buckets().size())));
        for (const comm::CollectiveLog::Entry& entry : log.entries())
          EXPECT_TRUE(entry.took) << entry.what;
        states.emplace_back();
        for (const at::Tensor& tensor : learner.state())
          states.back().push_back(tensor.detach().cpu());
      }
      for (std::size_t i = 0; i < states[0].size(); ++i)
        EXPECT_TRUE(reproducible ? states[1][i].equal(states[0][i])
                                 : at::allclose(states[1][i], states[0][i], 1e-3, 1e-5))
            << "replicas " << replicas << ", tensor " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Calls, Nccl,
                         testing::Values(comm::NcclCalls::polled, comm::NcclCalls::blocking),
                         [](const auto& info) {
                           return info.param == comm::NcclCalls::polled ? "Polled" : "Blocking";
                         });

}  // namespace
}  // namespace vae_dist

int main(int argc, char** argv) {
  using namespace vae_dist;
  if (lacks_a_gpu("nccl_ranks")) return kNotRun;
  comm::MpiWorld world(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2 || world.size() != std::atoi(argv[1])) {
    std::cerr << "nccl_ranks: " << world.size()
              << " ranks were started, but the argument must equal their number\n";
    return EXIT_FAILURE;
  }
  the_world = &world;
  the_device = take_shared_gpu(world);
  if (world.rank() == 0)
    std::cout << "NCCL " << comm::nccl_version() << ", " << world.size() << " ranks, "
              << run::describe_device(the_device) << std::endl;
  return RUN_ALL_TESTS();
}
