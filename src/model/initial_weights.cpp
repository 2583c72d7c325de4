#include "model/initial_weights.hpp"

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/keyed_random.hpp"
#include "model/convolution.hpp"
#include "model/vector_quantizer.hpp"

namespace vae_dist::model {
namespace {

void fill_uniform_within(const at::Tensor& parameter, double bound, base::PhiloxKey key,
                         std::uint64_t index) {
  std::vector<float> draws(static_cast<std::size_t>(parameter.numel()));
  base::fill_uniform(key, index, 0, draws);
  const at::Tensor unit =
      at::from_blob(draws.data(), parameter.sizes(), at::kFloat).to(parameter.scalar_type());
  parameter.copy_(unit * (2 * bound) - bound);
}

class Initialiser {
 public:
  explicit Initialiser(std::uint64_t seed) : key_(base::random_key(seed, base::Purpose::init, 0)) {}

  /// Initialises the module's own parameters. Returns false if it does not know how.
  bool knows(torch::nn::Module& module) {
    if (draws_as<ConvolutionLayer>(module) || draws_as<torch::nn::Conv2d>(module) ||
        draws_as<torch::nn::ConvTranspose2d>(module) || draws_as<torch::nn::Linear>(module) ||
        draws_as<torch::nn::Conv1d>(module) || draws_as<torch::nn::ConvTranspose1d>(module) ||
        draws_as<torch::nn::Conv3d>(module) || draws_as<torch::nn::ConvTranspose3d>(module))
      return has_these_alone(module);
    if (auto* const itself = dynamic_cast<InitialisesItself*>(&module))
      return itself->initialise([this](const at::Tensor& parameter, double bound) {
        fill_uniform_within(parameter, bound, key_, index_++);
      });
    if (auto* const quantizer = module.as<VectorQuantizer>()) draw_codes(*quantizer);
    return module.parameters(/*recurse=*/false).empty() ||
           dynamic_cast<BeginsAsConstructed*>(&module) ||
           ((module.as<torch::nn::GroupNorm>() || module.as<torch::nn::LayerNorm>()) &&
            has_these_alone(module));
  }

 private:
  // A class derived from a layer may have further parameters, whose initial values are unknown.
  static bool has_these_alone(const torch::nn::Module& module) {
    for (const auto& parameter : module.named_parameters(/*recurse=*/false))
      if (parameter.key() != "weight" && parameter.key() != "bias") return false;
    return true;
  }

  template <typename Layer>
  bool draws_as(torch::nn::Module& module) {
    auto* const layer = module.as<Layer>();
    if (!layer) return false;
    // PyTorch's fan-in is weight.size(1) * kernel, for transposed convolutions too
    // (torch.nn.init._calculate_fan_in_and_fan_out).
    const double bound = 1.0 / std::sqrt(static_cast<double>(layer->weight[0].numel()));
    fill_uniform_within(layer->weight, bound, key_, index_++);
    if (layer->bias.defined()) fill_uniform_within(layer->bias, bound, key_, index_++);
    return true;
  }

  // Standard normal codes, each with one vector that is equal to it.
  void draw_codes(VectorQuantizer& quantizer) {
    std::vector<float> draws(static_cast<std::size_t>(quantizer.codebook.numel()));
    base::fill_normal(key_, index_++, 0, draws);
    quantizer.codebook.copy_(at::from_blob(draws.data(), quantizer.codebook.sizes(), at::kFloat));
    quantizer.sums.copy_(quantizer.codebook);
  }

  base::PhiloxKey key_;
  std::uint64_t index_ = 0;
};

}  // namespace

void draw_initial_weights(torch::nn::Module& network, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  Initialiser initialiser(seed);
  std::string unknown;
  for (const auto& entry : network.named_modules())
    if (!initialiser.knows(*entry.value()))
      unknown += "\n  " + entry.key() + " (" + entry.value()->name() + ")";
  if (!unknown.empty())
    throw std::logic_error(
        "nothing defines the initial values of the parameters of these modules, and torch's "
        "generator would draw them differently in each process:" +
        unknown +
        "\nBuild them from convolutions, linear layers and norms, or derive the module from "
        "BeginsAsConstructed (model/initial_weights.hpp) and set its parameters to values that are "
        "the same in every process.");
}

}  // namespace vae_dist::model
