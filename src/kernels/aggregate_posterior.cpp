#include "kernels/aggregate_posterior.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "kernels/exponential.hpp"

namespace vae_dist::kernels {
namespace {

// Sums over samples are made in so many lanes, whatever the width of a vector, so that bits do not
// depend on it.
constexpr std::int64_t kLanes = 32;

const double kHalfLog2Pi = 0.5 * std::log(2 * std::numbers::pi);

// One dimension of the posteriors of all samples, each [G].
template <typename T>
struct Dimension {
  const T *mu, *inverse_variance, *log_var;
};

// log q(z | x_j) of one dimension without its constant.
template <typename T>
VAE_DIST_INLINED T log_density(const Dimension<T>& at, T z, std::int64_t j) {
  const T distance = z - at.mu[j];
  return T(-0.5) * (distance * distance * at.inverse_variance[j] + at.log_var[j]);
}

// Adds the log densities of samples begin .. end - 1 to `joint` and their densities, divided by
// exp(shift), to `sum`.
template <typename T>
VAE_DIST_INLINED void density_loop(const Dimension<T>& at, T z, T shift, std::int64_t begin,
                                   std::int64_t end, T* __restrict joint, double* sum) {
  T lanes[kLanes] = {};
  std::int64_t j = begin;
  for (; j + kLanes <= end; j += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const T log_q = log_density(at, z, j + lane);
      joint[j + lane] += log_q;
      lanes[lane] += exponential(log_q - shift);
    }
  for (std::int64_t lane = 0; j + lane < end; ++lane) {
    const T log_q = log_density(at, z, j + lane);
    joint[j + lane] += log_q;
    lanes[lane] += exponential(log_q - shift);
  }
  double total = 0;
  for (const T lane : lanes) total += static_cast<double>(lane);
  *sum += total;
}

template <typename T>
VAE_DIST_INLINED void add_slope(const Dimension<T>& at, T z, T log_scale, T factor,
                                const T* of_joint, std::int64_t j, T* of_mu, T* of_log_var,
                                T& of_z) {
  const T distance = z - at.mu[j], steep = distance * at.inverse_variance[j];
  const T square = distance * steep;
  const T log_q = T(-0.5) * (square + at.log_var[j]);
  const T slope = of_joint[j] + factor * exponential(log_q + log_scale);
  of_mu[j] += slope * steep;
  of_log_var[j] += slope * T(0.5) * (square - 1);
  of_z -= slope * steep;
}

// Adds the slopes of samples begin .. end - 1: of_joint[j] + factor * exp(log q + log_scale) is the
// derivative with respect to log q(z | x_j).
template <typename T>
VAE_DIST_INLINED void slope_loop(const Dimension<T>& at, T z, T log_scale, T factor,
                                 const T* __restrict of_joint, std::int64_t begin, std::int64_t end,
                                 T* __restrict of_mu, T* __restrict of_log_var, double* of_z) {
  T lanes[kLanes] = {};
  std::int64_t j = begin;
  for (; j + kLanes <= end; j += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane)
      add_slope(at, z, log_scale, factor, of_joint, j + lane, of_mu, of_log_var, lanes[lane]);
  for (std::int64_t lane = 0; j + lane < end; ++lane)
    add_slope(at, z, log_scale, factor, of_joint, j + lane, of_mu, of_log_var, lanes[lane]);
  double total = 0;
  for (const T lane : lanes) total += static_cast<double>(lane);
  *of_z += total;
}

// Replaces log densities by factor * exp(log density + log_scale).
template <typename T>
VAE_DIST_INLINED void exponential_loop(T* values, std::int64_t count, T log_scale, T factor) {
  for (std::int64_t j = 0; j < count; ++j) values[j] = factor * exponential(values[j] + log_scale);
}

VAE_DIST_VERSIONS(add_densities,
                  (const Dimension<float>& at, float z, float shift, std::int64_t begin,
                   std::int64_t end, float* joint, double* sum),
                  (at, z, shift, begin, end, joint, sum), density_loop<float>)
VAE_DIST_VERSIONS(add_slopes,
                  (const Dimension<float>& at, float z, float log_scale, float factor,
                   const float* of_joint, std::int64_t begin, std::int64_t end, float* of_mu,
                   float* of_log_var, double* of_z),
                  (at, z, log_scale, factor, of_joint, begin, end, of_mu, of_log_var, of_z),
                  slope_loop<float>)
VAE_DIST_VERSIONS(exponentiate, (float* values, std::int64_t count, float log_scale, float factor),
                  (values, count, log_scale, factor), exponential_loop<float>)
VAE_DIST_VERSIONS(add_densities,
                  (const Dimension<double>& at, double z, double shift, std::int64_t begin,
                   std::int64_t end, double* joint, double* sum),
                  (at, z, shift, begin, end, joint, sum), density_loop<double>)
VAE_DIST_VERSIONS(add_slopes,
                  (const Dimension<double>& at, double z, double log_scale, double factor,
                   const double* of_joint, std::int64_t begin, std::int64_t end, double* of_mu,
                   double* of_log_var, double* of_z),
                  (at, z, log_scale, factor, of_joint, begin, end, of_mu, of_log_var, of_z),
                  slope_loop<double>)
VAE_DIST_VERSIONS(exponentiate,
                  (double* values, std::int64_t count, double log_scale, double factor),
                  (values, count, log_scale, factor), exponential_loop<double>)

// The posteriors with a dimension's samples side by side.
struct ByDimension {
  at::Tensor mu, inverse_variance, log_var;  // [L, G]
  std::int64_t samples;

