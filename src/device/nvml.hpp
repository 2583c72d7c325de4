// Reads a GPU's memory, utilisation, temperature, power and energy from the NVIDIA driver. NVML is
// loaded on first use, so a machine without a driver neither links it nor needs it.
#pragma once

#include <memory>
#include <string>

#include "base/gpu_readings.hpp"

namespace vae_dist::device {

class GpuSensors {
 public:
  /// Opens the sensors of the GPU with this PCI bus id ("0000:1b:00.0", as returned by
  /// cudaDeviceGetPCIBusId). Returns null if the driver, its library or the GPU does not exist.
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
