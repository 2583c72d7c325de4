// Initialises the parameters of a network from the seed alone, identically on every rank and
// device.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <functional>

namespace vae_dist::model {

/// A module whose own parameters start at the values that its constructor sets, identical in every
/// process: the ones and zeros of a norm, a log sigma of 0. Submodules are not included.
class BeginsAsConstructed {
 public:
  virtual ~BeginsAsConstructed() = default;
};

/// A module that knows how its own parameters are initialised.
class InitialisesItself {
 public:
  /// Fills a parameter with uniform numbers in [-bound, bound], keyed as those of other layers.
  using FillUniform = std::function<void(const at::Tensor& parameter, double bound)>;

  virtual ~InitialisesItself() = default;

  /// Returns false if it does not know how.
  virtual bool initialise(const FillUniform& fill) = 0;
};

/// Draws parameters from PyTorch's own distributions (uniform in +-1/sqrt(fan_in) for weights and
/// biases of convolutions and linear layers). The random numbers are keyed by (seed, init, index of
/// the tensor), so they depend neither on the device nor on torch's generator. Torch's norms start
/// at ones and zeros, a codebook at standard normal numbers. Throws std::logic_error, naming every
/// other module with parameters of its own: torch's generator would draw them differently in each
/// process.
void draw_initial_weights(torch::nn::Module& network, std::uint64_t seed);

}  // namespace vae_dist::model
