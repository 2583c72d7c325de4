#include "plot/axis.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace vae_dist::plot {
namespace {

using ::testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(),
                 kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::string> labels(Range range, bool logarithmic = false, int wanted = 5) {
  std::vector<std::string> out;
  for (const Tick& tick : ticks(range, logarithmic, wanted))
    if (!tick.label.empty()) out.push_back(tick.label);
  return out;
}

TEST(Ticks, AreRoundAndTellEachOtherApart) {
  EXPECT_THAT(labels({0, 10}), ElementsAre("0", "2", "4", "6", "8", "10"));
  EXPECT_THAT(labels({0, 0.07}), ElementsAre("0", "0.02", "0.04", "0.06"));
  EXPECT_THAT(labels({-1, 1}), ElementsAre("−1.0", "−0.5", "0", "0.5", "1.0"));
  EXPECT_THAT(labels({1.001, 1.0034}),
              ElementsAre("1.0010", "1.0015", "1.0020", "1.0025", "1.0030"));
  EXPECT_THAT(labels({0, 1400}, false, 7),
              ElementsAre("0", "200", "400", "600", "800", "1,000", "1,200", "1,400"));
}

TEST(Ticks, WriteLargeAndSmallNumbersShort) {
  EXPECT_THAT(labels({0, 100000}), ElementsAre("0", "20k", "40k", "60k", "80k", "100k"));
  EXPECT_THAT(labels({0, 2.5e6}), ElementsAre("0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"));
  EXPECT_THAT(labels({0, 4e-4}), ElementsAre("0", "1×10⁻⁴", "2×10⁻⁴", "3×10⁻⁴", "4×10⁻⁴"));
  EXPECT_THAT(labels({0, 3e13}, false, 3), ElementsAre("0", "1×10¹³", "2×10¹³", "3×10¹³"));
}

TEST(Ticks, OfALogarithmicAxisArePowersOfTenWithSmallOnesBetween) {
  EXPECT_THAT(labels({1e-3, 1}, true), ElementsAre("0.001", "0.01", "0.1", "1"));
  EXPECT_THAT(labels({0.5, 30}, true), ElementsAre("0.5", "1", "2", "5", "10", "20"));
  EXPECT_THAT(labels({1e-9, 1e3}, true), ElementsAre("10⁻⁹", "10⁻⁶", "0.001", "1", "1,000"));
  EXPECT_THAT(labels({2, 3}, true), ElementsAre("2.0", "2.2", "2.4", "2.6", "2.8", "3.0"));
  const std::vector<Tick> small = ticks({1, 100}, true, 5);
  EXPECT_EQ(small.size(), 19u) << "1 to 9, 10 to 90, 100";
}

TEST(Ticks, LieInsideTheRangeForEveryRange) {
  for (const double low : {-3e7, -1.0, 0.0, 1e-7, 0.3, 12345.0}) {
    for (const double span : {1e-9, 1e-3, 0.7, 1.0, 9.99, 1e6, 3e11}) {
      for (const bool logarithmic : {false, true}) {
        if (logarithmic && low <= 0) continue;
        const Range range{low, low + span};
        if (range.low >= range.high) continue;
        const std::vector<Tick> found = ticks(range, logarithmic, 5);
        EXPECT_LE(found.size(), 100u);
        for (const Tick& tick : found) {
          EXPECT_GE(tick.value, range.low - 1e-6 * (span + std::fabs(low)));
          EXPECT_LE(tick.value, range.high + 1e-6 * (span + std::fabs(range.high)));
        }
      }
    }
  }
}

TEST(AxisScale, PutsValuesInProportion) {
  const Scale plain({10, 20}, false, 100, 300);
  EXPECT_DOUBLE_EQ(plain(10), 100);
  EXPECT_DOUBLE_EQ(plain(15), 200);
  EXPECT_DOUBLE_EQ(plain(20), 300);
  const Scale powers({0.01, 100}, true, 200, 0);  // upwards, as y runs
  EXPECT_NEAR(powers(0.01), 200, 1e-9);
  EXPECT_NEAR(powers(1), 100, 1e-9);
  EXPECT_NEAR(powers(100), 0, 1e-9);
}

TEST(AxisScale, RefusesARangeThatIsNone) {
  EXPECT_THROW(Scale({1, 1}, false, 0, 1), base::BadInput);
  EXPECT_THROW(Scale({0, 1}, true, 0, 1), base::BadInput);
  EXPECT_THROW(Scale({kNan, 1}, false, 0, 1), base::BadInput);
}

TEST(AxisRange, HoldsWhatCanBeShown) {
  const std::vector<double> values{kNan, 3, -2, 0, kInfinity, 7};
  EXPECT_EQ(range_of(values, false)->low, -2);
  EXPECT_EQ(range_of(values, false)->high, 7);
  EXPECT_EQ(range_of(values, true)->low, 3);
  EXPECT_FALSE(range_of(std::vector{kNan, -kInfinity}, false));
}

TEST(AxisRange, GetsAirStartsAtZeroWhereItIsNearAndShowsASingleValue) {
  EXPECT_EQ(padded({1, 100}, false).low, 0);
  EXPECT_DOUBLE_EQ(padded({90, 100}, false).low, 89.5);
  EXPECT_DOUBLE_EQ(padded({5, 5}, false).low, 4.5);
  EXPECT_DOUBLE_EQ(padded({0, 0}, false).high, 1);
  EXPECT_DOUBLE_EQ(padded({3, 3}, true).high, 6);
  EXPECT_GT(padded({0.1, 10}, true).low, 0);
}

TEST(NumberLabel, IsShortAndExactEnough) {
  EXPECT_EQ(number_label(0.0213371), "0.02134");
  EXPECT_EQ(number_label(12.186939), "12.19");
  EXPECT_EQ(number_label(429), "429");
  EXPECT_EQ(number_label(1400), "1,400");
  EXPECT_EQ(number_label(-1234567.2), "−1,234,567");
  EXPECT_EQ(number_label(0.00025), "0.00025");
  EXPECT_EQ(number_label(0.0000123), "1.23×10⁻⁵");
  EXPECT_EQ(number_label(0), "0");
  EXPECT_EQ(number_label(kNan), "not finite");
}

}  // namespace
}  // namespace vae_dist::plot
