#include "config/nearest_name.hpp"

#include <gtest/gtest.h>

namespace vae_dist::config {
namespace {

const std::vector<std::string> kKnown = {
    "train",        "train.global_batch", "train.optimizer.learning_rate",
    "train.epochs", "evaluate.batch",     "data.range"};

TEST(NearestName, CountsInsertionsDeletionsAndReplacements) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("flaw", "lawn"), 2u);
}

TEST(NearestName, FindsAMisspeltKey) {
  EXPECT_EQ(nearest_name("train.global_bach", kKnown), "train.global_batch");
}

TEST(NearestName, FindsAMisspeltSection) {
  EXPECT_EQ(nearest_name("trian", kKnown), "train");
  EXPECT_EQ(nearest_name("trian.epochs", kKnown), "train.epochs");
}

TEST(NearestName, FindsTheRightKeyInTheWrongSection) {
  EXPECT_EQ(nearest_name("train.learning_rate", kKnown), "train.optimizer.learning_rate");
  EXPECT_EQ(nearest_name("global_batch", kKnown), "train.global_batch");
}

TEST(NearestName, DoesNotGuessWhenNothingIsNear) {
  EXPECT_EQ(nearest_name("train.colour_of_the_sky", kKnown), "");
}

}  // namespace
}  // namespace vae_dist::config
