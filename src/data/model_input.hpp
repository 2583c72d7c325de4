// Converts samples as stored into the tensors that the model sees.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>

#include "data/sample_dataset.hpp"

namespace vae_dist::data {

struct InputFormat {
  arrays::SampleShape shape;
  arrays::SampleLayout layout = arrays::SampleLayout("HW");
  arrays::PixelType pixels = arrays::PixelType::uint8;
  double scale = 1.0 / 255.0;    ///< factor that brings stored values to [0, 1]
  double low = 0.0, high = 1.0;  ///< `data.range`: the range that [0, 1] is mapped to
  std::shared_ptr<const Normaliser> normaliser = nullptr;  ///< instead of scale and range
  bool masks_missing = false;                           ///< NaN stands for a value that is missing
  std::shared_ptr<const Normaliser> encoder = nullptr;  ///< applied to what the encoder alone sees
  bool channels_last = true;                            ///< memory order of the result
  std::string flips =
      {};  ///< axes along which samples are mirrored on the device (BatchPlan::flips)
  c10::Device device = c10::kCPU;
  at::ScalarType type = at::kFloat;

  /// Returns the same format for tensors of another device and type.
  InputFormat on(c10::Device other, at::ScalarType other_type) const;
};

/// Returns the images in `pixels`, values of type format.pixels, as they are stored, on the device:
/// [count, axes...], as in format.layout. A copy to a GPU is queued as in
/// device/queue_copy.hpp, and `pixels` may be freed when this returns; on the CPU the result shares
/// their memory.
at::Tensor stored_pixels(std::span<const std::uint8_t> pixels, const InputFormat& format);

/// Returns `stored`, which is as stored_pixels() returns it, as [count, C, space...] in the
/// model's range and type, on the same device, in memory of its own.
at::Tensor model_input(const at::Tensor& stored, const InputFormat& format);

/// What a model is given of a batch: model::Sample's fields of these names.
struct GivenInput {
  at::Tensor x, observed, seen;
};

/// Completes `images`, [count, C, space...] as model_input() returns them: missing values become 0,
/// the average of standardised ones, with `observed` to tell them apart; the encoder sees the
/// values after its own transform and, where values may be missing, the mask as further channels.
GivenInput given_input(const at::Tensor& images, const InputFormat& format);

/// Returns a view of `stored` as [count, C, space...], with the values as they are stored.
at::Tensor in_model_order(const at::Tensor& stored, const InputFormat& format);

/// Returns the memory format in which the channels of such samples lie together, as far as LibTorch
/// has one.
at::MemoryFormat memory_format_of(const arrays::SampleShape& shape);

/// Does both. `pixels` may be freed when this returns.
at::Tensor model_input(std::span<const std::uint8_t> pixels, const InputFormat& format);

}  // namespace vae_dist::data
