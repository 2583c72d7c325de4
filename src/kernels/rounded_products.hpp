// Products of bfloat16 on a CPU that has no instructions for them.
//
// LibTorch emulates such products, which takes ten times as long as in fp32. Here the operands are
// rounded to bfloat16, the product is made in fp32, and its result is rounded once: what
// AVX512_BF16 and AMX compute too, which multiply bfloat16 exactly and add in fp32. Gradients are
// rounded where they are stored in the same way. So a run learns what it would learn on a CPU with
// these instructions, at the speed of fp32.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace vae_dist::kernels {

/// Returns whether a product whose operands autocast would round to bfloat16 is to be made by
/// rounded_product(): autocast rounds products of x's device in this thread, x is on the CPU, and
/// the CPU does not multiply bfloat16 (instruction_set.hpp).
bool rounds_products(const at::Tensor& x);

/// Returns the values of `operand`, rounded to bfloat16, in fp32. Its gradient is rounded to
/// bfloat16, and then has the type of `operand`. An undefined tensor is returned as it is.
at::Tensor rounded_operand(const at::Tensor& operand);

/// Returns `product(a, b, c)` of operands rounded to bfloat16, in bfloat16. The product computes in
/// fp32, outside autocast, with LibTorch's operations or others that know their gradients. Operands
/// may be undefined. The gradient of the result is bfloat16, those of the operands are rounded to
/// it.
template <typename Product>
at::Tensor rounded_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c,
                           const Product& product) {
  const at::Tensor wide_a = rounded_operand(a), wide_b = rounded_operand(b),
                   wide_c = rounded_operand(c);
  const c10::impl::ExcludeDispatchKeyGuard without_autocast(c10::DispatchKey::AutocastCPU);
  return product(wide_a, wide_b, wide_c).to(at::kBFloat16);
}

}  // namespace vae_dist::kernels
