#include "base/registry.hpp"

#include <gmock/gmock.h>

namespace vae_dist::base {
namespace {

using testing::ElementsAre;

struct Fruit : Item {
  int seeds = 0;
};
struct PeelSettings {
  double thickness = 0.5;
};

Fruit fruit(const std::string& name, const std::string& settings = "") {
  return {{.name = name,
           .help = "",
           .own = own_keys<PeelSettings>(
               [](Section& keys, PeelSettings& own) {
                 keys.key("peel", own.thickness, "millimetres").above(0);
               },
               settings)},
          3};
}

TEST(Registry, FindsItemsByNameInTheirOrder) {
  Registry<Fruit> fruits;
  fruits.add(fruit("pear"));
  fruits.add(fruit("apple"));
  EXPECT_THAT(fruits.names(), ElementsAre("apple", "pear"));
  EXPECT_EQ(fruits.find("pear")->seeds, 3);
  EXPECT_EQ(fruits.find("stone"), nullptr);
}

TEST(RegistryDeathTest, EndsAProgramInWhichTwoHaveOneName) {
  Registry<Fruit> fruits;
  fruits.add(fruit("pear"));
  EXPECT_DEATH(fruits.add(fruit("pear")), "two files of this program register the name 'pear'");
}

TEST(OwnKeys, CountForTheItemsThatShareThem) {
  Registry<Fruit> fruits;
  fruits.add(fruit("lemon", "citrus"));
  fruits.add(fruit("lime", "citrus"));
  fruits.add({{.name = "grape", .help = ""}});
  ItemSettings settings = ItemSettings::defaults_of(fruits);
  std::string chosen = "lime";
  std::vector<Key> keys;
  add_own_keys(keys, "fruit", "fruit.name", chosen, fruits.items(), settings);
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].name, "fruit.peel");
  EXPECT_EQ(keys[0].counts_when, "fruit.name is lemon or lime");
  EXPECT_TRUE(counts(keys[0]));
  chosen = "grape";
  EXPECT_FALSE(counts(keys[0]));
  *std::get<double*>(keys[0].slot) = 2;
  EXPECT_EQ(settings.get<PeelSettings>("citrus").thickness, 2);
}

TEST(OwnKeys, OfOneNameCountEachForItsItem) {
  Registry<Fruit> fruits;
  fruits.add(fruit("apple"));
  fruits.add(fruit("pear"));
  ItemSettings settings = ItemSettings::defaults_of(fruits);
  std::string chosen = "pear";
  std::vector<Key> keys;
  add_own_keys(keys, "fruit", "fruit.name", chosen, fruits.items(), settings);
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].name, keys[1].name);
  EXPECT_FALSE(counts(keys[0]));
  EXPECT_TRUE(counts(keys[1]));
}

TEST(RegistryDeathTest, EndsAProgramInWhichAnItemsKeyIsOneOfItsSection) {
  Registry<Fruit> fruits;
  fruits.add(fruit("apple"));
  ItemSettings settings = ItemSettings::defaults_of(fruits);
  std::vector<Key> keys;
  double peel = 1;
  Section(keys, "fruit").key("peel", peel, "of all fruit");
  EXPECT_DEATH(add_own_keys(keys, "fruit", "fruit.name", "apple", fruits.items(), settings),
               "fruit.peel");
}

TEST(ItemList, KeepsEachEntrysOwnSettings) {
  Registry<Fruit> fruits;
  fruits.add(fruit("pear"));
  ItemList list = ItemList::of(fruits);
  EXPECT_EQ(list.add("stone"), nullptr);
  *std::get<double*>(ItemList::keys_of(*list.add("pear"))[0].slot) = 4;
  list.add("pear");
  ASSERT_EQ(list.entries().size(), 2U);
  EXPECT_EQ(list.entries()[0].get<PeelSettings>().thickness, 4);
  EXPECT_EQ(list.entries()[1].get<PeelSettings>().thickness, 0.5);
}

TEST(RegistryDeathTest, EndsAProgramInWhichAnEntrysKeyIsTheOneThatNamesIt) {
  Registry<Fruit> fruits;
  fruits.add({{.name = "fig",
               .help = "",
               .own = own_keys<PeelSettings>([](Section& keys, PeelSettings& own) {
                 keys.key("name", own.thickness, "millimetres");
               })}});
  ItemList list = ItemList::of(fruits);
  EXPECT_DEATH(ItemList::keys_of(*list.add("fig")), "fig.name");
}

TEST(Choice, IsOneOfItsWords) {
  bool value = false;
  ChoiceOf<bool> choice(value, {{"flat", false}, {"spatial", true}});
  EXPECT_EQ(choice.word(), "flat");
  EXPECT_TRUE(choice.choose("spatial"));
  EXPECT_TRUE(value);
  EXPECT_FALSE(choice.choose("round"));
  EXPECT_TRUE(value) << "the value must not change";
}

}  // namespace
}  // namespace vae_dist::base
