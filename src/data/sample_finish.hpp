// The last processing of an image before it is copied to the device, repeated for every sample:
// binarizing or dequantizing with keyed random draws.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arrays/sample_layout.hpp"
#include "base/require_bytes.hpp"

namespace vae_dist::data {

enum class Binarize { none, threshold, dynamic, fixed };

struct FinishOptions {
  Binarize binarize = Binarize::none;  ///< threshold: 1 from half of the range on. dynamic, fixed:
                                       ///< 1 with the probability given by the value
  bool dequantize =
      false;  ///< adds uniform noise of one grey level, which turns levels into a density on [0, 1)
  std::uint64_t seed = 0;
};

/// Describes the values of a dataset.
struct StoredValues {
  arrays::PixelType type;
  double scale = 1;            ///< factor that brings the values to [0, 1]
  bool whole_numbers = false;  ///< the values are levels 0, 1, 2, ...
};

class SampleFinish {
 public:
  /// Throws BadInput, naming `where`, if values that are not levels are to be dequantized.
  SampleFinish(const FinishOptions& options, const StoredValues& stored, const std::string& where);

  arrays::PixelType type() const { return out_type_; }  ///< of the result
  double scale() const { return out_scale_; }           ///< of the result
  bool copies() const { return options_.binarize == Binarize::none && !options_.dequantize; }

  /// Finishes one sample. Dynamic binarizing and dequantizing use new random draws every epoch.
  /// Throws std::invalid_argument if the size of `out` is not exactly that of the result: one value
  /// of type() for each value of `image`.
  void apply(std::span<const std::byte> image, std::int64_t epoch, std::int64_t sample,
             std::span<std::uint8_t> out) const;

  /// Does the same for a sample of so many values that read(image) writes. If nothing is left to do
  /// then, it is written to `out`.
  template <typename Read>
  void in_place(std::size_t values, std::int64_t epoch, std::int64_t sample,
                std::span<std::uint8_t> out, Read read) const {
    if (copies()) {
      base::require_bytes("SampleFinish::in_place", out.size(), values * bytes_of(type_));
      return read(std::as_writable_bytes(out));
    }
    thread_local std::vector<std::byte> image;
    image.resize(values * bytes_of(type_));
    read(std::span<std::byte>(image));
    apply(image, epoch, sample, out);
  }

 private:
  FinishOptions options_;
  arrays::PixelType type_, out_type_;
  double scale_, out_scale_;
};

}  // namespace vae_dist::data
