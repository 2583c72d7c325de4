// Multinomial logistic regression: the linear classifier of the BetaVAE and SAP scores.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vae_dist::evaluate {

/// p(class | x) = softmax(weight x + bias). The one minimum of sum of cross entropies + |weight|^2
/// / 2 (the bias is free): that of scikit-learn's LogisticRegression with its default C = 1, which
/// disentanglement_lib takes. Features are not standardised.
class LinearClassifier {
 public:
  /// `features` [N, D] float64 and `labels` [N] int64 in [0, classes), on the host. By L-BFGS with
  /// a line search, to a gradient of 1e-7 a row or 1,000 iterations. Throws Failure where that
  /// gives no finite weights.
  static LinearClassifier fit(const at::Tensor& features, const at::Tensor& labels,
                              std::int64_t classes);

  at::Tensor predict(const at::Tensor& features) const;  ///< [N] int64; of equals the first
  double accuracy(const at::Tensor& features,
                  const at::Tensor& labels) const;  ///< part of the rows whose class is predicted

  const at::Tensor& weight() const { return weight_; }  ///< [classes, D]
  const at::Tensor& bias() const { return bias_; }      ///< [classes]; sums to 0

 private:
  at::Tensor weight_, bias_;
};

}  // namespace vae_dist::evaluate
