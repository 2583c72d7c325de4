// What every disentanglement score looks at: latent means of data whose true factors of variation
// are known, findable by factor and class.
//
// The published protocol (Locatello et al., "Challenging Common Assumptions in the Unsupervised
// Learning of Disentangled Representations", ICML 2019) renders an image for any combination of
// factors. Here each row of a dataset is encoded once, and draws are made among the rows: where a
// factor is fixed, among those with its class. So data need not hold every combination; classes are
// drawn as often as they occur.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vae_dist::evaluate {

/// Whether the classes of a factor of this name have an order: all have, but "shape", "category",
/// "class", "label" and names that end so
/// ("object_shape"). Angles and hues count as ordered, as in the published scores, although they
/// are cyclic.
bool is_ordered_factor(const std::string& name);

class FactoredLatents {
 public:
  /// `mu` [N, L], floating point, on any device: row n's latent mean. `classes` [N, F], int64: row
  /// n's class of each factor. `names` and `ordered`: F each. Factors of which every row has the
  /// same class are left out (dSprites' colour). Throws BadInput where the shapes do not fit, a
  /// value is not finite, no factor varies, or every class of a factor has but one row.
  FactoredLatents(const at::Tensor& mu, const at::Tensor& classes,
                  const std::vector<std::string>& names, const std::vector<bool>& ordered);

  std::int64_t rows() const { return mu_.size(0); }
  std::int64_t dimensions() const { return mu_.size(1); }
  std::int64_t factors() const {
    return static_cast<std::int64_t>(factors_.size());
  }  ///< those that vary

  const at::Tensor& mu() const { return mu_; }  ///< [N, L], float64, on the host, contiguous

  const std::string& name(std::int64_t factor) const {
    return factors_[static_cast<std::size_t>(factor)].name;
  }
  bool ordered(std::int64_t factor) const {
    return factors_[static_cast<std::size_t>(factor)].ordered;
  }
  std::int64_t class_count(std::int64_t factor) const {
    return static_cast<std::int64_t>(
        factors_[static_cast<std::size_t>(factor)].rows_of_class.size());
  }

  /// The class of each row, numbered 0, 1, ... in the order of the data's numbers without gaps:
  /// int64 [N].
  const at::Tensor& classes(std::int64_t factor) const {
    return factors_[static_cast<std::size_t>(factor)].classes;
  }

  /// The class of each row as the data number it, float64 [N]: the value that an ordered factor is
  /// measured by.
  const at::Tensor& values(std::int64_t factor) const {
    return factors_[static_cast<std::size_t>(factor)].values;
  }

  /// The rows with this class of this factor, ascending.
  std::span<const std::int64_t> rows_of_class(std::int64_t factor, std::int64_t index) const {
    return factors_[static_cast<std::size_t>(factor)]
        .rows_of_class[static_cast<std::size_t>(index)];
  }

  /// The rows that share their class of this factor with another row, ascending: where pairs and
  /// batches start.
  std::span<const std::int64_t> rows_in_company(std::int64_t factor) const {
    return factors_[static_cast<std::size_t>(factor)].rows_in_company;
  }

 private:
  struct Factor {
    std::string name;
    bool ordered = true;
    at::Tensor classes, values;
    std::vector<std::vector<std::int64_t>> rows_of_class;
    std::vector<std::int64_t> rows_in_company;
  };
  static Factor factor_of(const at::Tensor& column, const std::string& name, bool ordered);

  at::Tensor mu_;
  std::vector<Factor> factors_;
};

}  // namespace vae_dist::evaluate
