// How fast a rank multiplies matrices: the yardstick for its training.
#pragma once

#include <c10/core/Device.h>

#include "config/config.hpp"

namespace vae_dist::bench {

/// Returns the operations per second (two per multiply-add) of square matrix products in
/// `precision` (fp32 | tf32 | bf16 | fp64, as `train.precision`): the best of several measurements,
/// with the current number of threads. Takes a fraction of a second. Ranks of a machine that
/// measure at the same time get their real shares.
double matrix_product_peak(c10::Device device, config::Precision precision);

}  // namespace vae_dist::bench
