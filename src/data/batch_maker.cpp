#include "data/batch_maker.hpp"

namespace vae_dist::data {

Batch make_batch(const SampleDataset& dataset, const BatchPlan& plan, const EpochOrder& order,
                 std::int64_t epoch, std::int64_t step, const BatchResources& resources) {
  const base::PhiloxKey noise_key =
      base::random_key(plan.seed, base::Purpose::noise, static_cast<std::uint64_t>(epoch));
  const base::PhiloxKey flip_key =
      base::random_key(plan.seed, base::Purpose::flip, static_cast<std::uint64_t>(epoch));
  const std::size_t image_bytes = dataset.image_bytes();
  const auto noise_values = static_cast<std::size_t>(plan.noise_per_sample);
  const auto count = static_cast<std::size_t>(plan.count);

  Batch batch;
  batch.epoch = epoch;
  batch.step = step;
  batch.type = dataset.type();
  batch.scale = dataset.scale();
  batch.samples.resize(count);
  batch.pixels = {count * image_bytes, resources.memory};
  if (plan.horizontal_flip && plan.flip_on_device) batch.mirrored = {count, resources.memory};
  batch.noise = {count * noise_values, resources.memory};
  const auto make_sample = [&](std::size_t i) {
    const std::int64_t sample =
        order.at(step * plan.global_batch + plan.first + static_cast<std::int64_t>(i));
    const auto key_index = static_cast<std::uint64_t>(sample);
    const auto image = std::span(batch.pixels).subspan(i * image_bytes, image_bytes);
    batch.samples[i] = sample;
    if (resources.images) {
      dataset.finish().apply(resources.images(sample), epoch, sample, image);
    } else {
      dataset.read(sample, image, epoch);
    }
    // Mirror after binarizing, so that an image binarized once and for all is mirrored as a whole.
    const bool mirrors =
        plan.horizontal_flip && (base::random_block(flip_key, key_index, 0, 0)[0] & 1) != 0;
    if (!batch.mirrored.empty()) {
      batch.mirrored.data()[i] = mirrors;
    } else if (mirrors) {
      arrays::flip(image, dataset.shape(), dataset.layout(), 'W', batch.type);
    }
    base::fill_normal(noise_key, key_index, 0,
                      std::span(batch.noise).subspan(i * noise_values, noise_values));
  };
  resources.team.divide(plan.count, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) make_sample(static_cast<std::size_t>(i));
  });
  return batch;
}

Batch make_batch(const SampleDataset& dataset, const BatchPlan& plan, std::int64_t epoch,
                 std::int64_t step) {
  const EpochOrder order(plan, static_cast<std::uint64_t>(epoch),
                         std::make_shared<SampleChunks>(dataset.chunks()));
  base::ThreadTeam alone(1);
  return make_batch(dataset, plan, order, epoch, step, {nullptr, plain_batch_memory(), alone});
}

}  // namespace vae_dist::data
