// Normalisation and the activation behind it, forward and backward. items: values.
//
// Batch norm with LeakyReLU: the shapes of the first and last level of the default network. Group
// norm with SiLU: a level of resnet_vae, in one operation and in LibTorch's two.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "model/batch_norm.hpp"
#include "model/residual_network.hpp"

namespace vae_dist::bench {
namespace {

template <typename Layer>
void measure(benchmark::State& state, Layer& layer, at::IntArrayRef sizes) {
  at::Tensor x = at::randn(sizes).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  const at::Tensor gradient = at::ones_like(x);
  for ([[maybe_unused]] auto _ : state) {
    layer->forward(x).backward(gradient);
    for (at::Tensor* leaf : {&x, &layer->weight, &layer->bias}) leaf->mutable_grad().reset();
  }
  state.SetItemsProcessed(state.iterations() * x.numel());
}

void batch_norm(benchmark::State& state) {
  const std::int64_t channels = state.range(0), size = state.range(1);
  model::BatchNorm norm(channels, model::Activation::leaky_relu);
  norm->train();
  measure(state, norm, {64, channels, size, size});
}

void group_norm(benchmark::State& state, bool fused) {
  const std::int64_t channels = state.range(0), size = state.range(1);
  model::GroupNorm norm = model::group_norm(channels, {.fused = fused}, model::Activation::silu);
  measure(state, norm, {16, channels, size, size});
}

BENCHMARK(batch_norm)
    ->Name("batch_norm_and_leaky_relu")
    ->ArgNames({"channels", "size"})
    ->Args({32, 32})
    ->Args({512, 2});
BENCHMARK_CAPTURE(group_norm, fused, true)
    ->Name("group_norm_and_silu/fused")
    ->ArgNames({"channels", "size"})
    ->Args({64, 64})
    ->Args({128, 32});
BENCHMARK_CAPTURE(group_norm, torch, false)
    ->Name("group_norm_and_silu/torch")
    ->ArgNames({"channels", "size"})
    ->Args({64, 64})
    ->Args({128, 32});

}  // namespace
}  // namespace vae_dist::bench
