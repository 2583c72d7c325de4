#include "bench/flop_count.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <atomic>
#include <stdexcept>
#include <string_view>

namespace vae_dist::bench {
namespace {

// Callbacks of RecordFunction are plain functions, so the count is global to the process.
std::atomic<std::int64_t> counted{0};
std::atomic<bool> counting{false};

using Inputs = c10::ArrayRef<const c10::IValue>;

std::int64_t product(at::IntArrayRef sizes) {
  std::int64_t out = 1;
  for (const std::int64_t size : sizes) out *= size;
  return out;
}

// Returns the operations of a convolution from `input` to `output` values, in one direction. A
// transposed convolution is the mirror image: each input value meets each tap. weight: [C_out, C_in
// / groups, taps...], or transposed [C_in, C_out / groups, taps...].
std::int64_t convolution(std::int64_t input, std::int64_t output, at::IntArrayRef weight,
                         bool transposed) {
  return 2 * (transposed ? input : output) * product(weight.slice(1));
}

// A single value applies to all dimensions.
std::int64_t along(const std::vector<std::int64_t>& values, std::size_t dimension) {
  return values.size() == 1 ? values[0] : values.at(dimension);
}

std::int64_t output_values(at::IntArrayRef input, at::IntArrayRef weight,
                           const std::vector<std::int64_t>& stride,
                           const std::vector<std::int64_t>& padding,
                           const std::vector<std::int64_t>& dilation) {
  std::int64_t out = input[0] * weight[0];
  for (std::size_t i = 0; i + 2 < input.size(); ++i)
    out *= (input[i + 2] + 2 * along(padding, i) - along(dilation, i) * (weight[i + 2] - 1) - 1) /
               along(stride, i) +
           1;
  return out;
}

std::int64_t operations_of(std::string_view name, Inputs in) {
  const auto sizes = [&](std::size_t i) { return in[i].toTensor().sizes(); };
  // input, weight, bias, stride, padding, dilation, transposed, ...
  if (name == "aten::convolution") {
    const bool transposed = in[6].toBool();
    const std::int64_t output = transposed
                                    ? 0
                                    : output_values(sizes(0), sizes(1), in[3].toIntVector(),
                                                    in[4].toIntVector(), in[5].toIntVector());
    return convolution(in[0].toTensor().numel(), output, sizes(1), transposed);
  }
  // grad_output, input, weight, bias_sizes, stride, padding, dilation, transposed, output_padding,
  // groups, output_mask
  if (name == "aten::convolution_backward") {
    const auto mask = in[10].toBoolList();
    const int directions = static_cast<int>(mask.get(0)) + static_cast<int>(mask.get(1));
    return directions * convolution(in[1].toTensor().numel(), in[0].toTensor().numel(), sizes(2),
                                    in[7].toBool());
  }
  // One of its products in a way of our own (kernels/convolution.cpp), whatever it consists of.
  if (name == "vae_dist::convolution") return static_cast<std::int64_t>(in[0].toDouble());
  if (name == "aten::mm") return 2 * product(sizes(0)) * sizes(1)[1];
  if (name == "aten::addmm") return 2 * product(sizes(1)) * sizes(2)[1];
  if (name == "aten::bmm") return 2 * product(sizes(0)) * sizes(1)[2];
  if (name == "aten::baddbmm") return 2 * product(sizes(1)) * sizes(2)[2];
  return 0;
}

std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
  counted += operations_of(function.name(), function.inputs());
  return nullptr;
}

}  // namespace

FlopCount::FlopCount() {
  if (counting.exchange(true)) throw std::logic_error("operations are already being counted");
  counted = 0;
  callback_ = at::addGlobalCallback(
      at::RecordFunctionCallback(count).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
}

FlopCount::~FlopCount() {
  at::removeCallback(callback_);
  counting = false;
}

double FlopCount::operations() const { return static_cast<double>(counted.load()); }

}  // namespace vae_dist::bench
