#include "kernels/bernoulli.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/exponential.hpp"

namespace vae_dist::kernels {
namespace {

// Values are added in this many lanes. The logarithm of a product is the sum of logarithms, so
// 1 + exp(-|l|), at most 2, is multiplied kDepth times in each lane, and then over all lanes in
// fp64, which holds 2^512: one logarithm serves 512 values.
constexpr std::int64_t kLanes = 32, kDepth = 16;

template <bool with_gradient, typename T>
VAE_DIST_INLINED void add_value(T logit, T x, T& linear, T& product, T* gradient,
                                std::int64_t place) {
  const T e = exponential(logit > 0 ? -logit : logit);
  linear += (logit > 0 ? logit : T(0)) - logit * x;
  product *= 1 + e;
  if constexpr (with_gradient) {
    const T larger = 1 / (1 + e);  // of sigmoid(l) and 1 - sigmoid(l)
    gradient[place] = (logit > 0 ? larger : e * larger) - x;
  }
}

template <bool with_gradient, typename T>
VAE_DIST_INLINED void sample_loop(const T* __restrict logits, const T* __restrict x,
                                  std::int64_t values, T* __restrict gradient, double* total) {
  *total = 0;
  for (std::int64_t first = 0; first < values; first += kLanes * kDepth) {
    T linear[kLanes], product[kLanes];
    for (std::int64_t lane = 0; lane < kLanes; ++lane) linear[lane] = 0, product[lane] = 1;
    const std::int64_t end = std::min(first + kLanes * kDepth, values);
    std::int64_t i = first;
    for (; i + kLanes <= end; i += kLanes)
      for (std::int64_t lane = 0; lane < kLanes; ++lane)
        add_value<with_gradient>(logits[i + lane], x[i + lane], linear[lane], product[lane],
                                 gradient, i + lane);
    for (std::int64_t lane = 0; i + lane < end; ++lane)
      add_value<with_gradient>(logits[i + lane], x[i + lane], linear[lane], product[lane], gradient,
                               i + lane);
    double sum = 0, of_products = 1;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      sum += static_cast<double>(linear[lane]);
      of_products *= static_cast<double>(product[lane]);
    }
    *total += sum + std::log(of_products);
  }
}

// NOLINTBEGIN(bugprone-macro-parentheses, readability-non-const-parameter): the argument is a type
#define VAE_DIST_FOR_TYPE(T)                                                          \
  VAE_DIST_VERSIONS(                                                                  \
      sum_of_sample,                                                                  \
      (const T* logits, const T* x, std::int64_t values, T* gradient, double* total), \
      (logits, x, values, gradient, total), (sample_loop<false, T>))                  \
  VAE_DIST_VERSIONS(                                                                  \
      gradient_of_sample,                                                             \
      (const T* logits, const T* x, std::int64_t values, T* gradient, double* total), \
      (logits, x, values, gradient, total), (sample_loop<true, T>))
VAE_DIST_FOR_TYPE(float)
VAE_DIST_FOR_TYPE(double)
#undef VAE_DIST_FOR_TYPE
// NOLINTEND(bugprone-macro-parentheses, readability-non-const-parameter)

template <typename T>
BernoulliTerms compute(const at::Tensor& logits, const at::Tensor& x, bool with_gradient) {
  const std::int64_t samples = logits.size(0), values = logits.numel() / samples;
  BernoulliTerms out{at::empty({samples}, logits.options()),
                     with_gradient ? at::empty_like(logits) : at::Tensor()};
  const T *const l = logits.const_data_ptr<T>(), *const targets = x.const_data_ptr<T>();
  T* const sums = out.negative_log.mutable_data_ptr<T>();
  T* const gradient = with_gradient ? out.gradient.mutable_data_ptr<T>() : nullptr;
  const std::int64_t grain = std::max<std::int64_t>(1, at::internal::GRAIN_SIZE / values);
  at::parallel_for(0, samples, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t sample = begin; sample < end; ++sample) {
      const std::int64_t at = sample * values;
      double total = 0;
      if (with_gradient) {
        gradient_of_sample(l + at, targets + at, values, gradient + at, &total);
      } else {
        sum_of_sample(l + at, targets + at, values, static_cast<T*>(nullptr), &total);
      }
      sums[sample] = static_cast<T>(total);
    }
  });
  return out;
}

}  // namespace

bool has_bernoulli_kernel(const at::Tensor& logits, const at::Tensor& x) {
  return logits.is_cpu() && x.is_cpu() && logits.dim() > 0 && logits.numel() > 0 &&
         (logits.scalar_type() == at::kFloat || logits.scalar_type() == at::kDouble) &&
         x.scalar_type() == logits.scalar_type() && x.sizes() == logits.sizes() &&
         x.strides() == logits.strides() && logits.is_non_overlapping_and_dense() &&
         logits.stride(0) * logits.size(0) == logits.numel();
}

BernoulliTerms bernoulli(const at::Tensor& logits, const at::Tensor& x, bool with_gradient) {
  if (!has_bernoulli_kernel(logits, x))
    throw std::invalid_argument("bernoulli has no kernel for these tensors");
  return logits.scalar_type() == at::kFloat ? compute<float>(logits, x, with_gradient)
                                            : compute<double>(logits, x, with_gradient);
}

}  // namespace vae_dist::kernels
