// Density and coverage: how close generated images come to real ones, and how many real ones they
// reach.
//
// Naeem, Oh, Uh, Choi, Yoo: "Reliable Fidelity and Diversity Metrics for Generative Models", ICML
// 2020. With B(x) the open ball around the real row x whose radius is the distance to its k-th
// nearest other real row:
//   density  = 1/(k M) sum over fake y, real x of [y in B(x)]
//     (eq. 4; about 1 for real against real, no upper limit)
//   coverage = 1/N sum over real x of [some fake y in B(x)]
//     (eq. 6; in [0, 1])
// Density alone misleads: a blurred image lies near the middle of the data, and so in very many
// balls. Coverage is limited by the number of fake rows. Compare it with the coverage that real
// rows reach in place of the fake ones (two disjoint parts of the data).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vae_dist::evaluate {

inline constexpr std::int64_t kCoverageNeighbours = 5;

struct Coverage {
  double density = 0;
  double coverage = 0;
};

/// Computes density and coverage. `real` [N, D] and `fake` [M, D]: pixels or features of any
/// floating-point type, finite, on one device. Distances come from inner products in float64, one
/// block at a time (at most about 200 MB beyond the inputs for any N and M; more for D above 10^5),
/// so ties between integer rows are resolved exactly. Throws BadInput if the shapes do not match, a
/// value is not finite, or N <= k.
Coverage coverage_of(const at::Tensor& real, const at::Tensor& fake,
                     std::int64_t k = kCoverageNeighbours);

/// Returns the squared distance from each row of `rows` [N, D] to its k-th nearest other row,
/// float64 [N]. Throws like coverage_of.
at::Tensor squared_radii(const at::Tensor& rows, std::int64_t k = kCoverageNeighbours);

}  // namespace vae_dist::evaluate
