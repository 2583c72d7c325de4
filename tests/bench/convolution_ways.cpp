// Measures each way to compute each convolution of a few networks, forward and backward, in turns:
//   build/tests/bench/bench_convolution_ways [fp32|bf16 [THREADS [ROUNDS [WORDS OF A SHAPE]]]]
// From its lines the table of src/kernels/convolution_table.cpp is made. For what another CPU would
// do, limit LibTorch and oneDNN: ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "base/cpu_features.hpp"
#include "base/keep_freed_memory.hpp"
#include "kernels/convolution.hpp"
#include "kernels/convolution_choice.hpp"
#include "kernels/instruction_set.hpp"

namespace vae_dist::kernels {
namespace {

constexpr std::array kWays = {ConvolutionWay::onednn, ConvolutionWay::products,
                              ConvolutionWay::direct};

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Returns the least seconds of each work, which run in turns: other work on the machine only adds.
std::vector<double> in_turns(const std::vector<std::function<void()>>& works, int rounds) {
  std::vector<std::vector<double>> times(works.size());
  for (int round = -1; round < rounds; ++round)
    for (std::size_t i = 0; i < works.size(); ++i) {
      const double time = seconds_of(works[i]);
      if (round >= 0) times[i].push_back(time);
    }
  std::vector<double> out;
  for (const auto& each : times) out.push_back(std::ranges::min(each));
  return out;
}

// One direction of a layer, in one way.
std::function<void()> work_of(const ConvolutionShape& shape, ConvolutionDirection direction,
                              ConvolutionWay way, at::ScalarType type) {
  const auto channels_last = at::TensorOptions().memory_format(at::MemoryFormat::ChannelsLast);
  const auto random = [&](at::IntArrayRef sizes) {
    return at::empty(sizes, channels_last).uniform_(-1, 1).to(type);
  };
  const bool transposed = shape.geometry.transposed;
  const at::Tensor x = random({shape.batch, shape.in_channels, shape.in_height, shape.in_width}),
                   weight = random({transposed ? shape.in_channels : shape.out_channels,
                                    transposed ? shape.out_channels : shape.in_channels,
                                    shape.kernel, shape.kernel});
  const ConvolutionWays ways{way, way, way};
  if (direction == ConvolutionDirection::forward)
    return [=, geometry = shape.geometry] {
      const c10::NoGradGuard no_gradients;
      convolution(x, weight, {}, geometry, ways);
    };
  const at::Tensor learned = direction == ConvolutionDirection::input_gradient ? x : weight;
  learned.requires_grad_();
  const at::Tensor y = convolution(x, weight, {}, shape.geometry, ways);
  const at::Tensor dy = random(y.sizes());
  return [=] { torch::autograd::grad({y}, {learned}, {dy}, /*retain_graph=*/true); };
}

ConvolutionShape layer(bool transposed, std::int64_t in, std::int64_t out, std::int64_t size,
                       std::int64_t stride, std::int64_t extra, std::int64_t kernel = 3) {
  ConvolutionShape shape;
  shape.geometry = {transposed, stride, kernel / 2, {extra, extra}};
  shape.kernel = kernel;
  shape.batch = 64;
  shape.in_channels = in;
  shape.out_channels = out;
  shape.in_height = shape.in_width = size;
  return shape;
}

struct Network {
  std::string name;
  std::vector<ConvolutionShape> layers;
};

std::vector<Network> networks() {
  return {
      {"vanilla_vae 64x64x3",
       {layer(false, 3, 32, 64, 2, 0), layer(false, 32, 64, 32, 2, 0),
        layer(false, 64, 128, 16, 2, 0), layer(false, 128, 256, 8, 2, 0),
        layer(false, 256, 512, 4, 2, 0), layer(true, 512, 256, 2, 2, 1),
        layer(true, 256, 128, 4, 2, 1), layer(true, 128, 64, 8, 2, 1),
        layer(true, 64, 32, 16, 2, 1), layer(true, 32, 32, 32, 2, 1),
        layer(false, 32, 3, 64, 1, 0)}},
      {"vanilla_vae 28x28x1",
       {layer(false, 1, 32, 28, 2, 0), layer(false, 32, 64, 14, 2, 0), layer(true, 64, 32, 7, 2, 1),
        layer(true, 32, 32, 14, 2, 1), layer(false, 32, 1, 28, 1, 0)}},
      {"resnet_vae 64x64x3, 2 levels",
       {layer(false, 3, 32, 64, 1, 0), layer(false, 32, 32, 64, 1, 0),
        layer(false, 32, 32, 64, 2, 0), layer(false, 32, 64, 32, 1, 0),
        layer(false, 64, 64, 32, 1, 0), layer(false, 32, 64, 32, 1, 0, 1),
        layer(false, 64, 192, 16, 1, 0, 1)}}};
}

void print_layer(const ConvolutionShape& shape, at::ScalarType type, int rounds,
                 std::array<double, 4>& seconds) {
  const ConvolutionWays chosen =
      ways_from_table(shape, type, instruction_set(), at::get_num_threads());
  std::cout << std::left << std::setw(44) << shape.text() << std::right;
  for (const ConvolutionDirection direction : kConvolutionDirections) {
    std::vector<std::function<void()>> works;
    for (const ConvolutionWay way : kWays) works.push_back(work_of(shape, direction, way, type));
    const std::vector<double> times = in_turns(works, rounds);
    std::cout << " |";
    for (const double time : times)
      std::cout << std::setw(7) << std::fixed << std::setprecision(1)
                << shape.operations() / time / 1e9;
    std::cout << "  " << word(chosen.of(direction))[0];
    for (std::size_t i = 0; i < times.size(); ++i) seconds[i] += times[i];
    seconds[3] += times[static_cast<std::size_t>(chosen.of(direction))];
  }
  std::cout << std::endl;
}

void measure(at::ScalarType type, int threads, int rounds, const std::string& only) {
  at::set_num_threads(threads);
  const bool by_pairs = type == at::kBFloat16 && multiplies_bfloat16();
  const at::Tensor a = at::rand({1024, 1024}).to(by_pairs ? type : at::kFloat), b = a.clone();
  const double product =
      2e-9 * 1024 * 1024 * 1024 / in_turns({[&] { at::mm(a, b); }}, 2 * rounds)[0];
  std::cout << base::cpu_model(base::read_cpuinfo()) << ", " << word(instruction_set()) << ", "
            << type << ", " << threads << " threads; a matrix product: " << std::fixed
            << std::setprecision(1) << product
            << " GFLOP/s\nGFLOP/s of onednn, products, direct and what the table takes:"
            << " forward | gradient of the input | of the weights\n";
  for (const Network& network : networks()) {
    std::cout << network.name << '\n';
    std::array<double, 4> seconds{};
    for (const ConvolutionShape& shape : network.layers)
      if (shape.text().find(only) != std::string::npos) print_layer(shape, type, rounds, seconds);
    std::cout << "  all: onednn " << seconds[0] * 1e3 << " ms, products " << seconds[1] * 1e3
              << " ms, direct " << seconds[2] * 1e3 << " ms, table " << seconds[3] * 1e3 << " ms\n";
  }
}

}  // namespace
}  // namespace vae_dist::kernels

int main(int argc, char** argv) {
  vae_dist::base::keep_freed_memory();  // as in training
  vae_dist::kernels::measure(
      argc > 1 && std::string(argv[1]) == "bf16" ? at::kBFloat16 : at::kFloat,
      argc > 2 ? std::stoi(argv[2]) : 1, argc > 3 ? std::stoi(argv[3]) : 7,
      argc > 4 ? argv[4] : "");
  return 0;
}
