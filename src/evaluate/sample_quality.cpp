#include "evaluate/sample_quality.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "evaluate/model_pictures.hpp"
#include "evaluate/random_embedding.hpp"
#include "evaluate/read_samples.hpp"
#include "evaluate/shared_tasks.hpp"

namespace vae_dist::evaluate {
namespace {

// Returns the sample at the fraction (2 i + place) / (2 count) of the range, with `place` 0 or 1.
std::int64_t real_sample(arrays::RowRange samples, std::int64_t count, std::int64_t i,
                         std::int64_t place) {
  return samples.first + (2 * i + place) * samples.size() / (2 * count);
}

// Returns these samples: [count, C, H, W] on [0, 1].
at::Tensor real_images(const data::SampleDataset& dataset, arrays::RowRange samples,
                       const data::InputFormat& format, std::int64_t count, std::int64_t place) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count) * dataset.image_bytes());
  for (std::int64_t i = 0; i < count; ++i)
    dataset.read(real_sample(samples, count, i, place),
                 std::span(pixels).subspan(static_cast<std::size_t>(i) * dataset.image_bytes(),
                                           dataset.image_bytes()));
  data::InputFormat plain = format.on(format.device, at::kFloat);
  plain.low = 0;
  plain.high = 1;
  plain.channels_last = false;
  return data::model_input(pixels, plain);
}

}  // namespace

std::optional<SampleQuality> sample_quality(model::LatentModel& model,
                                            const data::SampleDataset& dataset,
                                            arrays::RowRange samples,
                                            const data::InputFormat& format, std::int64_t count,
                                            std::uint64_t seed, comm::CpuCommunicator& all_ranks) {
  const at::NoGradGuard no_grad;
  count = std::min(count, samples.size() / 2);
  // Distances between samples of which different values are missing mean nothing.
  if (count <= kCoverageNeighbours || format.masks_missing) return std::nullopt;
  if (!can_sample_prior(model)) return std::nullopt;

  at::Tensor real, others, drawn;  // made only on ranks that have a task
  const auto make = [&] {
    if (real.defined()) return;
    real = real_images(dataset, samples, format, count, 0);
    others = real_images(dataset, samples, format, count, 1);
    // The samples answer to the conditions of the real images that they are compared with.
    std::vector<std::int64_t> of_real;
    for (std::int64_t i = 0; i < count; ++i) of_real.push_back(real_sample(samples, count, i, 0));
    const at::Tensor condition = conditions_of(dataset, of_real, format);
    drawn = ((sample_prior(model, count, seed, 1.0, Prior::normal, condition)
                  .to(format.device, at::kFloat) -
              format.low) /
             (format.high - format.low))
                .contiguous();
  };
  const auto figures = [](const Coverage& coverage) {
    return std::vector{coverage.coverage, coverage.density};
  };
  const auto on_pixels = [&](const at::Tensor& fake) {
    make();
    return figures(coverage_of(real.flatten(1), fake.flatten(1)));
  };
  const auto embedded = [&](const at::Tensor& fake) {
    make();
    return figures(coverage_of(random_embedding(real), random_embedding(fake)));
  };
  std::vector<std::function<std::vector<double>()>> tasks = {[&] { return on_pixels(drawn); },
                                                             [&] { return on_pixels(others); }};
  const arrays::SampleShape& shape = format.shape;
  const bool embeds =
      shape.is_image() && std::min(shape.space[0], shape.space[1]) >= kSmallestEmbeddedImage;
  if (embeds) {
    tasks.emplace_back([&] { return embedded(drawn); });
    tasks.emplace_back([&] { return embedded(others); });
  }
  const std::vector<double> numbers = share_tasks(tasks, 2, all_ranks);
  const auto task = [&](std::size_t t) {
    return Coverage{.density = numbers[2 * t + 1], .coverage = numbers[2 * t]};
  };
  SampleQuality out{.samples = count, .pixels = {task(0), task(1)}, .embedding = {}};
  if (embeds) out.embedding = {task(2), task(3)};
  return out;
}

}  // namespace vae_dist::evaluate
