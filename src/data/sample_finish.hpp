// The last thing done to an image before it travels to the device, anew for every sample:
// binarizing or dequantizing, by keyed draws.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/sample_layout.hpp"

namespace vae_dist::data {

enum class Binarize { none, threshold, dynamic, fixed };

struct FinishOptions {
  Binarize binarize = Binarize::none;  ///< threshold: 1 from half of the range on. dynamic, fixed:
                                       ///< 1 with the probability that the value gives
  bool dequantize =
      false;  ///< adds uniform noise of one grey level: a density on [0, 1) instead of levels
  std::uint64_t seed = 0;
};

/// What the values of a dataset are.
struct StoredValues {
  PixelType type;
  double scale = 1;            ///< values times it lie in [0, 1]
  bool whole_numbers = false;  ///< they are levels 0, 1, 2, ...
};

class SampleFinish {
 public:
  /// Throws BadInput, naming `place`, for dequantizing values that are no levels.
  SampleFinish(const FinishOptions& options, const StoredValues& stored, const std::string& place);

  PixelType type() const { return out_type_; }  ///< of the result
  double scale() const { return out_scale_; }   ///< of the result
  bool copies() const { return options_.binarize == Binarize::none && !options_.dequantize; }

  /// Draws of one sample: dynamic binarizing and dequantizing have new ones every epoch.
  void apply(std::span<const std::byte> image, std::int64_t epoch, std::int64_t sample,
             std::span<std::uint8_t> out) const;

 private:
  FinishOptions options_;
  PixelType type_, out_type_;
  double scale_, out_scale_;
};

}  // namespace vae_dist::data
