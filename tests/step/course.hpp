// Records the course of a training on several ranks (threads), and compares two courses.
#pragma once

#include <gtest/gtest.h>

#include <cmath>

#include "small_run.hpp"

namespace vae_dist::step {

inline constexpr std::int64_t kSteps = 5;

struct Course {
  std::vector<std::vector<double>>
      steps;  // per step: loss, reconstruction, KL, gradient norm, skipped, extra terms
  std::vector<std::vector<at::Tensor>> gradients;  // of each step
  std::vector<at::Tensor> state;                   // at the end
};

inline Course train(const config::Config& config, std::int64_t replicas, int ranks) {
  Course course;
  comm::run_thread_ranks(ranks, [&](comm::CpuCommunicator& comm) {
    SmallRank rank(config, replicas, comm);
    Course mine;
    for (std::int64_t number = 0; number < kSteps; ++number) {
      mine.steps.push_back(rank.step(number));
      mine.gradients.push_back(rank.gradients());
    }
    mine.state = rank.state();
    if (comm.rank() == comm.size() - 1) course = std::move(mine);
  });
  return course;
}

inline double largest(const std::vector<at::Tensor>& tensors) {
  double out = 0;
  for (const at::Tensor& tensor : tensors) out = std::max(out, tensor.abs().max().item<double>());
  return out;
}

inline void expect_same_course(const Course& ours, const Course& expected, double tolerance,
                               std::int64_t steps) {
  for (std::int64_t number = 0; number < steps; ++number) {
    const auto at_step = static_cast<std::size_t>(number);
    const auto &values = ours.steps[at_step], &right_values = expected.steps[at_step];
    ASSERT_EQ(values.size(), right_values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(values[i], right_values[i], tolerance * std::abs(right_values[i]))
          << "value " << i << " of step " << number;

    const auto &gradients = ours.gradients[at_step], &right_gradients = expected.gradients[at_step];
    ASSERT_EQ(gradients.size(), right_gradients.size());
    for (std::size_t i = 0; i < gradients.size(); ++i)
      EXPECT_LE(largest({gradients[i] - right_gradients[i]}), tolerance * largest(right_gradients))
          << "gradient " << i << " of step " << number;
  }
}

inline void expect_same_state(const Course& ours, const Course& expected, double tolerance) {
  ASSERT_EQ(ours.state.size(), expected.state.size());
  for (std::size_t i = 0; i < expected.state.size(); ++i)
    EXPECT_TRUE(at::allclose(ours.state[i], expected.state[i], tolerance, tolerance))
        << "tensor " << i;
}

}  // namespace vae_dist::step
