// Reads a folder laid out like /sys/class/powercap.
#include "device/energy_meters.hpp"

#include <gmock/gmock.h>

#include "powercap_folder.hpp"

namespace vae_dist::device {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pair;

class EnergyMetersTest : public PowercapFolder {};

TEST_F(EnergyMetersTest, CountPackagesFromTheirBegin) {
  add_zone("intel-rapl:0", "package-0", 5'000'000);
  add_zone("intel-rapl:1", "package-1", 1'000'000);
  EnergyMeters meters({}, powercap());
  ASSERT_TRUE(meters.exist());
  EXPECT_THAT(meters.read().packages, ElementsAre(Pair("0", 0.0), Pair("1", 0.0)));
  set_energy("intel-rapl:0", 7'500'000);
  const base::EnergyReadings readings = meters.read();
  EXPECT_THAT(readings.packages, ElementsAre(Pair("0", 2.5), Pair("1", 0.0)));
  EXPECT_EQ(readings.total(), 2.5);
  EXPECT_FALSE(readings.gpu);
}

TEST_F(EnergyMetersTest, GoOnWhereACounterBeginsAgain) {
  add_zone("intel-rapl:0", "package-0", 262'143'000'000);
  EnergyMeters meters({}, powercap());
  set_energy("intel-rapl:0", 1'000'000);
  EXPECT_THAT(meters.read().packages, ElementsAre(Pair("0", DoubleNear(1.32885, 1e-9))))
      << "0.32885 J to the end of the range of 262143.32885 J, and 1 J from its begin";
  set_energy("intel-rapl:0", 3'000'000);
  EXPECT_THAT(meters.read().packages, ElementsAre(Pair("0", DoubleNear(3.32885, 1e-9))));
}

TEST_F(EnergyMetersTest, CountEachPackageOnceAndNoPartOfIt) {
  add_zone("intel-rapl:0", "package-0-die-0", 0);
  add_zone("intel-rapl:0/intel-rapl:0:0", "core", 0);
  add_zone("intel-rapl:0:0", "core", 0);
  add_zone("intel-rapl:1", "psys", 0);
  add_zone("intel-rapl-mmio:0", "package-0", 0);
  EnergyMeters meters({}, powercap());
  EXPECT_THAT(meters.read().packages, ElementsAre(Pair("0-die-0", 0.0)));
}

TEST_F(EnergyMetersTest, AreAbsentWhereNoneCanBeRead) {
  EXPECT_FALSE(EnergyMeters({}, path("no such folder")).exist());
  add_zone("intel-rapl:0", "package-0", 0);
  EXPECT_FALSE(EnergyMeters({}, "").exist()) << "another rank of the node counts the packages";
  // A counter that only root may read is there but cannot be read. A folder in its place cannot be
  // read by root either.
  std::filesystem::remove(powercap() / "intel-rapl:0/energy_uj");
  std::filesystem::create_directory(powercap() / "intel-rapl:0/energy_uj");
  EnergyMeters unreadable({}, powercap());
  EXPECT_FALSE(unreadable.exist());
  EXPECT_FALSE(unreadable.read().total());
  EXPECT_FALSE(EnergyMeters([] { return std::nullopt; }, "").exist())
      << "an older GPU does not tell its energy";
}

TEST_F(EnergyMetersTest, KeepWhatTheyCountedWhereAReadingFails) {
  add_zone("intel-rapl:0", "package-0", 0);
  EnergyMeters meters({}, powercap());
  set_energy("intel-rapl:0", 4'000'000);
  meters.read();
  std::filesystem::remove(powercap() / "intel-rapl:0/energy_uj");
  EXPECT_THAT(meters.read().packages, ElementsAre(Pair("0", 4.0)));
}

TEST(EnergyText, HasTheUnitThatSuitsTheAmount) {
  EXPECT_EQ(base::energy_text(38), "38 J");
  EXPECT_EQ(base::energy_text(12'500), "12.5 kJ");
  EXPECT_EQ(base::energy_text(756'000), "0.21 kWh");
}

}  // namespace
}  // namespace vae_dist::device