  explicit ByDimension(const AggregateRequest& request)
      : mu(request.mu.t().contiguous()),
        inverse_variance(request.log_var.neg().exp().t().contiguous()),
        log_var(request.log_var.t().contiguous()),
        samples(mu.size(1)) {}

  template <typename T>
  Dimension<T> at(std::int64_t dimension) const {
    const std::int64_t offset = dimension * samples;
    return {mu.const_data_ptr<T>() + offset, inverse_variance.const_data_ptr<T>() + offset,
            log_var.const_data_ptr<T>() + offset};
  }
};

// Rows of codes that are computed together, so that the posteriors stay in the cache.
constexpr std::int64_t kRowsAtOnce = 8;

template <typename T>
AggregateDensities densities_of(const AggregateRequest& request) {
  const at::Tensor z = request.z.contiguous();
  const std::int64_t rows = z.size(0), latent = z.size(1), samples = request.mu.size(0);
  const ByDimension posteriors(request);
  // No density of a dimension is larger.
  const at::Tensor largest = -0.5 * posteriors.log_var.amin(1);
  AggregateDensities out{at::empty({rows}, z.options()), at::empty({rows, latent}, z.options()),
                         at::empty({rows}, z.options()), at::zeros({rows, samples}, z.options())};
  const T *const codes = z.const_data_ptr<T>(), *const shifts = largest.const_data_ptr<T>();
  T *const joints = out.joint.mutable_data_ptr<T>(),
           *const dimensions = out.log_q_dimensions.mutable_data_ptr<T>(),
           *const whole = out.log_q_z.mutable_data_ptr<T>(),
           *const own = out.log_q_own.mutable_data_ptr<T>();
  const double own_weight = std::exp(request.own_log_weight),
               other_weight = std::exp(request.other_log_weight);
  at::parallel_for(
      0, (rows + kRowsAtOnce - 1) / kRowsAtOnce, 1,
      [&](std::int64_t first_block, std::int64_t last_block) {
        const std::int64_t begin = first_block * kRowsAtOnce,
                           end = std::min(rows, last_block * kRowsAtOnce);
        for (std::int64_t block = begin; block < end; block += kRowsAtOnce) {
          const std::int64_t block_end = std::min(end, block + kRowsAtOnce);
          for (std::int64_t d = 0; d < latent; ++d) {
            const Dimension<T> at = posteriors.at<T>(d);
            for (std::int64_t i = block; i < block_end; ++i) {
              const std::int64_t self = request.first + i;
              const T code = codes[i * latent + d], shift = shifts[d];
              T* const joint = joints + i * samples;
              double others = 0;
              add_densities(at, code, shift, 0, self, joint, &others);
              add_densities(at, code, shift, self + 1, samples, joint, &others);
              const T log_q = log_density(at, code, self);
              joint[self] += log_q;
              const double sum =
                  other_weight * others +
                  own_weight * std::exp(static_cast<double>(log_q) - static_cast<double>(shift));
              dimensions[i * latent + d] =
                  static_cast<T>(std::log(sum) + static_cast<double>(shift) - kHalfLog2Pi);
            }
          }
          for (std::int64_t i = block; i < block_end; ++i) {
            const std::int64_t self = request.first + i;
            const T* const joint = joints + i * samples;
            const auto weight_of = [&](std::int64_t j) {
              return j == self ? request.own_log_weight : request.other_log_weight;
            };
            double most = -std::numeric_limits<double>::infinity(), sum = 0;
            for (std::int64_t j = 0; j < samples; ++j)
              most = std::max(most, static_cast<double>(joint[j]) + weight_of(j));
            for (std::int64_t j = 0; j < samples; ++j)
              sum += std::exp(static_cast<double>(joint[j]) + weight_of(j) - most);
            const double constant = static_cast<double>(latent) * kHalfLog2Pi;
            whole[i] = static_cast<T>(std::log(sum) + most - constant);
            own[i] = static_cast<T>(static_cast<double>(joint[self]) - constant);
          }
        }
      });
  return out;
}

template <typename T>
AggregateGradients gradients_of(const AggregateRequest& request,
                                const AggregateDensities& densities, const at::Tensor& of_log_q_z,
                                const at::Tensor& of_log_q_dimensions,
                                const at::Tensor& of_log_q_own) {
  const at::Tensor z = request.z.contiguous(), of_dimensions = of_log_q_dimensions.contiguous(),
                   of_whole = of_log_q_z.contiguous(), of_own = of_log_q_own.contiguous();
  const std::int64_t rows = z.size(0), latent = z.size(1), samples = request.mu.size(0);
  const ByDimension posteriors(request);
  const T *const codes = z.const_data_ptr<T>(),
                 *const log_q = densities.log_q_dimensions.const_data_ptr<T>(),
                 *const whole = densities.log_q_z.const_data_ptr<T>(),
                 *const dimension_factors = of_dimensions.const_data_ptr<T>(),
                 *const whole_factors = of_whole.const_data_ptr<T>(),
                 *const own_factors = of_own.const_data_ptr<T>();

  // With respect to log q(z_i | x_j): the share of each posterior in q(z_i).
  at::Tensor of_joint = densities.joint.clone();
  T* const joint_slopes = of_joint.mutable_data_ptr<T>();
  at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t self = request.first + i;
      T* const row = joint_slopes + i * samples;
      const double scale =
          -(static_cast<double>(whole[i]) + static_cast<double>(latent) * kHalfLog2Pi);
      const double log_own = static_cast<double>(row[self]);
      exponentiate(row, samples, static_cast<T>(scale + request.other_log_weight),
                   whole_factors[i]);
      row[self] = static_cast<T>(static_cast<double>(whole_factors[i]) *
                                     std::exp(log_own + scale + request.own_log_weight) +
                                 static_cast<double>(own_factors[i]));
    }
  });

  at::Tensor of_mu = at::zeros({latent, samples}, z.options()),
             of_log_var = at::zeros({latent, samples}, z.options()),
             of_z = at::empty({rows, latent}, z.options());
  T *const mu_slopes = of_mu.mutable_data_ptr<T>(),
           *const log_var_slopes = of_log_var.mutable_data_ptr<T>(),
           *const z_slopes = of_z.mutable_data_ptr<T>();
  at::parallel_for(0, latent, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t d = begin; d < end; ++d) {
      const Dimension<T> at = posteriors.at<T>(d);
      T *const mu_of = mu_slopes + d * samples, *const log_var_of = log_var_slopes + d * samples;
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t self = request.first + i, place = i * latent + d;
        const T code = codes[place], factor = dimension_factors[place];
        const T* const row = joint_slopes + i * samples;
        const double scale = -(static_cast<double>(log_q[place]) + kHalfLog2Pi);
        const T others = static_cast<T>(scale + request.other_log_weight);
        double of_code = 0;
        add_slopes(at, code, others, factor, row, 0, self, mu_of, log_var_of, &of_code);
        add_slopes(at, code, others, factor, row, self + 1, samples, mu_of, log_var_of, &of_code);
        add_slopes(at, code, static_cast<T>(scale + request.own_log_weight), factor, row, self,
                   self + 1, mu_of, log_var_of, &of_code);
        z_slopes[place] = static_cast<T>(of_code);
      }
    }
  });
  return {of_z, of_mu.t().contiguous(), of_log_var.t().contiguous()};
}

}  // namespace

