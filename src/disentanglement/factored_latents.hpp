// The input of every disentanglement score: latent means of data whose true factors of variation
// are known, indexed by factor and class.
//
// The published protocol (Locatello et al., "Challenging Common Assumptions in the Unsupervised
// Learning of Disentangled Representations", ICML 2019) renders an image for any combination of
// factors. Here each row of a dataset is encoded once, and draws are made among these rows. If a
// factor is fixed, the draws come from the rows of its class. The data therefore need not hold
// every combination, and classes are drawn as often as they occur.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vae_dist::disentanglement {

/// Returns whether the classes of a factor with this name have an order. All have one except
/// "shape", "category", "class", "label" and names with such an ending ("object_shape"). Angles and
/// hues count as ordered, as in the published scores, although they are cyclic.
bool is_ordered_factor(const std::string& name);

class FactoredLatents {
 public:
  /// `mu` [N, L], floating point, on any device: the latent mean of each row. `classes` [N, F],
  /// int64: the class of each row for each factor. `names` and `ordered`: F entries each. Factors
  /// whose class is the same in every row are left out (dSprites' colour). Throws BadInput if the
  /// shapes do not match, a value is not finite, no factor varies, or every class of a factor has
  /// only one row.
  FactoredLatents(const at::Tensor& mu, const at::Tensor& classes,
                  const std::vector<std::string>& names, const std::vector<bool>& ordered);

  std::int64_t rows() const { return mu_.size(0); }
  std::int64_t dimensions() const { return mu_.size(1); }
  std::int64_t factors() const {
    return static_cast<std::int64_t>(factors_.size());
  }  ///< those that vary

  const at::Tensor& mu() const { return mu_; }  ///< [N, L], float64, on the CPU, contiguous

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

  /// Returns the class of each row, renumbered 0, 1, ... without gaps in the order of the data's
  /// numbers: int64 [N].
  const at::Tensor& classes(std::int64_t factor) const {
    return factors_[static_cast<std::size_t>(factor)].classes;
  }

  /// Returns the class of each row as numbered in the data, float64 [N]: the value by which an
  /// ordered factor is measured.
  const at::Tensor& values(std::int64_t factor) const {
    return factors_[static_cast<std::size_t>(factor)].values;
  }

  /// Returns the rows with this class of this factor, in ascending order.
  std::span<const std::int64_t> rows_of_class(std::int64_t factor, std::int64_t index) const {
    return factors_[static_cast<std::size_t>(factor)]
        .rows_of_class[static_cast<std::size_t>(index)];
  }

  /// Returns the rows that share their class of this factor with another row, in ascending order.
  /// Pairs and batches start from these rows.
  std::span<const std::int64_t> rows_with_class_peers(std::int64_t factor) const {
    return factors_[static_cast<std::size_t>(factor)].rows_with_class_peers;
  }

 private:
  struct Factor {
    std::string name;
    bool ordered = true;
    at::Tensor classes, values;
    std::vector<std::vector<std::int64_t>> rows_of_class;
    std::vector<std::int64_t> rows_with_class_peers;
  };
  static Factor factor_of(const at::Tensor& column, const std::string& name, bool ordered);

  at::Tensor mu_;
  std::vector<Factor> factors_;
};

}  // namespace vae_dist::disentanglement
