// Activation checkpointing: what backward needs of a block is not kept from forward until then, but
// computed again from the block's input when backward reaches the block (Chen et al. 2016,
// "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174, section 4).
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/container/any.h>

namespace vae_dist::model {

/// Returns block(x), where block is a module from one tensor to another. Of the block, only x and
/// the parameters are kept for backward. Output and gradients have the bits of block.forward(x):
/// both passes run the same operations, with gradients, under forward's autocast state. Each
/// parameter's gradient arrives where it would without this function, once, so hooks on it run as
/// ever. Without gradients this is block.forward(x).
///
/// The block has to be a function of x and its parameters alone: it may neither draw random numbers
/// nor overwrite x. Throws std::logic_error if it has buffers, because a layer may update them each
/// time it runs (batch norm). A second derivative throws std::logic_error in backward.
at::Tensor recomputed(torch::nn::AnyModule block, const at::Tensor& x);

}  // namespace vae_dist::model
