// Reads consecutive samples of a dataset.
#pragma once

#include <ATen/ops/empty.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "data/model_input.hpp"
#include "data/sample_dataset.hpp"
#include "model/sample.hpp"

namespace vae_dist::evaluate {

/// Returns the values of `count` samples as they are stored, image_bytes() each.
inline std::vector<std::uint8_t> read_samples(const data::SampleDataset& dataset,
                                              std::int64_t first, std::int64_t count) {
  const std::size_t image_bytes = dataset.image_bytes();
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count) * image_bytes);
  for (std::int64_t i = 0; i < count; ++i)
    dataset.read(first + i,
                 std::span(pixels).subspan(static_cast<std::size_t>(i) * image_bytes, image_bytes));
  return pixels;
}

/// Returns what a conditional model is told about these samples, [n, Y] in the format's type on its
/// device; undefined if it is told nothing.
inline at::Tensor conditions_of(const data::SampleDataset& dataset,
                                std::span<const std::int64_t> samples,
                                const data::InputFormat& format) {
  if (!dataset.conditions()) return {};
  const auto values = static_cast<std::size_t>(dataset.conditions()->values());
  const at::Tensor out = at::empty(
      {static_cast<std::int64_t>(samples.size()), dataset.conditions()->values()}, at::kFloat);
  for (std::size_t i = 0; i < samples.size(); ++i)
    dataset.conditions()->write(samples[i], {out.data_ptr<float>() + i * values, values});
  return out.to(at::TensorOptions(format.device).dtype(format.type));
}

/// Returns that of `count` samples from `first` on.
inline at::Tensor conditions_of(const data::SampleDataset& dataset, std::int64_t first,
                                std::int64_t count, const data::InputFormat& format) {
  std::vector<std::int64_t> samples(static_cast<std::size_t>(count));
  std::iota(samples.begin(), samples.end(), first);
  return conditions_of(dataset, samples, format);
}

/// Completes `images`, which data::model_input() made, to what the model sees. `condition`: as
/// conditions_of() returns it for them.
inline model::Sample completed(const at::Tensor& images, const at::Tensor& condition,
                               const data::InputFormat& format) {
  const data::GivenInput given = data::given_input(images, format);
  model::Sample out(given.x);
  out.observed = given.observed;
  out.seen = given.seen;
  out.condition = condition;
  return out;
}

/// Does the same for the samples from `first` on.
inline model::Sample completed(const at::Tensor& images, const data::SampleDataset& dataset,
                               std::int64_t first, const data::InputFormat& format) {
  return completed(images, conditions_of(dataset, first, images.size(0), format), format);
}

/// Returns the samples as the model sees them: x in memory of its own.
inline model::Sample read_batch(const data::SampleDataset& dataset, std::int64_t first,
                                std::int64_t count, const data::InputFormat& format) {
  return completed(data::model_input(read_samples(dataset, first, count), format), dataset, first,
                   format);
}

/// Returns x of a batch with NaN where it is missing.
inline at::Tensor with_gaps(const model::Sample& batch) {
  return batch.observed.defined() ? batch.x.masked_fill(batch.observed.eq(0), std::nan(""))
                                  : batch.x;
}

}  // namespace vae_dist::evaluate
