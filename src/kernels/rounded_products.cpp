#include "kernels/rounded_products.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include "kernels/instruction_set.hpp"

namespace vae_dist::kernels {

bool rounds_products(const at::Tensor& x) {
  return x.is_cpu() && at::autocast::is_autocast_enabled(at::kCPU) &&
         at::autocast::get_autocast_dtype(at::kCPU) == at::kBFloat16 && !multiplies_bfloat16();
}

at::Tensor rounded_operand(const at::Tensor& operand) {
  return operand.defined() ? operand.to(at::kBFloat16).to(at::kFloat) : operand;
}

}  // namespace vae_dist::kernels
