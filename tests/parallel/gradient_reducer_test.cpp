#include "parallel/gradient_reducer.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "base/error.hpp"
#include "base/power_of_two.hpp"
#include "comm/thread_communicator.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist::parallel {
namespace {

constexpr std::int64_t kStatistics = 5;

at::Tensor random_of(std::uint64_t seed, std::int64_t count, at::ScalarType type) {
  return at::randn({count}, at::make_generator<at::CPUGeneratorImpl>(seed), at::kDouble).to(type);
}

// Twelve leaves with a known random gradient in each batch: the loss is a sum of dot products.
struct Leaves {
  at::ScalarType type;
  NamedTensors named;

  explicit Leaves(at::ScalarType leaf_type = at::kDouble) : type(leaf_type) {
    for (int i = 0; i < 12; ++i)
      named.emplace_back("leaf" + std::to_string(i),
                         at::ones({40 + 30 * i}, type).requires_grad_());
  }

  static std::uint64_t seed(std::int64_t batch, std::size_t leaf) {
    return static_cast<std::uint64_t>(1000 * batch) + leaf;
  }

  // `order`: the order in which the terms are added; the engine visits them in reverse.
  at::Tensor loss(std::int64_t batch, const std::vector<std::size_t>& order) const {
    at::Tensor sum = at::zeros({}, type);
    for (const std::size_t i : order) sum = sum + named[i].second.dot(gradient(batch, i));
    return sum;
  }

  at::Tensor gradient(std::int64_t batch, std::size_t leaf) const {
    return random_of(seed(batch, leaf), named[leaf].second.numel(), type);
  }

  // Returns the sum of the gradients of the batches [0, batches), in fp64.
  at::Tensor straight_sum(std::size_t leaf, std::int64_t batches) const {
    at::Tensor sum = at::zeros_like(named[leaf].second, at::kDouble);
    for (std::int64_t batch = 0; batch < batches; ++batch) sum = sum + gradient(batch, leaf);
    return sum;
  }

  // Returns the sum of the gradients' magnitudes.
  at::Tensor straight_magnitude(std::size_t leaf, std::int64_t batches) const {
    at::Tensor sum = at::zeros_like(named[leaf].second, at::kDouble);
    for (std::int64_t batch = 0; batch < batches; ++batch) sum = sum + gradient(batch, leaf).abs();
    return sum;
  }
};

std::vector<std::size_t> shuffled(std::uint64_t seed) {
  std::vector<std::size_t> order(12);
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[(seed * 7919 + i * 104729) % i]);
  return order;
}

enum class Mode { fast, tree, bf16, shared };  // shared: in memory that the ranks share

struct Case {
  int ranks;
  std::int64_t batches;  // of each rank
  Mode mode;
  bool buckets_at_once = false;  // as on a GPU
};

std::vector<Case> cases() {
  std::vector<Case> out = {{1, 3, Mode::fast}, {4, 2, Mode::fast}, {1, 4, Mode::tree},
                           {2, 2, Mode::tree}, {8, 2, Mode::tree}, {3, 2, Mode::bf16}};
  for (int ranks = 1; ranks <= 8; ++ranks) {
    out.push_back({ranks, 1, Mode::fast});
    out.push_back({ranks, 1, Mode::bf16});
    if (ranks > 1) out.push_back({ranks, 1, Mode::shared});
    if (base::is_power_of_two(ranks)) out.push_back({ranks, 1, Mode::tree});
  }
  for (std::size_t i = 0, count = out.size(); i < count; ++i) {
    out.push_back(out[i]);
    out.back().buckets_at_once = true;
  }
  return out;
}

ReducerOptions options_of(const Case& c) {
  ReducerOptions options;
  options.caps = {.first_bytes = 600, .bytes = 3000};
  options.batches = c.batches;
  options.reproducible = c.mode == Mode::tree;
  options.buckets_at_once = c.buckets_at_once;
  options.wire = c.mode == Mode::bf16 ? comm::Wire::bf16 : comm::Wire::exact;
  return options;
}

