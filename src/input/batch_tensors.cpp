#include "input/batch_tensors.hpp"

#include <ATen/ATen.h>

#include "data/batch_maker.hpp"
#include "device/queue_copy.hpp"

namespace vae_dist::input {
namespace {

// Returns one of a batch's arrays on the device: [B, numbers per sample].
at::Tensor rows_tensor(const data::BatchArray<float>& numbers, std::size_t samples,
                       const data::InputFormat& format) {
  const auto count = static_cast<std::int64_t>(samples);
  const auto values = static_cast<std::int64_t>(numbers.size());
  if (values == 0) return at::empty({count, 0}, at::TensorOptions(format.device).dtype(at::kFloat));
  return device::queue_copy(
      at::from_blob(const_cast<float*>(numbers.data()), {count, values / count}, at::kFloat),
      format.device);
}

}  // namespace

model::Sample stored_batch(const data::Batch& batch, const data::InputFormat& format) {
  model::Sample out(data::stored_pixels(batch.pixels, format),
                    rows_tensor(batch.noise, batch.samples.size(), format));
  if (!batch.condition.empty())
    out.condition = rows_tensor(batch.condition, batch.samples.size(), format);
  if (!batch.mirrored.empty()) {
    std::vector<std::int64_t> sizes(format.shape.space.size() + 2, 1);
    sizes.front() = static_cast<std::int64_t>(batch.mirrored.size());
    out.mirrored = device::queue_copy(
        at::from_blob(const_cast<std::uint8_t*>(batch.mirrored.data()), sizes, at::kByte),
        format.device);
  }
  return out;
}

model::Sample model_batch(const model::Sample& stored, const data::InputFormat& format) {
  at::Tensor images = data::model_input(stored.x, format);
  // The axes of kFlipAxes lie from the last one of x on.
  for (std::size_t bit = 0; stored.mirrored.defined() && bit < data::kFlipAxes.size(); ++bit) {
    if (format.flips.find(data::kFlipAxes[bit]) == std::string::npos) continue;
    const std::int64_t axis = images.dim() - 1 - static_cast<std::int64_t>(bit);
    images =
        at::where(stored.mirrored.bitwise_and(1 << bit).to(at::kBool), images.flip({axis}), images)
            .contiguous(images.suggest_memory_format());
  }
  const data::GivenInput given = data::given_input(images, format);
  model::Sample out(given.x, stored.noise.to(format.type));
  out.observed = given.observed;
  out.seen = given.seen;
  if (stored.condition.defined()) out.condition = stored.condition.to(format.type);
  return out;
}

}  // namespace vae_dist::input
