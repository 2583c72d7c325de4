#include "evaluate/evaluation.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "comm/thread_communicator.hpp"
#include "evaluate/keyed_noise.hpp"
#include "objective/kl_divergence.hpp"
#include "small_model.hpp"
#include "stored_images.hpp"

namespace vae_dist::evaluate {
namespace {

constexpr std::int64_t kImages = 23;

class EvaluationTest : public StoredImages {
 protected:
  void SetUp() override {
    StoredImages::SetUp();
    at::set_num_threads(1);
    std::vector<std::uint8_t> bytes(kImages * 8 * 8);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(i * i * 7 % 253);
    file_ = store("images.h5", {kImages, 8, 8}, bytes);
    for (const auto& entry : trained_->named_buffers())
      if (entry.key().ends_with("running_var")) entry.value().fill_(0.7);
    trained_->train();
  }

  static EvaluationOptions options(const data::SampleDataset& data, std::int64_t block,
                                   std::int64_t samples, double low = 0, double high = 1) {
    EvaluationOptions out;
    out.format = format_of(data, low, high);
    out.weights.kld_factor = 0.25;
    out.block = block;
    out.samples = samples;
    return out;
  }

  std::string file_;
  std::shared_ptr<model::LatentModel> trained_ = small_model();
  objective::Objective objective_{objective::ObjectiveOptions{}, *trained_};
  std::unique_ptr<comm::CpuCommunicator> self_ = comm::make_self_communicator();
};

TEST_F(EvaluationTest, IsTheMeanOverSamplesOfOneDrawInEvaluationModeAndTheErrorAtTheLatentMean) {
  const data::SampleDataset data = open(file_);
  // Blocks of 4, 4, 4, 4 and 3; the last 4 images are not requested.
  const Evaluation result = evaluate(*trained_, objective_, data, options(data, 4, 19), *self_);

  const at::NoGradGuard no_grad;
  std::vector<std::uint8_t> bytes(19 * 64);
  for (std::int64_t i = 0; i < 19; ++i)
    data.read(i, std::span(bytes).subspan(static_cast<std::size_t>(i) * 64, 64));
  const at::Tensor images = data::model_input(bytes, format_of(data));
  trained_->eval();
  const model::Posterior posterior = trained_->encode(images);
  const double mse =
      (trained_->decode(posterior.mu).output - images).square().mean().item<double>();
  const double kld = objective::kl_divergence(posterior.mu, posterior.log_var).item<double>();
  const at::Tensor noise = keyed_noise(*trained_, base::Purpose::evaluation, 0, 0, 19);
  const double drawn = (trained_->decode(model::reparameterize(posterior, noise)).output - images)
                           .square()
                           .mean()
                           .item<double>();
  EXPECT_EQ(result.samples, 19);
  EXPECT_NEAR(result.mse, mse, 1e-12);
  EXPECT_NEAR(result.psnr(), -10 * std::log10(mse), 1e-9);
  EXPECT_NEAR(result.reconstruction, drawn, 1e-12);
  EXPECT_GT(std::abs(drawn - mse), 1e-9) << "a draw is not the mean";
  EXPECT_NEAR(result.kld_nats, kld, 1e-12);
  EXPECT_NEAR(result.loss, drawn + 0.25 * kld, 1e-12);
  // sigma is 1: SE / 2 + 32 log(2 pi) for 64 values.
  ASSERT_TRUE(result.elbo_nats && result.bits_per_dim);
  EXPECT_NEAR(*result.elbo_nats, -(drawn * 32 + 32 * 1.8378770664093453) - kld, 1e-9);
  EXPECT_NEAR(*result.bits_per_dim, -*result.elbo_nats / (64 * std::log(2.0)) + 8, 1e-12);
  ASSERT_EQ(result.kld_per_dimension.size(), 3U);
  EXPECT_NEAR(
      result.kld_per_dimension[0] + result.kld_per_dimension[1] + result.kld_per_dimension[2], kld,
      1e-12);
  for (std::int64_t j = 0; j < 3; ++j)
    EXPECT_NEAR(result.latent_variance[static_cast<std::size_t>(j)],
                posterior.mu.select(1, j).var(/*unbiased=*/false).item<double>(), 1e-12);
}

TEST_F(EvaluationTest, HasTheSameBitsAtAnyNumberOfRanks) {
  const data::SampleDataset data = open(file_);
  const Evaluation alone = evaluate(*trained_, objective_, data, options(data, 4, kImages), *self_);
  for (const int ranks : {1, 2, 3, 4}) {
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
      at::set_num_threads(1);
      const auto model = copy_of(*trained_);
      const data::SampleDataset mine = open(file_);
      const Evaluation result = evaluate(*model, objective_, mine, options(mine, 4, kImages), comm);
      EXPECT_EQ(result.loss, alone.loss) << "rank " << comm.rank() << " of " << ranks;
      EXPECT_EQ(result.reconstruction, alone.reconstruction)
          << "rank " << comm.rank() << " of " << ranks;
      EXPECT_EQ(result.kld_nats, alone.kld_nats) << "rank " << comm.rank() << " of " << ranks;
      EXPECT_EQ(result.mse, alone.mse) << "rank " << comm.rank() << " of " << ranks;
    });
  }
}

