#include "evaluate/aggregate_parts.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "comm/thread_communicator.hpp"
#include "evaluate/encoded_rows.hpp"
#include "evaluate/keyed_noise.hpp"
#include "small_model.hpp"
#include "stored_images.hpp"

namespace vae_dist::evaluate {
namespace {

constexpr std::int64_t kRows = 90;

class AggregatePartsTest : public StoredImages {
 protected:
  void SetUp() override {
    StoredImages::SetUp();
    at::set_num_threads(1);
    std::vector<std::uint8_t> bytes(kRows * 8 * 8);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(i * i * 7 % 253);
    file_ = store("images.h5", {kRows, 8, 8}, bytes);
  }

  std::string file_;
  std::shared_ptr<model::LatentModel> model_ = small_model();
};

TEST_F(AggregatePartsTest, AreMeansOverCodesOfEveryRowUnderTheMeanOfAllPosteriors) {
  const auto self = comm::make_self_communicator();
  const data::SampleDataset data = open(file_);
  const AggregateParts parts = aggregate_parts(*model_, data, format_of(data), 7, 3, *self);
  EXPECT_EQ(parts.rows, kRows);
  EXPECT_EQ(parts.codes, kRows);

  const EncodedBlock all = encode_rows(*model_, data, {0, kRows}, format_of(data), kRows, *self);
  const at::Tensor noise = keyed_noise(*model_, base::Purpose::evaluation, 3, 0, kRows);
  const at::Tensor z = all.mu + (0.5 * all.log_var).exp() * noise;
  const at::Tensor log_q = -0.5 * ((z.unsqueeze(1) - all.mu).square() / all.log_var.exp() +
                                   all.log_var + std::log(2 * std::numbers::pi));
  const at::Tensor whole = log_q.sum(2).exp().mean(1).log(),
                   dimensions = log_q.exp().mean(1).log().sum(1), own = log_q.sum(2).diagonal(),
                   prior = -0.5 * (z.square() + std::log(2 * std::numbers::pi)).sum(1);
  EXPECT_NEAR(parts.total_correlation, (whole - dimensions).mean().item<double>(), 1e-10);
  EXPECT_NEAR(parts.index_code, (own - whole).mean().item<double>(), 1e-10);
  EXPECT_NEAR(parts.dimension_wise, (dimensions - prior).mean().item<double>(), 1e-10);
  EXPECT_GT(parts.index_code, 0);
  EXPECT_LE(parts.index_code, std::log(kRows) + 1e-9);
}

TEST_F(AggregatePartsTest, HaveTheSameBitsAtAnyNumberOfRanks) {
  AggregateParts alone;
  for (const int ranks : {1, 2, 4})
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
      at::set_num_threads(1);
      const auto model = copy_of(*model_);
      const data::SampleDataset data = open(file_);
      const AggregateParts parts = aggregate_parts(*model, data, format_of(data), 7, 3, comm);
      if (ranks == 1) alone = parts;
      EXPECT_EQ(parts.total_correlation, alone.total_correlation) << ranks << " ranks";
      EXPECT_EQ(parts.index_code, alone.index_code);
      EXPECT_EQ(parts.dimension_wise, alone.dimension_wise);
    });
}

}  // namespace
}  // namespace vae_dist::evaluate
