// Random numbers for the tests of kernels, and how far a result is from another.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace vae_dist::normalisation {

inline at::Tensor normal_double(at::IntArrayRef sizes, std::uint64_t seed) {
  return at::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(seed), at::kDouble);
}

/// The largest error relative to the largest expected value.
inline double error(const at::Tensor& ours, const at::Tensor& expected) {
  return ((ours.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

}  // namespace vae_dist::normalisation