TEST_F(EvaluationTest, EstimatesLogPWithTheSameBitsAtAnyNumberOfRanks) {
  const data::SampleDataset data = open(file_);
  EvaluationOptions wanted = options(data, 4, kImages);
  wanted.importance_samples = 300;  // more than are decoded at once
  const Evaluation alone = evaluate(*trained_, objective_, data, wanted, *self_);
  ASSERT_EQ(alone.log_p.size(), 6U);
  EXPECT_EQ(alone.log_p.back().draws, 300);
  for (std::size_t i = 1; i < alone.log_p.size(); ++i)
    EXPECT_GE(alone.log_p[i].nats, alone.log_p[i - 1].nats - 0.05)
        << alone.log_p[i].draws << " draws";
  EXPECT_NEAR(alone.log_p[0].nats, *alone.elbo_nats, 3) << "one draw is an estimate of the ELBO";
  EXPECT_GE(*alone.effective_samples, 1);
  for (const int ranks : {2, 3, 4}) {
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
      at::set_num_threads(1);
      const auto model = copy_of(*trained_);
      const data::SampleDataset mine = open(file_);
      const Evaluation result = evaluate(*model, objective_, mine, wanted, comm);
      for (std::size_t i = 0; i < alone.log_p.size(); ++i)
        EXPECT_EQ(result.log_p[i].nats, alone.log_p[i].nats)
            << "rank " << comm.rank() << " of " << ranks;
      EXPECT_EQ(result.kld_per_dimension, alone.kld_per_dimension);
      EXPECT_EQ(result.latent_variance, alone.latent_variance);
      EXPECT_EQ(*result.elbo_nats, *alone.elbo_nats);
    });
  }
}

TEST_F(EvaluationTest, TakesMoreRanksThanBlocks) {
  const data::SampleDataset data = open(file_);
  const Evaluation alone =
      evaluate(*trained_, objective_, data, options(data, 256, kImages), *self_);
  comm::run_thread_ranks(3, [&](comm::CpuCommunicator& comm) {
    at::set_num_threads(1);
    const auto model = copy_of(*trained_);
    const data::SampleDataset mine = open(file_);
    EXPECT_EQ(evaluate(*model, objective_, mine, options(mine, 256, kImages), comm).loss,
              alone.loss);
  });
}

TEST_F(EvaluationTest, GivesTheErrorOnZeroToOneWhateverTheModelsRange) {
  const data::SampleDataset data = open(file_);
  const Evaluation result =
      evaluate(*trained_, objective_, data, options(data, 8, kImages, -1, 1), *self_);
  trained_->eval();
  const at::NoGradGuard no_grad;
  std::vector<std::uint8_t> bytes(kImages * 64);
  for (std::int64_t i = 0; i < kImages; ++i)
    data.read(i, std::span(bytes).subspan(static_cast<std::size_t>(i) * 64, 64));
  const at::Tensor images = data::model_input(bytes, format_of(data, -1, 1));
  const double error = (trained_->decode(trained_->encode(images).mu).output - images)
                           .square()
                           .mean()
                           .item<double>();
  EXPECT_NEAR(result.mse, error / 4, 1e-12)
      << "a range twice as wide has squares four times as large";
}

