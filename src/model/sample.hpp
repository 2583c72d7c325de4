// A batch as the model receives it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace vae_dist::model {

/// The tensors of a batch, by name; the first axis of each runs over the samples. A tensor that the
/// batch does not have is undefined. To attach more data to each sample (a mask, further
/// noise), add a field here and in fields(): networks, likelihoods and objectives receive
/// all fields, and steps pass them on.
struct Sample {
  at::Tensor x;  ///< [B, C, space...], a vector [B, V]: the values to learn, in the model's range
  at::Tensor noise =
      {};  ///< [B, Objective::noise_per_sample()]: standard normal noise, keyed by the sample

  /// [B, 1, ...] uint8, with as many axes as x: a bit for each axis of space along which the sample
  /// is to be mirrored (W, H, D from the lowest on). Only in a batch that is still as its file
  /// stores it.
  at::Tensor mirrored = {};

  /// [B, Y] fp32: what a conditional network is told about each sample (condition.hpp), numbers and
  /// one-hot classes side by side.
  at::Tensor condition = {};

  /// [B, C, space...], in the type of x: 1 where x is observed, 0 where the file says that the
  /// value is missing and x holds 0. Undefined: everything is observed.
  at::Tensor observed = {};

  /// What the encoder reads instead of x, [B, NetworkOptions::encoder_channels, space...];
  /// undefined: x.
  at::Tensor seen = {};

  Sample() = default;
  /// Converts implicitly: a batch without noise is just its values.
  Sample(at::Tensor values, at::Tensor draws = {})
      : x(std::move(values)), noise(std::move(draws)) {}

  std::int64_t size() const { return x.size(0); }  ///< B

  std::vector<at::Tensor*> fields() {
    return {&x, &noise, &mirrored, &condition, &observed, &seen};
  }

  /// Returns what the encoder reads.
  const at::Tensor& input() const { return seen.defined() ? seen : x; }

  /// Returns a copy in which `change` has been applied to each defined tensor.
  template <typename Change>
  Sample each(Change change) const {
    Sample out = *this;
    for (at::Tensor* const field : out.fields())
      if (field->defined()) *field = change(*field);
    return out;
  }

  /// Returns samples first .. first + count - 1.
  Sample narrow(std::int64_t first, std::int64_t count) const {
    return each([&](const at::Tensor& field) { return field.narrow(0, first, count); });
  }

  /// Splits the batch into `parts` consecutive batches of equal size.
  std::vector<Sample> chunk(std::int64_t parts) const {
    std::vector<Sample> out;
    for (std::int64_t i = 0; i < parts; ++i)
      out.push_back(narrow(i * (size() / parts), size() / parts));
    return out;
  }
};

}  // namespace vae_dist::model
