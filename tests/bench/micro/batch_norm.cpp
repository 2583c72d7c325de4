// Batch norm followed by LeakyReLU, forward and backward, at the shapes of the first and last level
// of the default network. items: values.
#include "model/batch_norm.hpp"

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

namespace vae_dist::bench {
namespace {

void level(benchmark::State& state) {
  const std::int64_t channels = state.range(0), size = state.range(1);
  model::BatchNorm2d norm(channels, model::Activation::leaky_relu);
  norm->train();
  at::Tensor x = at::randn({64, channels, size, size})
                     .contiguous(at::MemoryFormat::ChannelsLast)
                     .requires_grad_();
  const at::Tensor gradient = at::ones_like(x);
  for ([[maybe_unused]] auto _ : state) {
    norm->forward(x).backward(gradient);
    for (at::Tensor* leaf : {&x, &norm->weight, &norm->bias}) leaf->mutable_grad().reset();
  }
  state.SetItemsProcessed(state.iterations() * x.numel());
}

BENCHMARK(level)
    ->Name("batch_norm_and_leaky_relu")
    ->ArgNames({"channels", "size"})
    ->Args({32, 32})
    ->Args({512, 2});

}  // namespace
}  // namespace vae_dist::bench
