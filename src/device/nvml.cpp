#include "device/nvml.hpp"

#include <dlfcn.h>

namespace vae_dist::device {
namespace {

// The part of nvml.h that this file uses. Its layout is fixed by the library's ABI.
using Device = void*;
constexpr int kSuccess = 0, kGpuTemperature = 0;

}  // namespace

struct GpuSensors::Library {
  struct Memory {
    unsigned long long total, free, used;
  };
  struct Utilization {
    unsigned int gpu, memory;
  };

  void* handle = nullptr;
  bool started = false;
  Device device = nullptr;
  int (*shutdown)() = nullptr;
  int (*memory)(Device, Memory*) = nullptr;
  int (*utilization)(Device, Utilization*) = nullptr;
  int (*temperature)(Device, int, unsigned int*) = nullptr;
  int (*power)(Device, unsigned int*) = nullptr;
  int (*energy)(Device, unsigned long long*) = nullptr;

  template <typename Function>
  bool find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(handle, name));
    return function != nullptr;
  }

  bool open(const std::string& pci_bus_id) {
    handle = ::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    int (*init)() = nullptr;
    int (*by_bus_id)(const char*, Device*) = nullptr;
    if (handle == nullptr || !find("nvmlShutdown", shutdown) || !find("nvmlInit_v2", init) ||
        !find("nvmlDeviceGetHandleByPciBusId_v2", by_bus_id))
      return false;
    find("nvmlDeviceGetMemoryInfo", memory);
    find("nvmlDeviceGetUtilizationRates", utilization);
    find("nvmlDeviceGetTemperature", temperature);
    find("nvmlDeviceGetPowerUsage", power);
    find("nvmlDeviceGetTotalEnergyConsumption", energy);
    started = init() == kSuccess;
    return started && by_bus_id(pci_bus_id.c_str(), &device) == kSuccess;
  }

  ~Library() {
    if (started) shutdown();
    if (handle != nullptr) ::dlclose(handle);
  }
};

std::unique_ptr<GpuSensors> GpuSensors::open(const std::string& pci_bus_id) {
  auto library = std::make_unique<Library>();
  if (!library->open(pci_bus_id)) return nullptr;
  return std::unique_ptr<GpuSensors>(new GpuSensors(std::move(library)));
}

GpuSensors::GpuSensors(std::unique_ptr<Library> library) : library_(std::move(library)) {}

GpuSensors::~GpuSensors() = default;

base::GpuReadings GpuSensors::read() const {
  const Library& nvml = *library_;
  base::GpuReadings out;
  if (Library::Memory memory{};
      nvml.memory != nullptr && nvml.memory(nvml.device, &memory) == kSuccess) {
    out.memory_used_bytes = static_cast<double>(memory.used);
    out.memory_total_bytes = static_cast<double>(memory.total);
  }
  if (Library::Utilization used{};
      nvml.utilization != nullptr && nvml.utilization(nvml.device, &used) == kSuccess)
    out.utilization = used.gpu / 100.0;
  if (unsigned int degrees = 0;
      nvml.temperature != nullptr &&
      nvml.temperature(nvml.device, kGpuTemperature, &degrees) == kSuccess)
    out.celsius = degrees;
  if (unsigned int milliwatts = 0;
      nvml.power != nullptr && nvml.power(nvml.device, &milliwatts) == kSuccess)
    out.watts = milliwatts / 1000.0;
  if (unsigned long long millijoules = 0;
      nvml.energy != nullptr && nvml.energy(nvml.device, &millijoules) == kSuccess)
    out.joules = static_cast<double>(millijoules) / 1000;
  return out;
}

}  // namespace vae_dist::device
