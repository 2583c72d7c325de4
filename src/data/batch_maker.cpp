#include "data/batch_maker.hpp"

#include "data/random_crop.hpp"

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
  if (!plan.flips.empty() && plan.flip_on_device) batch.mirrored = {count, resources.memory};
  batch.noise = {count * noise_values, resources.memory};
  const SampleConditions* const conditions = dataset.conditions().get();
  const auto condition_values =
      conditions ? static_cast<std::size_t>(conditions->values()) : std::size_t{0};
  if (conditions) batch.condition = {count * condition_values, resources.memory};
  const auto make_sample = [&](std::size_t i) {
    const std::int64_t sample =
        order.at(step * plan.global_batch + plan.first + static_cast<std::int64_t>(i));
    const auto key_index = static_cast<std::uint64_t>(sample);
    const auto image = std::span(batch.pixels).subspan(i * image_bytes, image_bytes);
    batch.samples[i] = sample;
    const arrays::SpaceWindow window =
        dataset.crops()
            ? random_window(dataset.whole_space(), dataset.shape().space, plan.seed, epoch, sample)
            : arrays::SpaceWindow();
    if (resources.images) {
      dataset.finish_window(resources.images(sample), sample, window, image, epoch);
    } else if (dataset.crops()) {
      dataset.read_window(sample, window, image, epoch);
    } else {
      dataset.read(sample, image, epoch);
    }
    // Mirror after binarizing, so that an image binarized once and for all is mirrored as a whole.
    std::uint8_t mirrors = 0;
    const std::uint32_t drawn =
        plan.flips.empty() ? 0 : base::random_block(flip_key, key_index, 0, 0)[0];
    for (std::size_t bit = 0; bit < kFlipAxes.size(); ++bit)
      if (plan.flips.find(kFlipAxes[bit]) != std::string::npos && (drawn >> bit & 1) != 0) {
        mirrors |= static_cast<std::uint8_t>(1U << bit);
        if (!plan.flip_on_device)
          arrays::flip(image, dataset.shape(), dataset.layout(), kFlipAxes[bit], batch.type);
      }
    if (!batch.mirrored.empty()) batch.mirrored.data()[i] = mirrors;
    if (conditions)
      conditions->write(sample,
                        std::span(batch.condition).subspan(i * condition_values, condition_values));
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
