// Uses nvml_stand_in.c as the driver's library and checks which values are read, in which units,
// and that values that the driver does not report are empty.
#include "device/nvml.hpp"

#include <gtest/gtest.h>

#include "device/energy_meters.hpp"

namespace vae_dist::device {
namespace {

TEST(GpuSensors, ReadTheGpuOfThatBusId) {
  const std::unique_ptr<GpuSensors> gpu = GpuSensors::open("0000:1B:00.0");
  ASSERT_TRUE(gpu);
  const base::GpuReadings readings = gpu->read();
  EXPECT_EQ(readings.memory_total_bytes, 80.0 * (1 << 30));
  EXPECT_EQ(readings.memory_used_bytes, 20.0 * (1 << 30));
  EXPECT_EQ(readings.utilization, 0.93);
  EXPECT_EQ(readings.celsius, 61);
  EXPECT_FALSE(readings.watts);
  ASSERT_TRUE(readings.joules);
  EXPECT_EQ(*gpu->read().joules - *readings.joules, 250);
}

TEST(GpuSensors, CountTheEnergyOfATrainingFromItsBegin) {
  const std::shared_ptr<GpuSensors> gpu = GpuSensors::open("0000:1B:00.0");
  ASSERT_TRUE(gpu);
  EnergyMeters meters([gpu] { return gpu->read().joules; }, "");
  ASSERT_TRUE(meters.exist());
  EXPECT_EQ(meters.read().gpu, 250) << "not what was used since the driver was loaded";
  EXPECT_EQ(meters.read().gpu, 500);
  EXPECT_EQ(meters.read().total(), 750);
}

TEST(GpuSensors, AreNoneWhereThereIsNoSuchGpu) { EXPECT_FALSE(GpuSensors::open("0000:FF:00.0")); }

}  // namespace
}  // namespace vae_dist::device
