#include <gmock/gmock.h>

#include "evaluate/collapse.hpp"

namespace vae_dist::evaluate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Evaluation of(double kld_nats, double mse) {
  Evaluation result;
  result.kld_nats = kld_nats;
  result.mse = mse;
  result.active_units = 3;
  return result;
}

TEST(CollapseSign, IsNotSeenInAModelThatLearned) {
  EXPECT_EQ(collapse_sign(of(12, 0.005), 0.03), "");
}

TEST(CollapseSign, IsAKlBelowHalfANat) {
  EXPECT_THAT(collapse_sign(of(0.07, 0.02), 0.03),
              AllOf(HasSubstr("collapsed: its KL is 0.07 nats"), HasSubstr("objective.kld_weight"),
                    Not(HasSubstr("mean image"))));
  EXPECT_EQ(collapse_sign(of(0.51, 0.02), 0.03), "");
}

TEST(CollapseSign, IsAnErrorLikeTheMeanImages) {
  EXPECT_THAT(collapse_sign(of(5, 0.028), 0.03),
              HasSubstr("hardly better than the mean image (MSE 0.028, the mean image's is 0.03)"));
  EXPECT_EQ(collapse_sign(of(5, 0.0269), 0.03), "");
  EXPECT_THAT(collapse_sign(of(0.1, 0.03), 0.03),
              AllOf(HasSubstr("collapsed"), HasSubstr(", and reconstructions")));
}

TEST(CollapseSign, OfAnAutoencoderIsItsErrorAlone) {
  Evaluation result = of(0, 0.005);
  result.active_units.reset();
  EXPECT_EQ(collapse_sign(result, 0.03), "");
  result.mse = 0.03;
  EXPECT_THAT(collapse_sign(result, 0.03),
              AllOf(HasSubstr("mean image"), Not(HasSubstr("kld_weight"))));
  result.reconstructs = false;
  EXPECT_EQ(collapse_sign(result, 0.03), "") << "a decoder alone";
}

}  // namespace
}  // namespace vae_dist::evaluate
