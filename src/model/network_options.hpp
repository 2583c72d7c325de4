// The options of every network: the samples' shape, latent dimensions and widths of the levels.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/registered_kinds.hpp"
#include "model/activation.hpp"
#include "model/sample.hpp"
#include "model/space.hpp"
#include "model/vector_quantizer.hpp"

namespace vae_dist::model {

struct NetworkOptions {
  std::int64_t channels = 3;  ///< of a sample; a vector of V values has V channels
  Space space = {64, 64};     ///< its space axes; none for a vector
  std::int64_t latent_dim = 128;
  std::vector<std::int64_t> hidden_dims = {32, 64, 128, 256,
                                           512};  ///< one per level: channels, or units of an MLP
  Activation activation = Activation::leaky_relu;
  Activation output = Activation::sigmoid;
  base::SecondHead second_head = {};  ///< what the decoder gives beside its output
  std::int64_t encoder_channels =
      0;  ///< of what the encoder reads (Sample::input()); 0: `channels`
  std::int64_t condition_values = 0;  ///< Y, of Sample::condition; 0: there is none
  bool channels_last = false;         ///< batches have their channels side by side in memory
  bool skips_cancelled_bias = false;  ///< in training, a bias before batch norm is not added
  bool recompute_blocks = false;      ///< a network that is registered with blocks computes them
                                      ///< again in backward (recompute.hpp)
  /// If set, the latent is a point, so the network has no layer for log_var, and finish() is given
  /// this codebook.
  std::optional<CodebookOptions> codebook = {};

  std::int64_t values() const { return channels * positions_in(space); }  ///< D
  std::int64_t input_channels() const { return encoder_channels > 0 ? encoder_channels : channels; }
};

/// Returns a batch of zeros as a network with these options takes it, in `type`; where values may
/// be missing, all are there.
Sample batch_of_zeros(const NetworkOptions& options, std::int64_t samples,
                      const at::TensorOptions& type = {});

}  // namespace vae_dist::model
