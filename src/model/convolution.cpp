#include "model/convolution.hpp"

#include <ATen/ATen.h>

#include <variant>

#include "model/layer_product.hpp"

namespace vae_dist::model {

at::Tensor ChoosesConvolution::convolve(const at::Tensor& x, const at::Tensor& weight,
                                        const at::Tensor& bias,
                                        const kernels::ConvolutionGeometry& geometry) const {
  const LayerCall::Kind kind =
      geometry.transposed ? LayerCall::Kind::transposed_convolution : LayerCall::Kind::convolution;
  // Where there are ways, they know how bfloat16 is computed.
  if (kernels::has_ways(x, weight)) {
    const kernels::ConvolutionWays ways = kernels::ways_or_table(
        choice_.get(), kernels::shape_of(x, weight, geometry), kernels::computed_type(x, weight));
    const at::Tensor output = kernels::convolution(x, weight, bias, geometry, ways);
    note_call(kind, x, weight, output);
    return output;
  }
  return layer_product(
      kind, x, weight, bias,
      [&](const at::Tensor& images, const at::Tensor& kernel, const at::Tensor& added) {
        return kernels::convolution(images, kernel, added, geometry, {});
      });
}

at::Tensor ConvolutionImpl::convolved(const at::Tensor& x, const at::Tensor& added) const {
  return convolve(x, weight, added,
                  {.transposed = false,
                   .stride = (*options.stride())[0],
                   .padding = (*std::get<torch::ExpandingArray<2>>(options.padding()))[0]});
}

at::Tensor TransposedConvolutionImpl::convolved(const at::Tensor& x,
                                                const at::Tensor& added) const {
  const auto& extra = *options.output_padding();
  return convolve(x, weight, added,
                  {.transposed = true,
                   .stride = (*options.stride())[0],
                   .padding = (*std::get<torch::ExpandingArray<2>>(options.padding()))[0],
                   .output_padding = {extra[0], extra[1]}});
}

}  // namespace vae_dist::model
