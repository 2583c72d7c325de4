#include "step/convolution_plan.hpp"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "base/error.hpp"
#include "comm/agreement.hpp"
#include "kernels/convolution_timing.hpp"
#include "small_run.hpp"

namespace vae_dist::step {
namespace {

using kernels::ConvolutionChoice;
using kernels::ConvolutionWay;

config::Config trained_in_fp32() { return small_config("fp32"); }

double no_clock() { throw std::logic_error("a clock was read"); }

ConvolutionChoice::ByShape one_way_for_all(const ConvolutionChoice::ByShape& shapes,
                                           ConvolutionWay way) {
  ConvolutionChoice::ByShape out;
  for (const auto& [shape, of_table] : shapes) out[shape] = {way, way, way};
  return out;
}

TEST(ConvolutionPlan, OfAReproducibleRunIsTheTableAndReadsNoClock) {
  const auto self = comm::make_self_communicator();
  config::Config config = trained_in_fp32();
  config.distributed.reproducible = true;
  SmallRank rank(config, 2, *self);
  const std::string kept =
      plan_convolutions(rank.learner(), {.config = config, .clock = no_clock}, *self);
  const ConvolutionChoice::ByShape plan = ConvolutionChoice::parse_json(kept).by_shape;
  EXPECT_EQ(plan.size(), 5U) << kept;  // two levels down, two up, and the last layer
  for (const auto& [shape, ways] : plan) {
    EXPECT_EQ(shape.batch, kSmallBatch / 2) << "the samples of a replica";
    EXPECT_EQ(ways, kernels::ways_from_table(shape, at::kFloat, kernels::instruction_set(),
                                             at::get_num_threads()));
  }
  EXPECT_EQ(rank.model().convolutions().by_shape(), plan);
}

// Finding the shapes must not change what a run trains.
TEST(ConvolutionPlan, LeavesTheStateAsItWas) {
  const auto self = comm::make_self_communicator();
  config::Config config = trained_in_fp32();
  config.distributed.reproducible = true;
  SmallRank planned(config, 2, *self), other(config, 2, *self);
  const auto before = planned.state();
  plan_convolutions(planned.learner(), {.config = config}, *self);
  EXPECT_TRUE(same_tensors(planned.state(), before));
  EXPECT_TRUE(planned.model().is_training());
  for (std::int64_t step = 0; step < 2; ++step) EXPECT_EQ(planned.step(step), other.step(step));
  EXPECT_TRUE(same_tensors(planned.state(), other.state()));
}

// Each rank's clock says something else.
TEST(ConvolutionPlan, IsThatOfRankZeroOnEveryRank) {
  std::array<std::string, 2> plans;
  std::array<ConvolutionChoice::ByShape, 2> used;
  std::atomic<int> asked = 0;
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
    const config::Config config = trained_in_fp32();
    SmallRank rank(config, 2, comm);
    const auto clock = [&asked, now = 0.0, calls = 0, mine = comm.rank()]() mutable {
      ++asked;
      return now += 1e-6 * (1 + (calls++ / 2 + mine) % 3);
    };
    const auto number = static_cast<std::size_t>(comm.rank());
    plans[number] = plan_convolutions(
        rank.learner(), {.config = config, .clock = clock, .least_operations = 0}, comm);
    used[number] = rank.model().convolutions().by_shape();
    rank.step(0);
  });
  EXPECT_EQ(plans[0], plans[1]);
  EXPECT_EQ(used[0], used[1]);
  EXPECT_FALSE(used[0].empty());
  EXPECT_GT(asked, 0);
}

TEST(ConvolutionPlan, OfASmallRunIsTheTable) {
  const auto self = comm::make_self_communicator();
  const config::Config config = trained_in_fp32();
  SmallRank rank(config, 1, *self);
  const std::string kept =
      plan_convolutions(rank.learner(), {.config = config, .clock = no_clock}, *self);
  for (const auto& [shape, ways] : ConvolutionChoice::parse_json(kept).by_shape)
    EXPECT_EQ(ways, kernels::ways_from_table(shape, at::kFloat, kernels::instruction_set(),
                                             at::get_num_threads()));
}

TEST(ConvolutionPlan, KeepsWhatAnEarlierStartWroteDown) {
  const auto self = comm::make_self_communicator();
  const config::Config config = trained_in_fp32();
  SmallRank first(config, 1, *self), second(config, 1, *self);
  const std::string written = plan_convolutions(first.learner(), {.config = config}, *self);
  for (const ConvolutionWay way : {ConvolutionWay::onednn, ConvolutionWay::products}) {
    const ConvolutionChoice::ByShape elsewhere =
        one_way_for_all(ConvolutionChoice::parse_json(written).by_shape, way);
    const std::string kept = ConvolutionChoice(elsewhere).to_json();
    EXPECT_EQ(plan_convolutions(second.learner(),
                                {.config = config, .kept = kept, .clock = no_clock}, *self),
              kept);
    EXPECT_EQ(second.model().convolutions().by_shape(), elsewhere);
  }
  EXPECT_THROW(plan_convolutions(second.learner(), {.config = config, .kept = "{}"}, *self),
               comm::AgreedError);
}

