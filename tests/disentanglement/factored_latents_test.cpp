#include "disentanglement/factored_latents.hpp"

#include <gmock/gmock.h>

#include <limits>

#include "base/error.hpp"
#include "constructed_latents.hpp"

namespace vae_dist::disentanglement {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

at::Tensor column_pair(std::vector<std::int64_t> one, std::vector<std::int64_t> two) {
  return at::stack({at::tensor(one, at::kLong), at::tensor(two, at::kLong)}, 1);
}

TEST(FactoredLatents, FindsRowsByFactorAndClass) {
  const FactoredLatents latents(noise(5, 2), column_pair({7, 3, 7, 9, 3}, {0, 0, 1, 1, 1}),
                                {"a", "b"}, {true, false});
  EXPECT_EQ(latents.factors(), 2);
  EXPECT_EQ(latents.class_count(0), 3);
  EXPECT_THAT(latents.rows_of_class(0, 0), ElementsAre(1, 4));  // class 3
  EXPECT_THAT(latents.rows_of_class(0, 1), ElementsAre(0, 2));  // class 7
  EXPECT_THAT(latents.rows_of_class(0, 2), ElementsAre(3));
  EXPECT_THAT(latents.rows_with_class_peers(0), ElementsAre(0, 1, 2, 4));
  EXPECT_TRUE(latents.classes(0).equal(at::tensor({1, 0, 1, 2, 0}, at::kLong)));
  EXPECT_TRUE(latents.values(0).equal(at::tensor({7.0, 3.0, 7.0, 9.0, 3.0}, at::kDouble)));
  EXPECT_TRUE(latents.ordered(0));
  EXPECT_FALSE(latents.ordered(1));
}

TEST(FactoredLatents, LeavesOutFactorsThatDoNotVary) {
  const FactoredLatents latents(noise(4, 2), column_pair({5, 5, 5, 5}, {0, 1, 0, 1}),
                                {"colour", "shape"}, {true, false});
  EXPECT_EQ(latents.factors(), 1);
  EXPECT_EQ(latents.name(0), "shape");
}

TEST(FactoredLatents, RefusesWhatCanNotBeScored) {
  const auto refusal = [](const at::Tensor& mu, const at::Tensor& classes,
                          std::vector<std::string> names = {"a", "b"}) -> std::string {
    try {
      FactoredLatents(mu, classes, names, {true, true});
    } catch (const base::BadInput& error) {
      return error.what();
    }
    return "accepted";
  };
  const at::Tensor classes = column_pair({0, 1, 0, 1}, {0, 0, 1, 1});
  EXPECT_EQ(refusal(noise(4, 2), classes), "accepted");
  EXPECT_THAT(refusal(noise(3, 2), classes),
              HasSubstr("the latent means have 3 rows, but the factor classes have 4"));
  EXPECT_THAT(refusal(noise(4, 2), classes, {"a"}), HasSubstr("2 factors, but 1 names"));
  EXPECT_THAT(refusal(noise(4, 2) / 0.0, classes), HasSubstr("not finite"));
  EXPECT_THAT(refusal(noise(4, 2), column_pair({0, 0, 0, 0}, {1, 1, 1, 1})),
              HasSubstr("no factor varies"));
  EXPECT_THAT(refusal(noise(4, 2), column_pair({0, 1, 2, 3}, {0, 0, 1, 1})),
              HasSubstr("the factor 'a'"));
  EXPECT_THAT(refusal(noise(4, 2), classes.to(at::kFloat)), HasSubstr("int64"));
}

TEST(OrderedFactor, IsAnyButAKindOfThing) {
  for (const char* name : {"scale", "orientation", "x", "posY", "colour", "floor_hue"})
    EXPECT_TRUE(is_ordered_factor(name)) << name;
  for (const char* name : {"shape", "object_shape", "label", "category", "class"})
    EXPECT_FALSE(is_ordered_factor(name)) << name;
}

}  // namespace
}  // namespace vae_dist::disentanglement
