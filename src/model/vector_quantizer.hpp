// Vector quantisation of a latent code: each of its vectors is replaced by the nearest of K vectors
// of a codebook (van den Oord, Vinyals, Kavukcuoglu 2017: VQ-VAE).
//
// The codebook e is no parameter. It follows the vectors that are assigned to each code (there,
// appendix A.1, eqs. 6 to 8): with the number n_k of a step's vectors z that code k is nearest to,
//
//   N_k <- decay * N_k + (1 - decay) * n_k
//   m_k <- decay * m_k + (1 - decay) * sum of these z
//   e_k  = m_k / N'_k,   N'_k = (N_k + eps) / (N + K eps) * N,   N = sum of all N_k
//
// where eps keeps the count of a code that nothing uses away from 0 (Laplace smoothing). n_k and
// the sums are those of the global batch, and the step updates the codebook once, after it is
// summed: see step_statistics.hpp.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <optional>

namespace vae_dist::model {

struct CodebookOptions {
  std::int64_t size = 512;  ///< K
  std::int64_t groups = 1;  ///< vectors into which the values of a position are cut, W / groups
                            ///< each; all of them use the same codebook
  double decay = 0.99;
  /// A code that no vector has used for so many steps becomes a vector of the step's global batch.
  /// In the first step of a run this holds for every code that is not used. Empty: never.
  std::optional<std::int64_t> restart_after = 100;
};

/// The shape of a latent as a network makes it: rows [B, channels * positions], in which the
/// positions of a channel lie side by side.
struct LatentShape {
  std::int64_t channels = 1;
  std::int64_t positions = 1;  ///< of a spatial latent

  std::int64_t values() const { return channels * positions; }
};

class VectorQuantizer : public torch::nn::Module {
 public:
  static constexpr double kEpsilon = 1e-5;

  /// Throws std::invalid_argument unless `groups` divides the channels.
  VectorQuantizer(const CodebookOptions& options, const LatentShape& latent);

  /// Returns e(z): z, [B, latent values], with each vector replaced by its nearest code; without a
  /// gradient. In training mode it keeps the vectors and their codes for add_statistics().
  at::Tensor quantize(const at::Tensor& z);

  /// Returns e(z), with a gradient that passes as if nothing was replaced (the straight-through
  /// estimator: there, section 3.2).
  static at::Tensor straight_through(const at::Tensor& z, const at::Tensor& quantized);

  /// Returns the mean over the batch of |z - e(z)|^2, a scalar. The gradient is that for z alone
  /// (the commitment loss without its weight: there, eq. 3).
  static at::Tensor commitment(const at::Tensor& z, const at::Tensor& quantized);

  /// Returns the number of the nearest code of each vector: [B, groups * positions], int64. The
  /// positions of a group lie side by side.
  at::Tensor codes_of(const at::Tensor& z) const;

  /// Returns the vectors of codes [B, groups * positions] as a latent: [B, latent values].
  at::Tensor latents_of(const at::Tensor& codes) const;

  std::int64_t size() const { return options_.size; }
  std::int64_t vectors() const { return options_.groups * latent_.positions; }  ///< of a sample

  /// With false, quantize() leaves nothing for add_statistics(): another one of the same batch
  /// does.
  void report_statistics(bool wanted) { reports_ = wanted; }

  // What a step collects, as one row of numbers: n_k, the sums of the vectors, and a candidate for
  // the place of each code that nothing uses.

  std::int64_t statistics_size() const;

  /// Adds the latest batch to `to`, [statistics_size()]. The candidates of a step are vectors of
  /// the global batch that lie far from each other in it, beginning at the share `draw` of it, a
  /// number in [0, 1). first_vector: how many vectors of the global batch lie before this batch.
  /// all_vectors: of the global batch. Both tensors: scalars in double precision on the device.
  void add_statistics(const at::Tensor& to, const at::Tensor& first_vector,
                      std::int64_t all_vectors, const at::Tensor& draw) const;

  /// The vectors in the latest batch.
  std::int64_t latest_vectors() const { return latest_rows_.size(0); }

  /// Moves the codebook by what a step has collected, unless `skip` ([1]) is 1.
  void update(const at::Tensor& of_step, const at::Tensor& skip);

  /// Returns [2]: the perplexity exp(-sum_k p_k log p_k) of the codes of a step, p_k = n_k / n, and
  /// the number of codes with n_k > 0.
  at::Tensor use(const at::Tensor& of_step) const;

  at::Tensor codebook;      ///< e: [K, W / groups], buffer
  at::Tensor counts;        ///< N_k: [K], buffer
  at::Tensor sums;          ///< m_k: [K, W / groups], buffer
  at::Tensor unused_steps;  ///< [K], buffer: since a vector was nearest to the code

 private:
  at::Tensor rows_of(const at::Tensor& z) const;     // [B * vectors, width]
  at::Tensor latents(const at::Tensor& rows) const;  // the opposite
  at::Tensor nearest(const at::Tensor& rows) const;  // [rows]
  std::int64_t width() const { return latent_.channels / options_.groups; }

  CodebookOptions options_;
  LatentShape latent_;
  bool reports_ = true;
  at::Tensor latest_rows_, latest_codes_;
};

}  // namespace vae_dist::model
