// How fast a rank multiplies matrices: what its training can be measured by.
#pragma once

#include <c10/core/Device.h>

#include "config/config.hpp"

namespace vae_dist::bench {

/// Operations a second (two a multiplication with its addition) of square matrix products in
/// `precision` (fp32 | tf32 | bf16 | fp64, as `train.precision`), the best of several, with the
/// threads that are set. Takes a fraction of a second. Ranks of a machine that measure at once get
/// their real shares.
double matrix_product_peak(c10::Device device, config::Precision precision);

}  // namespace vae_dist::bench