std::unique_ptr<BucketExchange> exchange_of(comm::CpuCommunicator& comm, Mode mode,
                                            comm::CollectiveLog& log,
                                            std::shared_ptr<comm::NodeSum> node_sum = nullptr) {
  return comm.size() > 1
             ? make_cpu_exchange(comm,
                                 mode == Mode::tree ? comm::SumOrder::tree : comm::SumOrder::fast,
                                 {log, "gradients"}, std::move(node_sum))
             : nullptr;
}

// Returns memory for gradients in which `node_sum` sums, or ordinary memory if that is null.
ArenaMemory memory_of(const std::shared_ptr<comm::NodeSum>& node_sum) {
  if (!node_sum) return ordinary_memory;
  return [node_sum](std::int64_t count, const at::TensorOptions& options) {
    return at::from_blob(node_sum->data(), {count}, [owner = node_sum](void*) {}, options);
  };
}

constexpr std::size_t kSharedBytes = 1 << 16;  // room for the gradients of all leaves

void expect_same_bits_on_every_rank(comm::CpuCommunicator& comm, const at::Tensor& tensor) {
  const at::Tensor all = at::empty({comm.size(), tensor.numel()}, tensor.options());
  comm.all_gather(buffer_of(tensor), buffer_of(all));
  for (int rank = 0; rank < comm.size(); ++rank)
    EXPECT_TRUE(at::equal(all[rank], tensor)) << "rank " << rank;
}

class Reducing : public testing::TestWithParam<Case> {};

TEST_P(Reducing, GivesEveryRankTheSumOverAllBatchesWhateverTheOrderOfItsHooks) {
  const Case c = GetParam();
  comm::run_thread_ranks(c.ranks, [&](comm::CpuCommunicator& comm) {
    Leaves leaves(c.mode == Mode::bf16 ? at::kFloat : at::kDouble);
    const auto node_sum =
        c.mode == Mode::shared ? std::make_shared<comm::NodeSum>(comm, kSharedBytes) : nullptr;
    ParameterArena arena(leaves.named, false, memory_of(node_sum));
    const at::Tensor statistics = at::zeros({kStatistics}, leaves.type);
    comm::CollectiveLog log;
    const auto exchange_comm = comm.duplicate();
    GradientReducer reducer(
        {arena, leaves.named, statistics, exchange_of(*exchange_comm, c.mode, log, node_sum)},
        options_of(c));
    EXPECT_GT(reducer.buckets().size(), 3U);

    for (std::uint64_t step = 0; step < 3; ++step) {
      reducer.begin_step();
      for (std::int64_t b = 0; b < c.batches; ++b) {
        const std::int64_t batch = comm.rank() * c.batches + b;
        const at::Tensor loss =
            leaves.loss(batch, shuffled(step * 10 + static_cast<std::uint64_t>(comm.rank())));
        statistics.add_(static_cast<double>(batch + 1) / 3);  // not exact in bfloat16
        reducer.batch_forwarded();
        loss.backward();
        reducer.batch_done();
      }
      reducer.finish();
      const std::int64_t all = c.ranks * c.batches;
      const double tolerance = c.mode == Mode::bf16 && c.ranks > 1 ? 1.001 / 128
                               : c.mode == Mode::bf16              ? 1e-6
                                                      : 1e-12;  // two roundings of 2^-8
      for (std::size_t i = 0; i < leaves.named.size(); ++i) {
        const at::Tensor error =
            (leaves.named[i].second.grad().to(at::kDouble) - leaves.straight_sum(i, all)).abs();
        EXPECT_TRUE((error <= tolerance * leaves.straight_magnitude(i, all)).all().item<bool>())
            << "leaf " << i << ", step " << step;
        EXPECT_TRUE(leaves.named[i].second.grad().is_alias_of(arena.gradients())) << "leaf " << i;
      }
      EXPECT_TRUE(at::allclose(
          statistics,
          at::full({kStatistics}, static_cast<double>(all * (all + 1) / 2) / 3, leaves.type), 1e-6))
          << "statistics must never be rounded";
      expect_same_bits_on_every_rank(comm, arena.gradients());
    }
  });
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  const std::string mode = info.param.mode == Mode::fast     ? "Fast"
                           : info.param.mode == Mode::tree   ? "Tree"
                           : info.param.mode == Mode::shared ? "Shared"
                                                             : "Bf16";
  return std::to_string(info.param.ranks) + "ranks" + std::to_string(info.param.batches) +
         "batches" + mode + (info.param.buckets_at_once ? "BucketsAtOnce" : "");
}

