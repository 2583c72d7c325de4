// The modes of a periodic grid and their sum, by fast Fourier transforms (KISS FFT) along each
// axis.
#pragma once

#include <complex>
#include <cstdint>
#include <span>
#include <vector>

namespace vae_dist::synthetic {

/// Returns the squared length of each mode's wave vector, in C order. A mode's number along an axis
/// of n points is i for i <= n / 2 and i - n beyond: whole waves in the box, as numpy.fft.fftfreq
/// times n.
std::vector<double> squared_wave_numbers(const std::vector<std::int64_t>& size);

/// Replaces the amplitudes of all modes by their sum at each point of the grid:
/// out(x) = sum over k of in(k) exp(2 pi i (k_1 x_1 / n_1 + ...)). Throws Failure unless `values`
/// has one value for each point of `size`.
void sum_modes(std::span<std::complex<double>> values, const std::vector<std::int64_t>& size);

}  // namespace vae_dist::synthetic
