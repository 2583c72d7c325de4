// Constructed latents with known scores. Their factors have all combinations equally often, or are
// drawn at random.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <string>
#include <vector>

#include "disentanglement/factored_latents.hpp"

namespace vae_dist::disentanglement {

inline const std::vector<std::string> kNames = {"shape", "scale", "x"};
inline const std::vector<std::int64_t> kClasses = {3, 6, 10};

inline at::Generator generator(std::uint64_t seed) { return at::detail::createCPUGenerator(seed); }

/// Every combination `repeats` times, [repeats * 180, 3]: the factors are exactly independent.
inline at::Tensor full_grid(std::int64_t repeats = 10) {
  const at::Tensor number = at::arange(180 * repeats, at::kLong);
  return at::stack({number % 3, number.floor_divide(3) % 6, number.floor_divide(18) % 10}, 1);
}

/// Random factors [rows, 3], as make-shapes draws them: some combinations are missing.
inline at::Tensor random_factors(std::int64_t rows, std::uint64_t seed = 1) {
  std::vector<at::Tensor> columns;
  for (std::size_t f = 0; f < kClasses.size(); ++f)
    columns.push_back(at::randint(kClasses[f], {rows}, generator(seed * 10 + f), at::kLong));
  return at::stack(columns, 1);
}

/// One dimension per factor, in [-1, 1].
inline at::Tensor one_dimension_each(const at::Tensor& classes) {
  at::Tensor mu = classes.to(at::kDouble);
  for (std::size_t f = 0; f < kClasses.size(); ++f)
    mu.select(1, static_cast<std::int64_t>(f))
        .mul_(2.0 / static_cast<double>(kClasses[f] - 1))
        .sub_(1.0);
  return mu;
}

/// Dimensions without information about any factor.
inline at::Tensor noise(std::int64_t rows, std::int64_t dimensions, std::uint64_t seed = 1) {
  return at::randn({rows, dimensions}, generator(seed), at::kDouble);
}

/// Rotates by a matrix with entries +-1/3 and +-2/3, so that each of the three dimensions is an
/// equally strong mixture of all.
inline at::Tensor rotated(const at::Tensor& mu) {
  const at::Tensor standard = (mu - mu.mean(0)) / mu.std(0);
  return standard.mm(
      at::tensor({2.0, -1.0, 2.0, 2.0, 2.0, -1.0, -1.0, 2.0, 2.0}, at::kDouble).view({3, 3}) / 3.0);
}

inline FactoredLatents with_factors(const at::Tensor& mu, const at::Tensor& classes) {
  return FactoredLatents(mu, classes, kNames, {false, true, true});
}

}  // namespace vae_dist::disentanglement
