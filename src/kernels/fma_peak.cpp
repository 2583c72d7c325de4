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
VAE_DIST_INLINED T multiply_and_add(std::int64_t times) {
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
  T out = 0;
  for (int lane = 0; lane < kLanes; ++lane) out += total[lane];
  return out;
}

// A width for each kind of vector. Twelve sums leave two of the sixteen registers of AVX2 for the
// factors; processors with narrow vectors and four units need more.
constexpr int kFewSums = 12, kManySums = 24;
// NOLINTBEGIN(bugprone-macro-parentheses): the arguments are a type and names
#define VAE_DIST_FOR_TYPE(T, narrow, narrow_many, middle, wide) \
  VAE_DIST_CLONED T narrow(std::int64_t times) {                \
    return multiply_and_add<T, 16, kFewSums>(times);            \
  }                                                             \
  VAE_DIST_CLONED T narrow_many(std::int64_t times) {           \
    return multiply_and_add<T, 16, kManySums>(times);           \
  }                                                             \
  VAE_DIST_CLONED T middle(std::int64_t times) {                \
    return multiply_and_add<T, 32, kFewSums>(times);            \
  }                                                             \
  VAE_DIST_CLONED T wide(std::int64_t times) { return multiply_and_add<T, 64, kFewSums>(times); }
VAE_DIST_FOR_TYPE(float, floats_16, floats_16_many, floats_32, floats_64)
VAE_DIST_FOR_TYPE(double, doubles_16, doubles_16_many, doubles_32, doubles_64)
#undef VAE_DIST_FOR_TYPE
// NOLINTEND(bugprone-macro-parentheses)

template <typename T>
struct Loop {
  T (*run)(std::int64_t times);
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
      keeps_the_loop = loop.run(kTimes);
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