bool has_aggregate_kernel(const AggregateRequest& request) {
  const auto fits = [&](const at::Tensor& tensor) {
    return tensor.defined() && tensor.is_cpu() && tensor.dim() == 2 && tensor.numel() > 0 &&
           tensor.scalar_type() == request.z.scalar_type();
  };
  return (request.z.scalar_type() == at::kFloat || request.z.scalar_type() == at::kDouble) &&
         fits(request.z) && fits(request.mu) && fits(request.log_var) &&
         request.mu.sizes() == request.log_var.sizes() && request.z.size(1) == request.mu.size(1) &&
         request.first >= 0 && request.first + request.z.size(0) <= request.mu.size(0);
}

AggregateDensities aggregate_densities(const AggregateRequest& request) {
  if (!has_aggregate_kernel(request))
    throw std::invalid_argument("the aggregate posterior has no kernel for these tensors");
  return request.z.scalar_type() == at::kFloat ? densities_of<float>(request)
                                               : densities_of<double>(request);
}

AggregateGradients aggregate_gradients(const AggregateRequest& request,
                                       const AggregateDensities& densities,
                                       const at::Tensor& of_log_q_z,
                                       const at::Tensor& of_log_q_dimensions,
                                       const at::Tensor& of_log_q_own) {
  return request.z.scalar_type() == at::kFloat
             ? gradients_of<float>(request, densities, of_log_q_z, of_log_q_dimensions,
                                   of_log_q_own)
             : gradients_of<double>(request, densities, of_log_q_z, of_log_q_dimensions,
                                    of_log_q_own);
}

}  // namespace vae_dist::kernels
