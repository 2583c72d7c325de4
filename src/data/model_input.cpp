#include "data/model_input.hpp"

#include <ATen/ATen.h>

#include "device/queue_copy.hpp"

namespace vae_dist::data {

InputFormat InputFormat::on(c10::Device other, at::ScalarType other_type) const {
  InputFormat out = *this;
  out.device = other;
  out.type = other_type;
  for (std::shared_ptr<const Normaliser>* const each : {&out.normaliser, &out.encoder})
    if (*each)
      *each = std::make_shared<Normaliser>((*each)->numbers(), shape.space.size() + 2, other,
                                           other_type);
  return out;
}

at::Tensor stored_pixels(std::span<const std::uint8_t> pixels, const InputFormat& f) {
  const std::int64_t count =
      static_cast<std::int64_t>(pixels.size() / bytes_of(f.pixels)) / f.shape.values();
  std::vector<std::int64_t> sizes = f.layout.sizes(f.shape);
  sizes.insert(sizes.begin(), count);

  return device::queue_copy(
      at::from_blob(const_cast<std::uint8_t*>(pixels.data()), sizes,
                    f.pixels == arrays::PixelType::uint8 ? at::kByte : at::kFloat),
      f.device);
}

at::Tensor model_input(const at::Tensor& stored, const InputFormat& f) {
  at::Tensor images = stored.to(f.type, /*non_blocking=*/false, /*copy=*/true);
  if (f.normaliser) {
    images = f.normaliser->apply(in_model_order(images, f));
  } else {
    images.mul_(f.scale * (f.high - f.low));
    if (f.low != 0) images.add_(f.low);
    images = in_model_order(images, f);
  }
  return images.contiguous(f.channels_last ? memory_format_of(f.shape)
                                           : at::MemoryFormat::Contiguous);
}

GivenInput given_input(const at::Tensor& images, const InputFormat& f) {
  GivenInput out{images, {}, {}};
  const auto in_order = [&](const at::Tensor& values) {
    return values.contiguous(images.suggest_memory_format());
  };
  if (f.encoder) out.seen = in_order(f.encoder->apply(images));
  if (!f.masks_missing) return out;
  const at::Tensor missing = images.isnan();
  out.x = images.masked_fill(missing, 0);
  out.observed = missing.logical_not().to(images.scalar_type());
  out.seen =
      in_order(at::cat({f.encoder ? out.seen.masked_fill(missing, 0) : out.x, out.observed}, 1));
  return out;
}

at::Tensor in_model_order(const at::Tensor& stored, const InputFormat& f) {
  std::vector<std::int64_t> axes = {0};
  if (const auto channels = f.layout.position('C'))
    axes.push_back(static_cast<std::int64_t>(*channels) + 1);
  if (f.layout.position('V')) axes.push_back(1);
  for (const std::size_t axis : f.layout.space_axes())
    axes.push_back(static_cast<std::int64_t>(axis) + 1);
  // A view: only the axes are renamed; the values stay where they are.
  const at::Tensor out = stored.permute(axes);
  return f.layout.position('C') || f.layout.position('V') ? out : out.unsqueeze(1);
}

at::MemoryFormat memory_format_of(const arrays::SampleShape& shape) {
  return shape.space.size() == 2   ? at::MemoryFormat::ChannelsLast
         : shape.space.size() == 3 ? at::MemoryFormat::ChannelsLast3d
                                   : at::MemoryFormat::Contiguous;
}

at::Tensor model_input(std::span<const std::uint8_t> pixels, const InputFormat& format) {
  return model_input(stored_pixels(pixels, format), format);
}

}  // namespace vae_dist::data