INSTANTIATE_TEST_SUITE_P(Sizes, Reducing, testing::ValuesIn(cases()), name_of);

TEST(Reducing, CountsTheBytesThatTravel) {
  const auto bytes = [](Mode mode, int ranks) {
    std::uint64_t counted = 0;
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
      Leaves leaves(at::kFloat);
      ParameterArena arena(leaves.named, false);
      comm::CollectiveLog log;
      const auto exchange_comm = comm.duplicate();
      const GradientReducer reducer(
          {arena, leaves.named, at::zeros({kStatistics}), exchange_of(*exchange_comm, mode, log)},
          options_of({ranks, 1, mode}));
      if (comm.rank() == 0) counted = reducer.bytes_per_step();
    });
    return counted;
  };
  Leaves leaves(at::kFloat);
  const auto elements =
      static_cast<std::uint64_t>(ParameterArena(leaves.named, false).gradients().numel());
  EXPECT_EQ(bytes(Mode::fast, 2), 4 * elements + 4 * kStatistics);
  EXPECT_EQ(bytes(Mode::bf16, 2), 2 * elements + 4 * kStatistics);
  EXPECT_EQ(bytes(Mode::fast, 1), 0U);
}

TEST(HostExchange, RefusesToRoundATreeOrFp64) {
  comm::run_thread_ranks(2, [](comm::CpuCommunicator& comm) {
    const auto tree_comm = comm.duplicate();
    comm::CollectiveLog log;
    EXPECT_THROW(make_cpu_exchange(comm, comm::SumOrder::fast, {log, "fast"})
                     ->start(at::zeros({4}, at::kDouble), comm::Wire::bf16, "fp64"),
                 std::invalid_argument);
    EXPECT_THROW(make_cpu_exchange(*tree_comm, comm::SumOrder::tree, {log, "tree"})
                     ->start(at::zeros({4}), comm::Wire::bf16, "fp32"),
                 std::invalid_argument);
  });
}

// Returns the gradients of 8 batches, summed by `ranks` ranks, by messages or in shared memory.
at::Tensor tree_of_eight(int ranks, const BucketCaps& caps, bool shared = false) {
  at::Tensor result;
  comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
    Leaves leaves;
    const auto node_sum = shared ? std::make_shared<comm::NodeSum>(comm, kSharedBytes) : nullptr;
    ParameterArena arena(leaves.named, false, memory_of(node_sum));
    const at::Tensor statistics = at::zeros({kStatistics}, at::kDouble);
    comm::CollectiveLog log;
    const auto exchange_comm = comm.duplicate();
    ReducerOptions options;
    options.caps = caps;
    options.batches = 8 / ranks;
    options.reproducible = true;
    GradientReducer reducer(
        {arena, leaves.named, statistics, exchange_of(*exchange_comm, Mode::tree, log, node_sum)},
        options);
    reducer.begin_step();
    for (std::int64_t b = 0; b < options.batches; ++b) {
      const at::Tensor loss = leaves.loss(comm.rank() * options.batches + b,
                                          shuffled(static_cast<std::uint64_t>(comm.rank())));
      reducer.batch_forwarded();
      loss.backward();
      reducer.batch_done();
    }
    reducer.finish();
    if (comm.rank() == comm.size() - 1) result = arena.gradients().clone();
  });
  return result;
}

