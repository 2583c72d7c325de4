#include "model/convolutional_network.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "model/batch_norm.hpp"
#include "model/convolution.hpp"

namespace vae_dist::model {
namespace {

using torch::nn::Conv2dOptions;
using torch::nn::ConvTranspose2dOptions;
using torch::nn::Sequential;

constexpr std::int64_t kKernel = 3, kStride = 2, kPadding = 1;

// A convolution whose output a batch norm normalises.
//
// Batch norm subtracts the mean and thereby cancels the bias, so the bias has a gradient of zero in
// theory. Adam would turn the remaining rounding noise into full steps. The bias is kept for
// PyTorch-VAE's names but is not trained. In training it need not even be added: it only shifts the
// mean that evaluation uses later.
template <typename Base>
class NormalisedConvolution : public Base {
 public:
  template <typename Options>
  NormalisedConvolution(const Options& convolution, BatchNorm2d norm, bool skips_bias)
      : Base(convolution), norm_(std::move(norm)), skips_bias_(skips_bias) {
    this->bias.set_requires_grad(false);
    if (skips_bias_) norm_->left_out_bias = this->bias;
  }

  // A frozen norm does not subtract the mean of the batch.
  at::Tensor forward(const at::Tensor& x) {
    const bool skips = skips_bias_ && norm_->is_training();
    return this->convolved(x, skips ? at::Tensor() : this->bias);
  }

 private:
  BatchNorm2d norm_;  // the next module of the block
  bool skips_bias_;
};

struct Size {
  std::int64_t height, width;
};

// Returns the sizes before each level and after the last; a stride of 2 gives ceil(size / 2).
std::vector<Size> level_sizes(const NetworkOptions& options) {
  std::vector<Size> sizes = {{options.height, options.width}};
  for (std::size_t level = 0; level < options.hidden_dims.size(); ++level)
    sizes.push_back({(sizes.back().height + 1) / 2, (sizes.back().width + 1) / 2});
  return sizes;
}

// A transposed convolution turns size n into 2n - 1 + output padding. Returns the padding that
// restores `size`.
std::int64_t mirror_padding(std::int64_t size) { return size % 2 == 0 ? 1 : 0; }

// A Sequential can be nested in another one only if its forward() is not a template.
struct BlockImpl : torch::nn::SequentialImpl {
  at::Tensor forward(at::Tensor x) { return torch::nn::SequentialImpl::forward(std::move(x)); }
};
TORCH_MODULE(Block);

// PyTorch-VAE counts the activation as a separate module. Here the normalisation includes it, and
// an Identity takes its index.
template <typename Base, typename Options>
void append_level(torch::nn::SequentialImpl& block, const Options& convolution, std::int64_t out,
                  const NetworkOptions& options) {
  const BatchNorm2d norm(out, options.activation);
  block.push_back(std::make_shared<NormalisedConvolution<Base>>(convolution, norm,
                                                                options.skips_cancelled_bias));
  block.push_back(norm);
  block.push_back(torch::nn::Identity());
}

Block downsampling(std::int64_t in, std::int64_t out, const NetworkOptions& options) {
  Block block;
  append_level<ConvolutionImpl>(
      *block, Conv2dOptions(in, out, kKernel).stride(kStride).padding(kPadding), out, options);
  return block;
}

// Appends to `block` because PyTorch-VAE's final layer continues after this without nesting.
void append_upsampling(torch::nn::SequentialImpl& block, std::int64_t in, std::int64_t out,
                       Size size, const NetworkOptions& options) {
  append_level<TransposedConvolutionImpl>(
      block,
      ConvTranspose2dOptions(in, out, kKernel)
          .stride(kStride)
          .padding(kPadding)
          .output_padding({mirror_padding(size.height), mirror_padding(size.width)}),
      out, options);
}

Convolution head(const NetworkOptions& options) {
  return Convolution(
      Conv2dOptions(options.hidden_dims[0], options.channels, kKernel).padding(kPadding));
}

}  // namespace

ConvolutionalEncoder::ConvolutionalEncoder(torch::nn::Module& owner,
                                           const NetworkOptions& options) {
  if (options.hidden_dims.empty())
    throw std::invalid_argument("a convolutional network needs at least one level in hidden_dims");
  levels_ = owner.register_module("encoder", Sequential());
  std::int64_t channels = options.channels;
  for (const std::int64_t out : options.hidden_dims)
    levels_->push_back(downsampling(std::exchange(channels, out), out, options));
  const Size code = level_sizes(options).back();
  code_values_ = channels * code.height * code.width;
}

ConvolutionalDecoder::ConvolutionalDecoder(torch::nn::Module& owner,
                                           const NetworkOptions& options) {
  const auto& hidden = options.hidden_dims;
  if (hidden.empty())
    throw std::invalid_argument("a convolutional network needs at least one level in hidden_dims");
  const std::vector<Size> sizes = level_sizes(options);
  const Size code = sizes.back();
  code_shape_ = {-1, hidden.back(), code.height, code.width};
  input_ = owner.register_module(
      "decoder_input", Linear(options.latent_dim, hidden.back() * code.height * code.width));

  levels_ = owner.register_module("decoder", Sequential());
  for (std::size_t level = hidden.size() - 1; level > 0; --level) {
    Block block;
    append_upsampling(*block, hidden[level], hidden[level - 1], sizes[level], options);
    levels_->push_back(block);
  }
  final_layer_ = owner.register_module("final_layer", Sequential());
  append_upsampling(*final_layer_, hidden[0], hidden[0], sizes[0], options);
  final_layer_->push_back(head(options));
  final_layer_->push_back(ActivationModule(options.output));
  variance_head_ = VarianceHead(owner, options);
}

Decoded ConvolutionalDecoder::forward(const at::Tensor& z) {
  at::Tensor x = input_->forward(z).view(code_shape_);
  if (!levels_->is_empty()) x = levels_->forward(x);
  if (variance_head_.is_empty()) return {final_layer_->forward(x), {}};

  // Both heads read the output of the activation before them.
  const auto head = final_layer_->begin() + static_cast<std::ptrdiff_t>(final_layer_->size() - 2);
  for (auto part = final_layer_->begin(); part != head; ++part) x = part->forward(x);
  return {(head + 1)->forward(head->forward(x)), variance_head_.forward(x)};
}

}  // namespace vae_dist::model
