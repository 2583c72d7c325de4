#include "model/convolutional_network.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "model/batch_norm.hpp"
#include "model/convolution.hpp"

namespace vae_dist::model {
namespace {

using torch::nn::Sequential;

// A convolution whose output a batch norm normalises.
//
// Batch norm subtracts the mean and thereby cancels the bias, so the bias has a gradient of zero in
// theory. Adam would turn the remaining rounding noise into full steps. The bias is kept for
// PyTorch-VAE's names but is not trained. In training it need not even be added: it only shifts the
// mean that evaluation uses later.
template <typename Base>
class NormalisedConvolution : public Base {
 public:
  NormalisedConvolution(const ConvolutionOptions& convolution, BatchNorm norm, bool skips_bias)
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
  BatchNorm norm_;  // the next module of the block
  bool skips_bias_;
};

// Returns the sizes before each level and after the last.
std::vector<Space> level_sizes(const NetworkOptions& options) {
  std::vector<Space> sizes = {options.space};
  for (std::size_t level = 0; level < options.hidden_dims.size(); ++level)
    sizes.push_back(halved(sizes.back()));
  return sizes;
}

// A transposed convolution turns size n into 2n - 1 + output padding. Returns the padding that
// restores each of `sizes`.
std::vector<std::int64_t> mirror_padding(const Space& sizes) {
  std::vector<std::int64_t> out;
  for (const std::int64_t size : sizes) out.push_back(size % 2 == 0 ? 1 : 0);
  return out;
}

// A Sequential can be nested in another one only if its forward() is not a template.
struct BlockImpl : torch::nn::SequentialImpl {
  at::Tensor forward(at::Tensor x) { return torch::nn::SequentialImpl::forward(std::move(x)); }
};
TORCH_MODULE(Block);

// PyTorch-VAE counts the activation as a separate module. Here the normalisation includes it, and
// an Identity takes its index.
template <typename Base>
void append_level(torch::nn::SequentialImpl& block, const ConvolutionOptions& convolution,
                  const NetworkOptions& options) {
  const BatchNorm norm(convolution.out_channels, options.activation);
  block.push_back(std::make_shared<NormalisedConvolution<Base>>(convolution, norm,
                                                                options.skips_cancelled_bias));
  block.push_back(norm);
  block.push_back(torch::nn::Identity());
}

ConvolutionOptions of_stride_two(std::int64_t in, std::int64_t out, const NetworkOptions& options) {
  return {.in_channels = in,
          .out_channels = out,
          .kernel = 3,
          .stride = 2,
          .padding = 1,
          .dimensions = options.space.size()};
}

Block downsampling(std::int64_t in, std::int64_t out, const NetworkOptions& options) {
  Block block;
  append_level<ConvolutionImpl>(*block, of_stride_two(in, out, options), options);
  return block;
}

// Appends to `block` because PyTorch-VAE's final layer continues after this without nesting.
void append_upsampling(torch::nn::SequentialImpl& block, std::int64_t in, std::int64_t out,
                       const Space& sizes, const NetworkOptions& options) {
  ConvolutionOptions convolution = of_stride_two(in, out, options);
  convolution.output_padding = mirror_padding(sizes);
  append_level<TransposedConvolutionImpl>(block, convolution, options);
}

// Returns the options. Throws std::invalid_argument if convolutions cannot work with them.
NetworkOptions checked(const NetworkOptions& options) {
  require_convolvable(options.space);
  if (options.hidden_dims.empty())
    throw std::invalid_argument("a convolutional network needs at least one level in hidden_dims");
  return options;
}

}  // namespace

ConvolutionalEncoder::ConvolutionalEncoder(torch::nn::Module& owner, const NetworkOptions& options)
    : condition_(owner, checked(options)) {
  levels_ = owner.register_module("encoder", Sequential());
  std::int64_t channels = condition_.channels();
  for (const std::int64_t out : options.hidden_dims)
    levels_->push_back(downsampling(std::exchange(channels, out), out, options));
  code_values_ = channels * positions_in(level_sizes(options).back());
}

ConvolutionalDecoder::ConvolutionalDecoder(torch::nn::Module& owner, const NetworkOptions& options)
    : condition_values_(checked(options).condition_values) {
  const auto& hidden = options.hidden_dims;
  const std::vector<Space> sizes = level_sizes(options);
  const Space& code = sizes.back();
  code_shape_ = batch_shape(hidden.back(), code);
  input_ = owner.register_module(
      "decoder_input",
      Linear(options.latent_dim + options.condition_values, hidden.back() * positions_in(code)));

  levels_ = owner.register_module("decoder", Sequential());
  for (std::size_t level = hidden.size() - 1; level > 0; --level) {
    Block block;
    append_upsampling(*block, hidden[level], hidden[level - 1], sizes[level], options);
    levels_->push_back(block);
  }
  final_layer_ = owner.register_module("final_layer", Sequential());
  append_upsampling(*final_layer_, hidden[0], hidden[0], sizes[0], options);
  final_layer_->push_back(conv3(hidden[0], options.channels, options.space.size()));
  final_layer_->push_back(ActivationModule(options.output));
  second_head_ = SecondHead(owner, options);
}

Decoded ConvolutionalDecoder::forward(const at::Tensor& z, const Sample& given) {
  at::Tensor x = input_->forward(with_condition(z, given, condition_values_)).view(code_shape_);
  if (!levels_->is_empty()) x = levels_->forward(x);
  if (second_head_.is_empty()) return {final_layer_->forward(x), {}};

  // Both heads read the output of the activation before them.
  const auto head = final_layer_->begin() + static_cast<std::ptrdiff_t>(final_layer_->size() - 2);
  for (auto part = final_layer_->begin(); part != head; ++part) x = part->forward(x);
  return {(head + 1)->forward(head->forward(x)), second_head_.forward(x)};
}

}  // namespace vae_dist::model