TEST(Reducing, GivesTheSameBitsAtEveryPowerOfTwoOfRanksAndAnyBuckets) {
  const at::Tensor one = tree_of_eight(1, {});
  for (const int ranks : {2, 4, 8})
    for (const bool shared : {false, true})
      EXPECT_TRUE(at::equal(tree_of_eight(ranks, {}, shared), one)) << ranks << " ranks";
  EXPECT_TRUE(at::equal(tree_of_eight(4, {.first_bytes = 100, .bytes = 1000}), one))
      << "other buckets";
}

TEST(Reducing, HandsOverTheSameSequenceInEveryStepWhateverTheOrderOfItsHooks) {
  Leaves leaves;
  ParameterArena arena(leaves.named, false);
  ReducerOptions options;
  options.caps = {.first_bytes = 1000, .bytes = 4000};
  options.batches = 2;
  GradientReducer reducer({arena, leaves.named, at::zeros({kStatistics}, at::kDouble), nullptr},
                          options);
  std::vector<base::ProgressWords::Collective> expected = {{"statistics", 8 * kStatistics}};
  for (const Bucket& bucket : reducer.buckets())
    expected.push_back({"bucket " + std::to_string(expected.size() - 1),
                        8 * static_cast<std::uint64_t>(bucket.count)});
  ASSERT_GT(expected.size(), 3u);
  for (std::uint64_t step = 0; step < 3; ++step) {
    reducer.begin_step();
    for (int batch = 0; batch < 2; ++batch) {
      const at::Tensor loss = leaves.loss(batch, shuffled(step));
      reducer.batch_forwarded();
      loss.backward();
      reducer.batch_done();
    }
    reducer.finish();
    EXPECT_EQ(reducer.sequence(), expected) << "step " << step;
  }
}

TEST(Reducing, NamesAParameterThatGotNoGradient) {
  Leaves leaves;
  ParameterArena arena(leaves.named, false);
  GradientReducer reducer({arena, leaves.named, at::zeros({kStatistics}, at::kDouble), nullptr},
                          {});
  reducer.begin_step();
  reducer.batch_forwarded();
  leaves.named[3].second.sum().backward();
  reducer.batch_done();
  try {
    reducer.finish();
    FAIL() << "nothing was thrown";
  } catch (const base::Failure& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("leaf0, leaf1, leaf2, leaf4"));
  }
}

// Backward reaches the input but produces no gradient.
struct NoGradient : torch::autograd::Function<NoGradient> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) {
    return x.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list&) {
    return {at::Tensor()};
  }
};

TEST(Reducing, TakesNoGradientForZero) {
  Leaves leaves;
  ParameterArena arena(leaves.named, false);
  GradientReducer reducer({arena, leaves.named, at::zeros({kStatistics}, at::kDouble), nullptr},
                          {});
  for (const bool passes : {true, false}) {
    reducer.begin_step();
    reducer.batch_forwarded();
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (const auto& [name, leaf] : leaves.named)
      loss = loss + (passes || name != "leaf3" ? leaf : NoGradient::apply(leaf)).sum();
    loss.backward();
    reducer.batch_done();
    reducer.finish();
    EXPECT_TRUE(leaves.named[3].second.grad().eq(passes ? 1 : 0).all().item<bool>());
    EXPECT_TRUE(leaves.named[4].second.grad().eq(1).all().item<bool>());
  }
}

TEST(Reducing, TakesItsHooksOffWhenItIsGone) {
  Leaves leaves;
  ParameterArena arena(leaves.named, false);
  {
    GradientReducer reducer({arena, leaves.named, at::zeros({kStatistics}, at::kDouble), nullptr},
                            {});
  }
  leaves.loss(0, shuffled(0)).backward();  // a hook of the dead reducer would crash
  EXPECT_TRUE(at::allclose(leaves.named[0].second.grad(), leaves.straight_sum(0, 1)));
}

}  // namespace
}  // namespace vae_dist::parallel
