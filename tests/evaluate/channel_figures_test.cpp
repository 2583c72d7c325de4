#include "evaluate/channel_figures.hpp"

#include <gmock/gmock.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "comm/thread_communicator.hpp"
#include "evaluate/channel_report.hpp"
#include "small_model.hpp"
#include "stored_images.hpp"

namespace vae_dist::evaluate {
namespace {

using testing::HasSubstr;

class Channels : public StoredImages {
 protected:
  std::string stored_noise() const {
    std::vector<std::uint8_t> bytes(37 * 64);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(i * i * 7 % 253);
    return store("noise.h5", {37, 8, 8}, bytes);
  }

  static EvaluationOptions options_of(const data::SampleDataset& data) {
    EvaluationOptions options;
    options.format = format_of(data, -1, 1);
    options.block = 5;
    options.first = 3;
    options.samples = 33;
    return options;
  }

  static void copy_weights(const model::LatentModel& from, model::LatentModel& to) {
    const at::NoGradGuard no_grad;
    const std::vector<at::Tensor> sources = from.parameters();
    std::vector<at::Tensor> targets = to.parameters();
    for (std::size_t i = 0; i < sources.size(); ++i) targets[i].copy_(sources[i]);
  }
};

TEST_F(Channels, HaveTheSameFiguresAtAnyNumberOfRanks) {
  const std::string file = stored_noise();
  const auto original = small_model();
  std::set<std::string> all;
  std::mutex mutex;
  for (const int ranks : {1, 2, 3, 4}) {
    comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& all_ranks) {
      const auto model = small_model();
      copy_weights(*original, *model);
      const data::SampleDataset data = open(file);
      const std::string json =
          channels_json(channel_figures(*model, data, options_of(data), all_ranks)).dump();
      const std::lock_guard lock(mutex);
      all.insert(json);
    });
  }
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(*all.begin(), HasSubstr("\"name\":\"imgs\""));
}

TEST_F(Channels, AreMeasuredInTheUnitsOfTheFile) {
  const auto model = small_model();
  const data::SampleDataset data = open(stored_noise());
  const EvaluationOptions options = options_of(data);
  const auto self = comm::make_self_communicator();
  const Evaluation whole = evaluate(*model, objective::Objective({}, *model), data, options, *self);
  const ChannelFigures figures = channel_figures(*model, data, options, *self);
  ASSERT_EQ(figures.channels.size(), 1u);
  const ChannelFigures::Channel& channel = figures.channels[0];
  EXPECT_NEAR(*channel.rmse, 255 * std::sqrt(whole.mse), 1e-9);
  EXPECT_EQ(channel.power_of_data.size(), 5u);
  EXPECT_FALSE(figures.totals);

  const ComparedHistograms& values = channel.values;
  std::vector<double> stored;
  std::vector<std::uint8_t> image(64);
  for (std::int64_t i = 3; i < 36; ++i) {
    data.read(i, image);
    stored.insert(stored.end(), image.begin(), image.end());
  }
  EXPECT_NEAR(values.edges.front(), *std::min_element(stored.begin(), stored.end()), 1e-9);
  EXPECT_NEAR(values.edges.back(), *std::max_element(stored.begin(), stored.end()), 1e-9);
  EXPECT_NEAR(std::accumulate(values.data.begin(), values.data.end(), 0.0), 1, 1e-12);
  EXPECT_NEAR(values.below + values.above +
                  std::accumulate(values.samples.begin(), values.samples.end(), 0.0),
              1, 1e-12);
  EXPECT_GT(values.separation, values.separation_of_halves);
}

}  // namespace
}  // namespace vae_dist::evaluate
