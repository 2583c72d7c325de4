// Counts the arithmetic of a network's layers from their shapes.
//
// Not from what is called: a way of computing that pads channels, or multiplies zeros, or computes
// a block again, would seem faster than it is.
#pragma once

#include <vector>

#include "model/layer_product.hpp"

namespace vae_dist::bench {

/// Returns the operations of the layers' forward and backward, two per multiply-add: for each
/// convolution and linear layer those of its output, again as many for the gradient of the input
/// and for that of the weight, where backward computes them. A convolution multiplies each weight
/// with each position of its output (a transposed one: of its input) and each of the layer's taps
/// counts, also those that fall on the layer's padding. Attention makes two products forward and
/// four backward. Batch norm, activations, loss and optimizer are small in comparison and left out,
/// as in any published FLOP count.
double operations_of(const std::vector<model::LayerCall>& calls);

}  // namespace vae_dist::bench
