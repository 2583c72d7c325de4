// Periodic Gaussian random fields whose mean, covariance in space, covariance in time and
// correlation between channels are all known, stored as The Well stores its simulations (Ohana et
// al. 2024, https://github.com/PolymathicAI/the_well).
//
// Channel c of a trajectory is mean_c + deviation_c * g_c(x, t). The g_c are Gaussian with mean 0
// and
//   E[g_c(x, t) g_d(y, u)] = R_cd * exp(-|t - u| / correlation_time)
//                            * sum over k of p(k) cos(2 pi (k_1 (x_1 - y_1) / n_1 + ...)),
//   p(k) = A (1 + |k|^2 / knee^2)^(-slope / 2) for k != 0,  p(0) = 0,  sum over k of p(k) = 1,
//   R_cc = 1,  R_cd = correlation,
// where k are whole waves in the box (see sum_of_modes.hpp) and t counts frames. So every frame has
// exactly the stated mean over its points, and numpy's E|fftn(channel)(k)|^2 is
// deviation^2 * p(k) * (number of points)^2. The covariance matrix of a frame's points has
// the eigenvalues (number of points) * p(k), which makes the best linear model of them known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"

namespace vae_dist::synthetic {

struct FieldsOptions {
  std::int64_t trajectories = 200, frames = 10;
  std::vector<std::int64_t> size = {64, 64};  ///< points along each of one to three axes, 2 or more
  std::vector<std::string> channels = {"density", "pressure"};
  std::vector<double> means = {0.0}, deviations = {1.0};  ///< one, or one for each channel
  double correlation = 0.5;                               ///< of any two channels: 0 to 1
  double slope = 6.0;             ///< of the power spectrum beyond the knee; 0: white noise
  double knee = 2.0;              ///< waves in the box, above 0
  double correlation_time = 5.0;  ///< frames; 0: frames are independent
  datasets::Compression compression{.deflate_level = 0};  ///< level 0: contiguous, else chunked
  std::int64_t seed = 0;
  int threads = 0;  ///< 0: one per core. The output does not depend on it
};

/// Writes `t0_fields/<channel>` (float32 [trajectory, time, x(, y(, z))]) for each channel, with
/// the attributes of The Well's format and the numbers above as attributes of the file, in
/// parallel, with a progress bar. Trajectory i is a function of (seed, i) and the other options
/// alone. Each thread holds one trajectory. `path` is created only when it is complete and replaces
/// an HDF5 file of that name. Throws BadInput if an option is out of range or `path` cannot be
/// written.
void make_gaussian_fields(const std::string& path, const FieldsOptions& options);

/// Returns p(k) for each mode of the grid, in C order.
std::vector<double> power_spectrum(const FieldsOptions& options);

}  // namespace vae_dist::synthetic
