// A batch as the model sees it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace vae_dist::model {

/// Tensors that belong together by name, each with the samples of the batch along its first axis.
/// What a batch has none of is undefined. What is to travel with a sample (a condition, a mask,
/// further draws) is one more field here and in fields(): networks, likelihoods and objectives are
/// given all of them, and steps carry them.
struct Sample {
  at::Tensor x;  ///< [B, C, H, W]: the values that are learned, in the model's range
  at::Tensor noise =
      {};  ///< [B, Objective::noise_per_sample()]: standard normal draws, keyed by the sample

  Sample() = default;
  /// A batch without noise is its values.
  Sample(at::Tensor values, at::Tensor draws = {})
      : x(std::move(values)), noise(std::move(draws)) {}

  std::int64_t size() const { return x.size(0); }  ///< B

  std::vector<at::Tensor*> fields() { return {&x, &noise}; }

  /// The same of each tensor that there is.
  template <typename Change>
  Sample each(Change change) const {
    Sample out = *this;
    for (at::Tensor* const field : out.fields())
      if (field->defined()) *field = change(*field);
    return out;
  }

  /// Samples first .. first + count - 1.
  Sample narrow(std::int64_t first, std::int64_t count) const {
    return each([&](const at::Tensor& field) { return field.narrow(0, first, count); });
  }

  /// In `parts` batches of equal size, one after the other.
  std::vector<Sample> chunk(std::int64_t parts) const {
    std::vector<Sample> out;
    for (std::int64_t i = 0; i < parts; ++i)
      out.push_back(narrow(i * (size() / parts), size() / parts));
    return out;
  }
};

}  // namespace vae_dist::model