TEST_F(EvaluationTest, GivesNatsWhereTheLossIsASum) {
  const data::SampleDataset data = open(file_);
  EvaluationOptions in_nats = options(data, 8, kImages);
  const auto model = small_model({objective::Variance::fixed, 0.5});
  objective::ObjectiveOptions sum;
  sum.reduction = objective::Reduction::sum;
  const Evaluation result =
      evaluate(*model, objective::Objective(sum, *model), data, in_nats, *self_);
  // The same draws with the same weights: 64 values, SE / (2 * 0.25) + 32 log(2 pi 0.25).
  const at::NoGradGuard no_grad;
  for (const auto& entry : trained_->named_parameters())
    entry.value().copy_(model->named_parameters()[entry.key()]);
  for (const auto& entry : trained_->named_buffers())
    entry.value().copy_(model->named_buffers()[entry.key()]);
  const double squared_error =
      evaluate(*trained_, objective_, data, options(data, 8, kImages), *self_).reconstruction;
  EXPECT_NEAR(result.reconstruction, squared_error * 64 * 2 + 32 * 0.45158270528945482, 1e-9);
}

// The loss at the schedules' ends is made of the unweighted terms of the same evaluation: exactly
// what an evaluation with these weights gives.
TEST_F(EvaluationTest, GivesTheLossAtTheFinalWeightsBesideThatOfTheStep) {
  const data::SampleDataset data = open(file_);
  objective::ObjectiveOptions plain, free_bits, capacity, regularised;
  free_bits.free_bits = 0.2;
  capacity.capacity_gamma = 3;
  regularised.regularisers = {{{{"spread", 2}}, [](const model::Posterior&, const at::Tensor& z) {
                                 return z.square().mean();
                               }}};
  for (const objective::ObjectiveOptions& objective_options :
       {plain, free_bits, capacity, regularised}) {
    const objective::Objective objective(objective_options, *trained_);
    EvaluationOptions wanted = options(data, 4, kImages);
    wanted.weights = {0.01, 0.1};
    EXPECT_FALSE(evaluate(*trained_, objective, data, wanted, *self_).final_loss);
    wanted.final_weights = objective::StepWeights{0.5, 2.5};
    const Evaluation both = evaluate(*trained_, objective, data, wanted, *self_);
    wanted.weights = *wanted.final_weights;
    const Evaluation at_the_end = evaluate(*trained_, objective, data, wanted, *self_);
    ASSERT_TRUE(both.final_loss);
    EXPECT_EQ(*both.final_loss, at_the_end.loss);
    EXPECT_GT(std::abs(both.loss - at_the_end.loss), 1e-3);
    EXPECT_EQ(both.regularisers, at_the_end.regularisers);
  }
}

TEST_F(EvaluationTest, MeasuresFreeBitsAtTheFinalWeightsByDimension) {
  const data::SampleDataset data = open(file_);
  objective::ObjectiveOptions free_bits;
  free_bits.free_bits = 0.2;
  EvaluationOptions wanted = options(data, 4, kImages);
  wanted.final_weights = objective::StepWeights{0.5, 0};
  const Evaluation result =
      evaluate(*trained_, objective::Objective(free_bits, *trained_), data, wanted, *self_);
  double charged = 0;
  for (const double kld : result.kld_per_dimension) charged += std::max(0.2, kld);
  EXPECT_NEAR(*result.final_loss, result.reconstruction + 0.5 * charged, 1e-12);
}

TEST_F(EvaluationTest, LeavesTheModelAsItWas) {
  const data::SampleDataset data = open(file_);
  const auto before = copy_of(*trained_);
  evaluate(*trained_, objective_, data, options(data, 8, kImages), *self_);
  EXPECT_TRUE(trained_->is_training());
  trained_->eval();
  evaluate(*trained_, objective_, data, options(data, 8, kImages), *self_);
  EXPECT_FALSE(trained_->is_training());
  for (const auto& entry : trained_->named_buffers())
    EXPECT_TRUE(entry.value().equal(before->named_buffers()[entry.key()])) << entry.key();
}

}  // namespace
}  // namespace vae_dist::evaluate
