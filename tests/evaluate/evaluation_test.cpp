#include "evaluate/evaluation.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "comm/thread_communicator.hpp"
#include "small_model.hpp"
#include "stored_images.hpp"

namespace vae_dist {
namespace {

constexpr std::int64_t kImages = 23;

class EvaluationTest : public StoredImages {
 protected:
  void SetUp() override {
    StoredImages::SetUp();
    at::set_num_threads(1);
    std::vector<std::uint8_t> bytes(kImages * 8 * 8);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * i * 7 % 253);
    file_ = store("images.h5", {kImages, 8, 8}, bytes);
    for (const auto& entry : trained_->named_buffers())
      if (entry.key().ends_with("running_var")) entry.value().fill_(0.7);
    trained_->train();
  }

  // Ranks as threads share no model: each has one of its own, as processes do.
  VanillaVae copy_of_trained() const {
    const at::NoGradGuard no_grad;
    VanillaVae model = small_model();
    for (const auto& entry : trained_->named_parameters()) model->named_parameters()[entry.key()].copy_(entry.value());
    for (const auto& entry : trained_->named_buffers()) model->named_buffers()[entry.key()].copy_(entry.value());
    return model;
  }

  static EvaluationOptions options(const ImageDataset& data, std::int64_t block, std::int64_t samples, double low = 0, double high = 1) {
    EvaluationOptions out;
    out.format = format_of(data, low, high);
    out.kld_factor = 0.25;
    out.block = block;
    out.samples = samples;
    return out;
  }

  std::string file_;
  VanillaVae trained_ = small_model();
  std::unique_ptr<Communicator> self_ = make_self_communicator();
};

TEST_F(EvaluationTest, IsTheMeanOverSamplesWithTheLatentMeanInEvaluationMode) {
  const ImageDataset data = open(file_);
  // Blocks of 4, 4, 4, 4 and 3; the last 4 images are not asked for.
  const Evaluation result = evaluate(trained_, data, options(data, 4, 19), *self_);

  const at::NoGradGuard no_grad;
  std::vector<std::uint8_t> bytes(19 * 64);
  for (std::int64_t i = 0; i < 19; ++i) data.read(i, std::span(bytes).subspan(static_cast<std::size_t>(i) * 64, 64));
  const at::Tensor images = model_input(bytes, format_of(data));
  trained_->eval();
  const Posterior posterior = trained_->encode(images);
  const double mse = (trained_->decode(posterior.mu) - images).square().mean().item<double>();
  const double kld = kl_divergence(posterior.mu, posterior.log_var).item<double>();
  EXPECT_EQ(result.samples, 19);
  EXPECT_NEAR(result.mse, mse, 1e-12);
  EXPECT_NEAR(result.reconstruction, mse, 1e-12);
  EXPECT_NEAR(result.kld_nats, kld, 1e-12);
  EXPECT_NEAR(result.loss, mse + 0.25 * kld, 1e-12);
}

TEST_F(EvaluationTest, HasTheSameBitsAtAnyNumberOfRanks) {
  const ImageDataset data = open(file_);
  const Evaluation alone = evaluate(trained_, data, options(data, 4, kImages), *self_);
  for (const int ranks : {1, 2, 3, 4}) {
    run_thread_ranks(ranks, [&](Communicator& comm) {
      at::set_num_threads(1);
      VanillaVae model = copy_of_trained();
      const ImageDataset mine = open(file_);
      const Evaluation result = evaluate(model, mine, options(mine, 4, kImages), comm);
      EXPECT_EQ(result.loss, alone.loss) << "rank " << comm.rank() << " of " << ranks;
      EXPECT_EQ(result.reconstruction, alone.reconstruction) << "rank " << comm.rank() << " of " << ranks;
      EXPECT_EQ(result.kld_nats, alone.kld_nats) << "rank " << comm.rank() << " of " << ranks;
      EXPECT_EQ(result.mse, alone.mse) << "rank " << comm.rank() << " of " << ranks;
    });
  }
}

TEST_F(EvaluationTest, TakesMoreRanksThanBlocks) {
  const ImageDataset data = open(file_);
  const Evaluation alone = evaluate(trained_, data, options(data, 256, kImages), *self_);
  run_thread_ranks(3, [&](Communicator& comm) {
    at::set_num_threads(1);
    VanillaVae model = copy_of_trained();
    const ImageDataset mine = open(file_);
    EXPECT_EQ(evaluate(model, mine, options(mine, 256, kImages), comm).loss, alone.loss);
  });
}

TEST_F(EvaluationTest, GivesTheErrorOnZeroToOneWhateverTheModelsRange) {
  const ImageDataset data = open(file_);
  const Evaluation result = evaluate(trained_, data, options(data, 8, kImages, -1, 1), *self_);
  EXPECT_NEAR(result.mse, result.reconstruction / 4, 1e-12) << "a range twice as wide has squares four times as large";
}

TEST_F(EvaluationTest, GivesNatsWhereTheLossIsASum) {
  const ImageDataset data = open(file_);
  EvaluationOptions in_nats = options(data, 8, kImages);
  in_nats.loss = {Reduction::sum, 0.5};
  const Evaluation result = evaluate(trained_, data, in_nats, *self_);
  // 64 values: SE / (2 * 0.25) + 32 log(2 pi 0.25).
  EXPECT_NEAR(result.reconstruction, result.mse * 64 * 2 + 32 * 0.45158270528945482, 1e-9);
}

TEST_F(EvaluationTest, LeavesTheModelAsItWas) {
  const ImageDataset data = open(file_);
  const VanillaVae before = copy_of_trained();
  evaluate(trained_, data, options(data, 8, kImages), *self_);
  EXPECT_TRUE(trained_->is_training());
  trained_->eval();
  evaluate(trained_, data, options(data, 8, kImages), *self_);
  EXPECT_FALSE(trained_->is_training());
  for (const auto& entry : trained_->named_buffers()) EXPECT_TRUE(entry.value().equal(before->named_buffers()[entry.key()])) << entry.key();
}

}  // namespace
}  // namespace vae_dist
