#include "kernels/fma_peak.hpp"

#include <algorithm>
#include <cstddef>

#include "base/clock.hpp"
#include "kernels/cloned.hpp"

namespace vae_dist::kernels {
namespace {

// The loop carries kSums independent sums, one in a register each: as many as the processor has
// multiply-adds under way (latency times units), and no more than it has registers. x is multiplied
// by one half, so that no value grows.
template <typename T, int kBytes, int kSums>
VAE_DIST_INLINED void multiply_and_add(std::int64_t times, T* sum) {
  using Vector [[gnu::vector_size(kBytes)]] = T;
  constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));
  const Vector half = Vector{} + static_cast<T>(0.5), one = Vector{} + static_cast<T>(1);
  Vector sums[kSums];
#pragma GCC unroll 24
  for (int s = 0; s < kSums; ++s) sums[s] = one * static_cast<T>(s);
  for (std::int64_t i = 0; i < times; ++i)
#pragma GCC unroll 24
    for (int s = 0; s < kSums; ++s) sums[s] = sums[s] * half + one;
  Vector total = sums[0];
#pragma GCC unroll 24
  for (int s = 1; s < kSums; ++s) total += sums[s];
  *sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) *sum += total[lane];
}

// A width for each kind of vector. Twelve sums leave two of the sixteen registers of AVX2 for the
// factors; processors with narrow vectors and four units need more.
constexpr int kFewSums = 12, kManySums = 24;
#define VAE_DIST_LOOP(name, T, bytes, sums)                           \
  VAE_DIST_VERSIONS(name, (std::int64_t times, T* sum), (times, sum), \
                    (multiply_and_add<T, bytes, sums>))
VAE_DIST_LOOP(floats_16, float, 16, kFewSums)
VAE_DIST_LOOP(floats_16_many, float, 16, kManySums)
VAE_DIST_LOOP(floats_32, float, 32, kFewSums)
VAE_DIST_LOOP(floats_64, float, 64, kFewSums)
VAE_DIST_LOOP(doubles_16, double, 16, kFewSums)
VAE_DIST_LOOP(doubles_16_many, double, 16, kManySums)
VAE_DIST_LOOP(doubles_32, double, 32, kFewSums)
VAE_DIST_LOOP(doubles_64, double, 64, kFewSums)
#undef VAE_DIST_LOOP

template <typename T>
struct Loop {
  void (*run)(std::int64_t times, T* sum);
  std::int64_t vector_bytes, sums;
};

// The first repetitions also bring the core to its clock rate.
constexpr int kRepetitions = 12;
constexpr std::int64_t kTimes = 400'000;

template <typename T, std::size_t kLoops>
double best_of(const Loop<T> (&loops)[kLoops], std::int64_t widest_vector_bytes) {
  volatile T keeps_the_loop = 0;
  double most = 0;
  for (int repetition = 0; repetition < kRepetitions; ++repetition)
    for (const Loop<T>& loop : loops) {
      if (loop.vector_bytes > widest_vector_bytes) continue;
      const base::Stopwatch watch;
      T sum = 0;
      loop.run(kTimes, &sum);
      keeps_the_loop = sum;
      const auto lanes = loop.vector_bytes / static_cast<std::int64_t>(sizeof(T));
      most = std::max(
          most, static_cast<double>(2 * kTimes * loop.sums * lanes) / watch.elapsed().count());
    }
  static_cast<void>(keeps_the_loop);
  return most;
}

}  // namespace

double fma_peak_fp32(std::int64_t widest_vector_bytes) {
  return best_of<float>({{floats_16, 16, kFewSums},
                         {floats_16_many, 16, kManySums},
                         {floats_32, 32, kFewSums},
                         {floats_64, 64, kFewSums}},
                        widest_vector_bytes);
}

double fma_peak_fp64(std::int64_t widest_vector_bytes) {
  return best_of<double>({{doubles_16, 16, kFewSums},
                          {doubles_16_many, 16, kManySums},
                          {doubles_32, 32, kFewSums},
                          {doubles_64, 64, kFewSums}},
                         widest_vector_bytes);
}

}  // namespace vae_dist::kernels
