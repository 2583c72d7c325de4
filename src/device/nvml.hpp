// What the NVIDIA driver tells about a GPU: memory, utilisation, temperature, power. NVML is loaded
// when it is first asked for, so a machine without a driver neither links nor misses it.
#pragma once

#include <memory>
#include <string>

#include "base/gpu_readings.hpp"

namespace vae_dist::device {

class GpuSensors {
 public:
  /// Of the GPU with this PCI bus id ("0000:1b:00.0", as cudaDeviceGetPCIBusId tells it). Null
  /// without driver, library or such a GPU.
  static std::unique_ptr<GpuSensors> open(const std::string& pci_bus_id);
  ~GpuSensors();
  GpuSensors(const GpuSensors&) = delete;
  GpuSensors& operator=(const GpuSensors&) = delete;

  base::GpuReadings read() const;

 private:
  struct Library;
  explicit GpuSensors(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace vae_dist::device
