// Replaces the driver's libnvidia-ml.so.1 on machines without a GPU: one GPU at 0000:1B:00.0, which
// reports everything except its power; its energy rises by 250 J
// from one reading to the next.
#include <string.h>

static int a_gpu;

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }

int nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, void** device) {
  if (strcmp(bus_id, "0000:1B:00.0") != 0) return 6;  // NVML_ERROR_NOT_FOUND
  *device = &a_gpu;
  return 0;
}

int nvmlDeviceGetMemoryInfo(void* device, unsigned long long memory[3]) {
  if (device != &a_gpu) return 2;
  memory[0] = 80ull << 30;  // total, free, used
  memory[1] = 60ull << 30;
  memory[2] = 20ull << 30;
  return 0;
}

int nvmlDeviceGetUtilizationRates(void* device, unsigned int rates[2]) {
  if (device != &a_gpu) return 2;
  rates[0] = 93;  // GPU, memory bandwidth
  rates[1] = 40;
  return 0;
}

int nvmlDeviceGetTemperature(void* device, int sensor, unsigned int* degrees) {
  if (device != &a_gpu || sensor != 0) return 2;
  *degrees = 61;
  return 0;
}

int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
  static unsigned long long used = 7000000;  // since the driver was loaded
  if (device != &a_gpu) return 2;
  used += 250000;
  *millijoules = used;
  return 0;
}

int nvmlDeviceGetPowerUsage(void* device, unsigned int* milliwatts) {
  (void)device;
  (void)milliwatts;
  return 3;  // NVML_ERROR_NOT_SUPPORTED
}
