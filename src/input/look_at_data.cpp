#include "input/look_at_data.hpp"

#include <ATen/ATen.h>

#include <vector>

#include "base/error.hpp"
#include "data/model_input.hpp"

namespace vae_dist::input {

data::SampleDataset open_for_a_look(data::SampleSource source, bool has_gaps) {
  if (has_gaps) {
    source.plain = source.mask_missing = true;
    data::SampleDataset dataset = data::SampleDataset::open(source);
    dataset.scale();
    return dataset;
  }
  data::SampleDataset dataset = data::SampleDataset::open(source);
  const bool scales = dataset.shape().is_image() && [&] {
    try {
      dataset.scale();
      return true;
    } catch (const base::BadInput&) {
      return false;
    }
  }();
  if (!scales) {
    source.plain = true;
    dataset = data::SampleDataset::open(source);
    dataset.scale();
  }
  return dataset;
}

at::Tensor spaced_samples(const data::SampleDataset& dataset, std::int64_t count, bool scaled) {
  data::InputFormat format;
  format.shape = dataset.shape();
  format.layout = dataset.layout();
  format.pixels = dataset.type();
  format.scale = scaled ? dataset.scale() : 1;
  format.channels_last = false;
  std::vector<std::uint8_t> stored(dataset.image_bytes());
  std::vector<at::Tensor> samples;
  for (std::int64_t i = 0; i < count; ++i) {
    dataset.read(i * dataset.size() / count, stored);
    samples.push_back(data::model_input(stored, format));
  }
  return at::cat(samples);
}

}  // namespace vae_dist::input
