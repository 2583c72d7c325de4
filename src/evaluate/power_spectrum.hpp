// The power of fields by wave number, averaged over all directions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vae_dist::evaluate {

/// The shells of wave vectors of a grid: shell k holds those whose length is k when rounded. A wave
/// vector's components count the waves along each side, whatever the sides' lengths. Shells go from
/// 0, which is the mean, to half of the points of the shortest side (Nyquist); the corners beyond
/// belong to none.
class RadialShells {
 public:
  /// Returns whether a spectrum says anything: there are axes of space, each of more than 4 points.
  static bool exist_for(const std::vector<std::int64_t>& space);

  /// space: the points along each side, outermost first; 1 to 3 sides.
  explicit RadialShells(std::vector<std::int64_t> space);

  std::int64_t count() const { return static_cast<std::int64_t>(waves_.size()); }
  /// The number of wave vectors in each shell, k and -k both counted.
  const std::vector<std::int64_t>& waves() const { return waves_; }

  /// Returns the mean over each shell's wave vectors of |F(k)|^2, with F = sum over points of
  /// x exp(-2 pi i k r) / number of points. fields: [B, C, space...]; result: [B, C, count()],
  /// float64 on the CPU. So the sum of |F(k)|^2 over all wave vectors is the mean of x^2
  /// (Parseval).
  at::Tensor power(const at::Tensor& fields) const;

 private:
  std::vector<std::int64_t> space_;
  // Of each wave vector that a real transform returns: its shell, or -1, and whether it stands for
  // -k as well (2) or not (1).
  std::vector<std::int64_t> shell_, weight_;
  std::vector<std::int64_t> waves_;
};

}  // namespace vae_dist::evaluate
