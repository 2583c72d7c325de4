#include "kernels/inverse_multiquadric.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstdint>
#include <stdexcept>
#include <tuple>

#include "kernels/cloned.hpp"

namespace vae_dist::kernels {
namespace {

template <typename T>
using Widths = std::array<T, std::tuple_size_v<KernelWidths>>;

template <typename T>
VAE_DIST_INLINED void multiquadric_loop(const T* __restrict distances, const Widths<T>& widths,
                                        std::int64_t count, T* __restrict values,
                                        T* __restrict slopes) {
  for (std::int64_t i = 0; i < count; ++i) {
    T sum = 0, slope = 0;
    for (const T width : widths) {
      const T inverse = 1 / (width + distances[i]), part = width * inverse;
      sum += part;
      slope -= part * inverse;
    }
    values[i] = sum;
    slopes[i] = slope;
  }
}

VAE_DIST_VERSIONS(multiquadrics,
                  (const float* distances, const Widths<float>& widths, std::int64_t count,
                   float* values, float* slopes),
                  (distances, widths, count, values, slopes), multiquadric_loop<float>)
VAE_DIST_VERSIONS(multiquadrics,
                  (const double* distances, const Widths<double>& widths, std::int64_t count,
                   double* values, double* slopes),
                  (distances, widths, count, values, slopes), multiquadric_loop<double>)

constexpr std::int64_t kAtOnce = 8192;  // elements of a thread's share of the work

template <typename T>
KernelValues computed(const at::Tensor& given, const KernelWidths& wanted) {
  const at::Tensor distances = given.contiguous();
  Widths<T> widths;
  for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = static_cast<T>(wanted[i]);
  KernelValues out{at::empty_like(distances), at::empty_like(distances)};
  const T* const from = distances.const_data_ptr<T>();
  T *const values = out.values.mutable_data_ptr<T>(), *const slopes =
                                                          out.slopes.mutable_data_ptr<T>();
  at::parallel_for(0, distances.numel(), kAtOnce, [&](std::int64_t begin, std::int64_t end) {
    multiquadrics(from + begin, widths, end - begin, values + begin, slopes + begin);
  });
  return out;
}

}  // namespace

bool has_inverse_multiquadric_kernel(const at::Tensor& distances) {
  return distances.is_cpu() &&
         (distances.scalar_type() == at::kFloat || distances.scalar_type() == at::kDouble);
}

KernelValues inverse_multiquadrics(const at::Tensor& distances, const KernelWidths& widths) {
  if (!has_inverse_multiquadric_kernel(distances))
    throw std::invalid_argument("inverse multiquadratics have no kernel for this tensor");
  return distances.scalar_type() == at::kFloat ? computed<float>(distances, widths)
                                               : computed<double>(distances, widths);
}

}  // namespace vae_dist::kernels
