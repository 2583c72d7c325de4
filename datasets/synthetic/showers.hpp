// Showers of particles in a calorimeter as vectors of voxel energies, stored as the CaloChallenge
// stores them (Krause et al. 2024, https://arxiv.org/abs/2410.21611), from a model in which every
// statistic has a closed form.
//
// A particle of energy E ends as n = floor(E / particle_energy) particles, which share E as the
// pieces of a stick broken at n - 1 uniform places (Dirichlet with n ones). Each deposits its
// energy in voxel v with the probability w_v(n), independently, and is lost in dead material with
// 1 - share. So for the energy x of any set of voxels whose w sum to w:
//   mean of x / E = w,   variance of x / E = 2 w (1 - w) / (n + 1),   P(x = 0) = (1 - w)^n.
// With all voxels w = share: this is the calorimeter's response. The w are
//   w_v = share * longitudinal_layer * radial_ring / sectors,
//   longitudinal_l = t_l^(a - 1) exp(-t_l / 2) / sum over layers,  t_l = (l + 1/2) 25 / layers,
//   a = 1 + ln(n) / 2,
//   radial_r = exp(-r) / sum over rings,  v = (layer * rings + ring) * sectors + sector.
// The longitudinal profile is the gamma distribution of Longo and Sestili (1975) over 25 radiation
// lengths, whose maximum lies at ln(n) as in Heitler's model (1944).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/chunk_encoder.hpp"

namespace vae_dist::synthetic {

struct ShowersOptions {
  std::int64_t count = 20000;
  double least_energy = 1000.0, largest_energy = 100000.0;  ///< MeV; log-uniform between them
  double share = 0.8;             ///< of the energy that is seen on average, above 0 and below 1
  double particle_energy = 10.0;  ///< MeV; the showers' width is proportional to its square root
  std::int64_t layers = 10, rings = 6, sectors = 6;
  datasets::Compression compression{.deflate_level = 4};  ///< of `showers`
  std::int64_t seed = 0;
  int threads = 0;  ///< 0: one per core. The output does not depend on it
};

/// Writes `showers` (float32 [N, layers * rings * sectors], MeV), `incident_energies` and
/// `lost_energies` (float32 [N, 1], MeV) with the numbers above as attributes of `showers`, in
/// parallel, with a progress bar. The energies of a shower and what is lost sum to the incident
/// energy but for rounding to float32. Shower i is a function of (seed, i) and the other options
/// alone. `path` is created only when it is complete and replaces an HDF5 file of that name. Throws
/// BadInput if an option is out of range or `path` cannot be written.
void make_showers(const std::string& path, const ShowersOptions& options);

/// Returns w_v for showers of n particles.
std::vector<double> voxel_shares(const ShowersOptions& options, std::int64_t particles);

}  // namespace vae_dist::synthetic
