// How the parameters of a network begin: the same on every rank and every device, from the seed
// alone.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>

namespace vae_dist::model {

/// A module whose own parameters begin at what its constructor gives them, the same in every
/// process: a norm's ones and zeros, a log sigma of 0. (Not of its submodules.)
class BeginsAsConstructed {
 public:
  virtual ~BeginsAsConstructed() = default;
};

/// Draws PyTorch's own distributions (uniform in +-1/sqrt(fan_in) for weights and biases of
/// convolutions and linear layers) by keyed numbers of (seed, init, index of the tensor), so they
/// depend neither on the device nor on torch's generator. Norms of torch begin at ones and zeros.
/// Throws std::logic_error that names every other module with parameters of its own: torch's
/// generator would draw them, differently in each process.
void draw_initial_weights(torch::nn::Module& network, std::uint64_t seed);

}  // namespace vae_dist::model
