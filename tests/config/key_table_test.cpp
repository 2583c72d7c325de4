#include "config/key_table.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace vae_dist::config {
namespace {

TEST(KeyTable, EveryKeyIsUniqueExplainedAndAtADefaultThatMayStand) {
  Config config;
  std::set<std::string> names;
  for (const base::Key& key : key_table(config)) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_FALSE(key.meaning.empty()) << key.name;
    EXPECT_EQ(key.meaning.find('\n'), std::string::npos) << key.name;
    // "The seed" means run.seed; PyTorch-VAE must be called by its name.
    for (const char* other : {"(the seed)", "the seed's"})
      EXPECT_EQ(key.meaning.find(other), std::string::npos) << key.name;
    EXPECT_EQ(value_text(key), key.default_text) << key.name;
    EXPECT_FALSE(value_text(key).empty()) << key.name;
  }
}

TEST(KldWeightRule, AutoIsReferenceForTheSeedsObjectiveAndElboForAllOthers) {
  ObjectiveConfig objective;
  EXPECT_EQ(kld_weight_rule(objective), KldWeightRule::reference);
  objective.reduction = Reduction::sum;
  EXPECT_EQ(kld_weight_rule(objective), KldWeightRule::elbo);
  objective.kld_weight.rule = KldWeightRule::batch_over_dataset;
  EXPECT_EQ(kld_weight_rule(objective), KldWeightRule::batch_over_dataset);
}

}  // namespace
}  // namespace vae_dist::config
