// Multinomial logistic regression: the linear classifier of the BetaVAE and SAP scores.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vae_dist::disentanglement {

/// p(class | x) = softmax(weight x + bias), at the unique minimum of the sum of cross entropies +
/// |weight|^2 / 2 (the bias is not penalised). This is scikit-learn's LogisticRegression with its
/// default C = 1, which disentanglement_lib uses. Features are not standardised.
class LinearClassifier {
 public:
  /// Fits a classifier to `features` [N, D] float64 and `labels` [N] int64 in [0, classes), both on
  /// the CPU. Runs L-BFGS with a line search until the gradient is 1e-7 per row or for 1,000
  /// iterations. Throws Failure if the weights are not finite.
  static LinearClassifier fit(const at::Tensor& features, const at::Tensor& labels,
                              std::int64_t classes);

  at::Tensor predict(const at::Tensor& features) const;  ///< [N] int64; the first class on a tie
  double accuracy(
      const at::Tensor& features,
      const at::Tensor& labels) const;  ///< share of rows whose class is predicted correctly

  const at::Tensor& weight() const { return weight_; }  ///< [classes, D]
  const at::Tensor& bias() const { return bias_; }      ///< [classes]; sums to 0

 private:
  at::Tensor weight_, bias_;
};

}  // namespace vae_dist::disentanglement
