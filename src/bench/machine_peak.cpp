#include "bench/machine_peak.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <stdexcept>

#include "base/clock.hpp"
#include "base/cpu_features.hpp"
#include "base/text.hpp"
#include "device/synchronize.hpp"
#include "kernels/fma_peak.hpp"
#include "kernels/instruction_set.hpp"
#include "run/choose_device.hpp"

namespace vae_dist::bench {
namespace {

// Large enough to reach the peak, small enough to finish quickly.
constexpr std::int64_t kSizeOnCpu = 1024, kSizeOnGpu = 8192;
constexpr int kRepetitions = 8, kProductsAtOnce = 4;

std::int64_t vector_bytes(kernels::InstructionSet set) {
  switch (set) {
    case kernels::InstructionSet::baseline:
      return 16;
    case kernels::InstructionSet::avx2:
      return 32;
    case kernels::InstructionSet::avx512:
      return 64;
  }
  throw std::logic_error("unknown instruction set");
}

}  // namespace

double matrix_product_peak(c10::Device device, config::Precision precision) {
  const at::NoGradGuard no_grad;
  const std::int64_t size = device.is_cpu() ? kSizeOnCpu : kSizeOnGpu;
  const bool rounded = run::rounds_bfloat16(device, precision);
  const at::ScalarType type = precision == config::Precision::bf16 && !rounded ? at::kBFloat16
                              : precision == config::Precision::fp64           ? at::kDouble
                                                                               : at::kFloat;
  // A GPU that multiplies equal numbers draws less power than in a training and is clocked higher.
  const at::Tensor a = at::randn({size, size}, at::TensorOptions().dtype(type).device(device)),
                   b = at::randn_like(a);
  at::Tensor out = at::mm(a, b);

  double least = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    device::synchronize(device);
    const base::Stopwatch watch;
    for (int product = 0; product < kProductsAtOnce; ++product) at::mm_out(out, a, b);
    device::synchronize(device);
    const double seconds = watch.elapsed().count();
    least = i == 0 ? seconds : std::min(least, seconds);
  }
  return kProductsAtOnce * 2.0 * static_cast<double>(size) * static_cast<double>(size) *
         static_cast<double>(size) / least;
}

double fma_peak(config::Precision precision) {
  const std::int64_t widest = vector_bytes(kernels::instruction_set());
  return precision == config::Precision::fp64 ? kernels::fma_peak_fp64(widest)
                                              : kernels::fma_peak_fp32(widest);
}

std::string cpu_text() {
  const std::string model = base::cpu_model(base::read_cpuinfo());
  return base::text(model.empty() ? "CPU of unknown name" : model, ", ",
                    kernels::word(kernels::instruction_set()),
                    kernels::multiplies_bfloat16() ? " with bf16" : "");
}

}  // namespace vae_dist::bench
