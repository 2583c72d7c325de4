#include "run/bfloat16_warning.hpp"

#include "base/cpu_features.hpp"
#include "base/text.hpp"

namespace vae_dist::run {

std::string bfloat16_warning(const config::TrainConfig& train, const device::DeviceChoice& device, const std::string& cpuinfo) {
  if (train.precision != "bf16" || !device.device.is_cpu() || base::multiplies_bfloat16(cpuinfo)) return "";
  const std::string model = base::cpu_model(cpuinfo);
  return base::text("train.precision is bf16, for which this CPU", model.empty() ? "" : base::text(" (", model, ")"),
              " has no instructions (AVX512_BF16 or AMX, bf16 on ARM): it imitates them, and a step may take ten times as long as in fp32. Use train.precision=fp32 here, or start where there is a GPU or such a CPU.");
}

}  // namespace vae_dist::run
