// How stored values become what the model sees, channel by channel, and back:
// x = (f(stored) - shift) * factor, f being the channel's transform (transform.hpp).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vae_dist::data {

/// A dataset that the channels of the samples come from.
struct StoredArray {
  std::string name;  ///< its path
  std::string axes;  ///< of a sample in it: "HW", "CDHW", "V"
  std::int64_t channels = 1;
  std::string units = {};  ///< its attribute `units`; empty: it has none

  bool operator==(const StoredArray&) const = default;
};

/// The numbers; one entry for each channel (for vectors: for each value).
struct Normalisation {
  std::vector<std::string> transforms;  ///< of one entry: for all channels
  std::vector<double> shift, factor;
  std::vector<StoredArray> arrays = {};  ///< in the order of their channels

  /// Returns the transforms alone, for this number of channels.
  static Normalisation only(std::vector<std::string> transforms, std::int64_t channels);

  /// Returns the numbers as a line of JSON, which parse() reads back to the same bits.
  std::string text() const;
  /// Throws std::invalid_argument if `text` is not what text() returns.
  static Normalisation parse(const std::string& text);
  bool operator==(const Normalisation&) const = default;
};

/// Applies a Normalisation to tensors of one device and type. All tensors are [B, C, space...].
class Normaliser {
 public:
  /// `axes`: the number of axes of the tensors. Throws std::logic_error if a transform is not
  /// registered.
  Normaliser(Normalisation numbers, std::size_t axes, c10::Device device, at::ScalarType type);

  const Normalisation& numbers() const { return numbers_; }
  std::int64_t axes() const { return shift_.dim(); }  ///< of the tensors

  at::Tensor apply(const at::Tensor& stored) const;
  at::Tensor undo(const at::Tensor& x) const;
  /// Returns x, [..., C, space...], as the file stores such samples: in its units, [..., axes...]
  /// for each of its datasets, under "prefix", or under "prefix/NAME" where there are several.
  std::vector<std::pair<std::string, at::Tensor>> as_stored(const std::string& prefix,
                                                            const at::Tensor& x) const;
  /// Returns the sum over a sample's values of log |dx / d stored|, in nats: [B], float64. Added to
  /// log p(x) it gives the log density of the stored values.
  at::Tensor log_jacobian(const at::Tensor& stored) const;

 private:
  template <typename Change>
  at::Tensor by_channel(const at::Tensor& values, Change change) const;

  Normalisation numbers_;
  at::Tensor shift_, factor_;  // [1, C, 1, ...]
};

}  // namespace vae_dist::data
