// Reads consecutive samples of a dataset.
#pragma once

#include <cstdint>
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

/// Returns them as the model sees them: x in memory of its own.
inline model::Sample read_batch(const data::SampleDataset& dataset, std::int64_t first,
                                std::int64_t count, const data::InputFormat& format) {
  return {data::model_input(read_samples(dataset, first, count), format)};
}

}  // namespace vae_dist::evaluate
