// Uses nvml_stand_in.c as the driver's library and checks which values are read, in which units,
// and that values that the driver does not report are empty.
#include "device/nvml.hpp"

#include <gtest/gtest.h>

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
}

TEST(GpuSensors, AreNoneWhereThereIsNoSuchGpu) { EXPECT_FALSE(GpuSensors::open("0000:FF:00.0")); }

}  // namespace
}  // namespace vae_dist::device
