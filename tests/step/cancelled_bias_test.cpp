// model.cancelled_bias: a bias before batch norm that training leaves out changes nothing but
// rounding, neither in training nor in what the running statistics give afterwards.
#include <gtest/gtest.h>

#include "small_run.hpp"

namespace vae_dist::step {
namespace {

struct Case {
  std::string name, batch_norm;
  std::vector<std::string> frozen;
};

class CancelledBias : public testing::TestWithParam<Case> {
 protected:
  static config::Config config(config::CancelledBias choice) {
    config::Config out = small_config();
    out.model.cancelled_bias = choice;
    out.distributed.batch_norm = config::from_word<config::BatchNorm>(GetParam().batch_norm);
    out.train.freeze = GetParam().frozen;
    return out;
  }

  static at::Tensor evaluated(SmallRank& rank) {
    const at::NoGradGuard no_grad;
    rank.model().eval();
    const at::Tensor out =
        rank.model().forward({images_of_step(9), noise_of_step(9)}).reconstruction;
    rank.model().train();
    return out;
  }

  std::unique_ptr<comm::CpuCommunicator> self_ = comm::make_self_communicator();
  SmallRank skipping_{config(config::CancelledBias::skip), 4, *self_};
  SmallRank adding_{config(config::CancelledBias::add), 4, *self_};
};

void expect_near(const std::vector<at::Tensor>& ours, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(ours.size(), expected.size());
  for (std::size_t i = 0; i < ours.size(); ++i)
    EXPECT_TRUE(at::allclose(ours[i].to(at::kDouble), expected[i].to(at::kDouble), 1e-8, 1e-9))
        << "tensor " << i << " of the state";
}

TEST_P(CancelledBias, ChangesNoResult) {
  for (std::int64_t number = 0; number < 6; ++number) {
    const std::vector<double> ours = skipping_.step(number), expected = adding_.step(number);
    for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], expected[i], 1e-9);
  }
  expect_near(skipping_.state(), adding_.state());
  EXPECT_TRUE(at::allclose(evaluated(skipping_), evaluated(adding_), 1e-8, 1e-9));
}

// Weights that are loaded, such as a checkpoint's, bring other biases.
TEST_P(CancelledBias, IsTheOneThatTheModelHasNow) {
  for (SmallRank* const rank : {&skipping_, &adding_}) {
    for (const auto& parameter : rank->model().named_parameters())
      if (parameter.key() == "encoder.1.0.bias") parameter.value().detach().fill_(1000);
    rank->step(0);
  }
  expect_near(skipping_.state(), adding_.state());
  bool is_in_a_mean = false;
  for (const auto& buffer : skipping_.model().named_buffers())
    if (buffer.key() == "encoder.1.1.running_mean")
      is_in_a_mean = buffer.value().min().item<double>() > 90;
  EXPECT_EQ(is_in_a_mean, GetParam().frozen.empty() || GetParam().frozen.front() != "encoder");
}

INSTANTIATE_TEST_SUITE_P(Runs, CancelledBias,
                         testing::Values(Case{"Local", "local", {}}, Case{"Sync", "sync", {}},
                                         Case{"FrozenConvolution", "local", {"encoder.1.0"}},
                                         Case{"FrozenNorm", "local", {"encoder.0.1"}},
                                         Case{"FrozenEncoder", "local", {"encoder"}}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace vae_dist::step
