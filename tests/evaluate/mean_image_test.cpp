#include "evaluate/mean_image.hpp"

#include <gtest/gtest.h>

#include "comm/thread_communicator.hpp"
#include "stored_images.hpp"

namespace vae_dist::evaluate {
namespace {

class MeanImage : public StoredImages {};

TEST_F(MeanImage, LeavesEveryValuesVariance) {
  // Values (0, 10, 20, 30, 40, 50) and (255, 10, 22, 36, 40, 50): variances 127.5^2, 0, 1, 9, 0, 0.
  const data::SampleDataset data =
      stored({2, 2, 3}, {0, 10, 20, 30, 40, 50, 255, 10, 22, 36, 40, 50});
  const auto self = comm::make_self_communicator();
  EXPECT_NEAR(mean_image_mse(data, {}, 2, *self), (127.5 * 127.5 + 1 + 9) / 6 / (255.0 * 255.0),
              1e-15);
}

TEST_F(MeanImage, OfOneImageIsThatImage) {
  const data::SampleDataset data = stored({2, 2, 2}, {1, 2, 3, 4, 200, 100, 50, 25});
  const auto self = comm::make_self_communicator();
  EXPECT_EQ(mean_image_mse(data, {}, 1, *self), 0.0) << "the second image is not looked at";
  EXPECT_GT(mean_image_mse(data, {}, 2, *self), 0.0);
}

TEST_F(MeanImage, LeavesTheSameBitsAtAnyNumberOfRanks) {
  std::vector<std::uint8_t> bytes(37 * 5 * 6);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(i * i * 7 % 253);
  const std::string file = store("images.h5", {37, 5, 6}, bytes);
  const auto self = comm::make_self_communicator();
  const double alone = mean_image_mse(open(file), {}, 37, *self);
  for (const int ranks : {1, 2, 3, 4})
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
      EXPECT_EQ(mean_image_mse(open(file), {}, 37, comm), alone)
          << "rank " << comm.rank() << " of " << ranks;
    });
}

}  // namespace
}  // namespace vae_dist::evaluate
