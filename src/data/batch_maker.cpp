#include "data/batch_maker.hpp"

#include <algorithm>

#include "data/sample_order.hpp"

namespace vae_dist {

void flip_horizontally(std::span<std::uint8_t> image, const ImageShape& shape, ImageLayout layout) {
  // A row of pixels, each of `depth` values that stay together.
  const std::int64_t depth = layout == ImageLayout::nhwc ? shape.channels : 1;
  const std::int64_t rows = shape.values() / (shape.width * depth);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::uint8_t* left = image.data() + row * shape.width * depth;
    std::uint8_t* right = left + (shape.width - 1) * depth;
    for (; left < right; left += depth, right -= depth) std::swap_ranges(left, left + depth, right);
  }
}

Batch make_batch(const ImageDataset& dataset, const BatchPlan& plan, std::int64_t epoch, std::int64_t step) {
  const SampleOrder order(plan.seed, static_cast<std::uint64_t>(epoch), dataset.size());
  const PhiloxKey noise_key = random_key(plan.seed, Purpose::noise, static_cast<std::uint64_t>(epoch));
  const PhiloxKey flip_key = random_key(plan.seed, Purpose::flip, static_cast<std::uint64_t>(epoch));
  const auto image_bytes = static_cast<std::size_t>(dataset.shape().values());
  const auto noise_values = static_cast<std::size_t>(plan.noise_per_sample);
  const auto count = static_cast<std::size_t>(plan.count);

  Batch batch;
  batch.epoch = epoch;
  batch.step = step;
  batch.scale = dataset.scale();
  batch.samples.resize(count);
  batch.pixels.resize(count * image_bytes);
  batch.noise.resize(count * noise_values);
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t sample = order.at(step * plan.global_batch + plan.first + static_cast<std::int64_t>(i));
    const auto key_index = static_cast<std::uint64_t>(sample);
    const auto image = std::span(batch.pixels).subspan(i * image_bytes, image_bytes);
    batch.samples[i] = sample;
    dataset.read(sample, image);
    if (plan.horizontal_flip && (random_block(flip_key, key_index, 0, 0)[0] & 1) != 0) flip_horizontally(image, dataset.shape(), dataset.layout());
    fill_normal(noise_key, key_index, 0, std::span(batch.noise).subspan(i * noise_values, noise_values));
  }
  return batch;
}

}  // namespace vae_dist
