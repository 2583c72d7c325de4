// The data that one rank needs for one step, on the host.
#pragma once

#include <cstdint>
#include <vector>

#include "arrays/sample_layout.hpp"
#include "data/batch_memory.hpp"

namespace vae_dist::data {

struct Batch {
  std::int64_t epoch = 0;
  std::int64_t step = 0;              ///< within the epoch
  std::vector<std::int64_t> samples;  ///< indices into the dataset, [B]
  BatchArray<std::uint8_t> pixels;    ///< [B, image], values of `type`, as copied to the device
  BatchArray<float> noise;            ///< [B, noise per sample], standard normal
  BatchArray<std::uint8_t>
      mirrored;  ///< [B], a bit for each axis along which the sample is to be mirrored on the
                 ///< device, see kFlipAxes in batch_maker.hpp; empty if none is
  BatchArray<float> condition;  ///< [B, Y], see SampleConditions; empty if there is none
  arrays::PixelType type = arrays::PixelType::uint8;
  double scale = 1.0;  ///< factor that brings the pixels to [0, 1]
};

}  // namespace vae_dist::data
