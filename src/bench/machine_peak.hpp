// The processor of a rank, and how fast it multiplies: the yardsticks for its training.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "config/config.hpp"

namespace vae_dist::bench {

/// Returns the operations per second (two per multiply-add) of square matrix products in
/// `precision` (fp32 | tf32 | bf16 | fp64, as `train.precision`; bf16 in fp32 on a CPU that has no
/// instructions for it, as its layers compute): the best of several measurements,
/// with the current number of threads. Takes a fraction of a second. Ranks of a machine that
/// measure at the same time get their real shares.
double matrix_product_peak(c10::Device device, config::Precision precision);

/// Returns the operations per second of fused multiply-adds on one thread of this CPU, whatever
/// library multiplies (kernels/fma_peak.hpp), with the vectors of kernels::instruction_set(): in
/// fp64 for that precision, otherwise in fp32.
double fma_peak(config::Precision precision);

/// Returns "AMD EPYC 9454, avx512 with bf16": the processor's name and the instructions that may be
/// used.
std::string cpu_text();

}  // namespace vae_dist::bench