TEST(ConvolutionPlan, IsTheOneThatTheKeyForces) {
  const auto self = comm::make_self_communicator();
  config::Config config = trained_in_fp32();
  config.train.convolutions = config::Convolutions::products;
  SmallRank rank(config, 1, *self);
  const std::string kept =
      plan_convolutions(rank.learner(), {.config = config, .clock = no_clock}, *self);
  EXPECT_EQ(ConvolutionChoice::parse_json(kept).forced, ConvolutionWay::products);
  kernels::ConvolutionChoice& asked = rank.model().convolutions();
  EXPECT_EQ(asked.forced(), ConvolutionWay::products);
  rank.step(0);
  const auto shapes = asked.shapes_asked();
  ASSERT_EQ(shapes.size(), 5U);
  for (const kernels::ConvolutionShape& shape : shapes) {
    EXPECT_EQ(asked.ways(shape, at::kFloat).forward, ConvolutionWay::products) << shape.text();
    rank.model().eval();
    EXPECT_EQ(asked.ways(shape, at::kFloat),
              kernels::ways_from_table(shape, at::kFloat, kernels::instruction_set(),
                                       at::get_num_threads()))
        << "in an evaluation of " << shape.text();
    rank.model().train();
  }
}

// The first value of a result by products is wrong, on rank 1 alone.
TEST(ConvolutionPlan, LeavesToTorchWhatDiffersOnAnyRank) {
  std::array<ConvolutionChoice::ByShape, 2> used;
  comm::run_thread_ranks(2, [&](comm::CpuCommunicator& comm) {
    config::Config config = trained_in_fp32();
    config.distributed.reproducible = true;
    SmallRank rank(config, 2, comm);
    const ConvolutionChoice::ByShape all_products = one_way_for_all(
        ConvolutionChoice::parse_json(plan_convolutions(rank.learner(), {.config = config}, comm))
            .by_shape,
        ConvolutionWay::products);
    const kernels::Convolve wrong_forward = [&](const at::Tensor& x, const at::Tensor& weight,
                                                const at::Tensor& bias,
                                                const kernels::ConvolutionGeometry& geometry,
                                                const kernels::ConvolutionWays& ways) {
      at::Tensor y = kernels::convolution(x, weight, bias, geometry, ways);
      if (comm.rank() == 1 && geometry.transposed && ways.forward == ConvolutionWay::products)
        y = y +
            at::one_hot(at::tensor({0}, at::kLong), y.numel()).view(y.sizes()).to(y.scalar_type());
      return y;
    };
    const std::string kept = plan_convolutions(rank.learner(),
                                               {.config = config,
                                                .kept = ConvolutionChoice(all_products).to_json(),
                                                .convolve = wrong_forward},
                                               comm);
    const auto number = static_cast<std::size_t>(comm.rank());
    used[number] = rank.model().convolutions().by_shape();
    EXPECT_EQ(ConvolutionChoice::parse_json(kept).by_shape, used[number]);

    config.train.convolutions = config::Convolutions::products;
    EXPECT_THROW(
        plan_convolutions(rank.learner(), {.config = config, .convolve = wrong_forward}, comm),
        comm::AgreedError);
  });
  EXPECT_EQ(used[0], used[1]);
  ASSERT_EQ(used[0].size(), 5U);
  for (const auto& [shape, ways] : used[0])
    EXPECT_EQ(ways, (kernels::ConvolutionWays{shape.geometry.transposed ? ConvolutionWay::onednn
                                                                        : ConvolutionWay::products,
                                              ConvolutionWay::products, ConvolutionWay::products}))
        << shape.text();
}

TEST(ConvolutionPlan, IsEmptyWhereThereIsNothingToChoose) {
  const auto self = comm::make_self_communicator();
  const config::Config config = small_config("fp64");
  SmallRank rank(config, 1, *self);
  EXPECT_EQ(plan_convolutions(rank.learner(), {.config = config, .clock = no_clock}, *self), "");
}

// The list holds while the model trains, and training goes on after an evaluation.
TEST(ConvolutionPlan, DoesNotHoldForAnEvaluation) {
  const auto self = comm::make_self_communicator();
  config::Config config = trained_in_fp32();
  config.distributed.reproducible = true;
  SmallRank rank(config, 1, *self);
  const std::string written = plan_convolutions(rank.learner(), {.config = config}, *self);
  const ConvolutionChoice::ByShape elsewhere =
      one_way_for_all(ConvolutionChoice::parse_json(written).by_shape, ConvolutionWay::products);
  plan_convolutions(rank.learner(),
                    {.config = config, .kept = ConvolutionChoice(elsewhere).to_json()}, *self);
  kernels::ConvolutionChoice& asked = rank.model().convolutions();
  for (const auto& [shape, ways] : elsewhere) {
    rank.model().eval();
    EXPECT_EQ(asked.ways(shape, at::kFloat),
              kernels::ways_from_table(shape, at::kFloat, kernels::instruction_set(),
                                       at::get_num_threads()));
    rank.model().train();
    EXPECT_EQ(asked.ways(shape, at::kFloat), ways);
  }
}

}  // namespace
}  // namespace vae_dist::step
