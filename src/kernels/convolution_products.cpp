// Convolutions as matrix products of LibTorch's: the pixels that each output reads are copied into
// a row of a matrix of patches. Patches are made of some outputs at a time, so that the product
// finds them in the cache.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "kernels/convolution_images.hpp"
#include "kernels/convolution_phases.hpp"

namespace vae_dist::kernels {
namespace {

using std::int64_t;

// The size of a matrix of patches: 4 MB.
constexpr int64_t kPatchValues = 1 << 20;

at::Tensor matrix(float* data, int64_t rows, int64_t columns) {
  return at::from_blob(data, {rows, columns}, at::kFloat);
}

// Parts of a convolution's images: whole samples, so many that their patches have about
// kPatchValues values.
int64_t samples_at_a_time(int64_t batch, int64_t values_of_sample) {
  return std::clamp<int64_t>(kPatchValues / std::max<int64_t>(values_of_sample, 1), 1, batch);
}

// patches: [samples, row.count, column.count, row taps, column taps, channels], of the samples
// first .. first + samples - 1, with zeros for the pixels around the image.
void make_patches(const Images& images, int64_t first, int64_t samples, const Phase& row,
                  const Phase& column, float* patches) {
  const int64_t channels = images.channels,
                values = static_cast<int64_t>(row.taps.size() * column.taps.size()) * channels;
  at::parallel_for(0, samples * row.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t sample = first + line / row.count, i = line % row.count;
      float* to = patches + line * column.count * values;
      for (int64_t j = 0; j < column.count; ++j)
        for (const Tap& y : row.taps) {
          const int64_t source_row = row.step * i + y.offset;
          const bool inside = source_row >= 0 && source_row < images.height;
          for (const Tap& x : column.taps) {
            const int64_t source_column = column.step * j + x.offset;
            if (inside && source_column >= 0 && source_column < images.width)
              std::copy_n(images.pixel(sample, source_row, source_column), channels, to);
            else
              std::fill_n(to, channels, 0.0F);
            to += channels;
          }
        }
    }
  });
}

// The weights of a phase's taps as a matrix [row taps * column taps * channels, outputs].
at::Tensor weights_of_phase(const WeightsOf<const float>& weights, bool up, const Phase& row,
                            const Phase& column) {
  const int64_t outputs = up ? weights.large : weights.small,
                channels = up ? weights.small : weights.large;
  const at::Tensor all = at::from_blob(
      // from_blob takes no const; nothing is written.
      const_cast<float*>(weights.data), {weights.kernel, weights.kernel, channels, outputs},
      {weights.row_stride, weights.column_stride, up ? weights.small_stride : weights.large_stride,
       up ? weights.large_stride : weights.small_stride},
      at::kFloat);
  const auto entries = [](const Phase& phase) {
    std::vector<int64_t> k;
    for (const Tap& tap : phase.taps) k.push_back(tap.k);
    return at::tensor(k, at::kLong);
  };
  // All of them may lie as they are wanted already.
  const at::Tensor wanted =
      static_cast<int64_t>(row.taps.size() * column.taps.size()) == weights.kernel * weights.kernel
          ? all
          : all.index_select(0, entries(row)).index_select(1, entries(column));
  return wanted.reshape({-1, outputs});
}

// result = bias + patches * weights
void product(const at::Tensor& patches, const at::Tensor& weights, const at::Tensor& bias,
             at::Tensor result) {
  if (bias.defined())
    at::addmm_out(result, bias, patches, weights);
  else
    at::mm_out(result, patches, weights);
}

void gather(const Images& source, const WeightsOf<const float>& weights,
            const ConvolutionGeometry& geometry, bool up, const float* bias,
            const MutableImages& out) {
  const auto phases = [&](int64_t size) {
    return up ? phases_up(weights.kernel, geometry.stride, geometry.padding, size)
              : phases_down(weights.kernel, geometry.stride, geometry.padding, size);
  };
  const at::Tensor added =
      bias ? at::from_blob(const_cast<float*>(bias), {out.channels}, at::kFloat) : at::Tensor();
  for (const Phase& row : phases(out.height))
    for (const Phase& column : phases(out.width)) {
      const at::Tensor matrix_of_weights = weights_of_phase(weights, up, row, column);
      const int64_t values = matrix_of_weights.size(0), positions = row.count * column.count,
                    most = samples_at_a_time(out.batch, positions * values);
      const bool interleaved = row.every > 1 || column.every > 1;
      const at::Tensor patches = at::empty({most * positions, values}),
                       results =
                           interleaved ? at::empty({most * positions, out.channels}) : at::Tensor();
      for (int64_t first = 0; first < out.batch; first += most) {
        const int64_t samples = std::min(most, out.batch - first), rows = samples * positions;
        make_patches(source, first, samples, row, column, patches.data_ptr<float>());
        product(patches.narrow(0, 0, rows), matrix_of_weights, added,
                interleaved ? results.narrow(0, 0, rows)
                            : matrix(out.pixel(first, 0, 0), rows, out.channels));
        if (!interleaved) continue;
        const float* const from = results.data_ptr<float>();
        at::parallel_for(0, samples * row.count, 1, [&](int64_t begin, int64_t end) {
          for (int64_t line = begin; line < end; ++line)
            for (int64_t j = 0; j < column.count; ++j)
              std::copy_n(
                  from + (line * column.count + j) * out.channels, out.channels,
                  out.pixel(first + line / row.count, row.first + row.every * (line % row.count),
                            column.first + column.every * j));
        });
      }
    }
}

}  // namespace

void products_down(const Images& large, const WeightsOf<const float>& weights,
                   const ConvolutionGeometry& geometry, const float* bias,
                   const MutableImages& small) {
  gather(large, weights, geometry, false, bias, small);
}

void products_up(const Images& small, const WeightsOf<const float>& weights,
                 const ConvolutionGeometry& geometry, const float* bias,
                 const MutableImages& large) {
  gather(small, weights, geometry, true, bias, large);
}

void products_weight_gradient(const Images& small, const Images& large,
                              const ConvolutionGeometry& geometry,
                              const WeightsOf<float>& gradient) {
  const Phase row =
                  phases_down(gradient.kernel, geometry.stride, geometry.padding, small.height)[0],
              column =
                  phases_down(gradient.kernel, geometry.stride, geometry.padding, small.width)[0];
  const int64_t values = gradient.kernel * gradient.kernel * large.channels,
                positions = small.height * small.width,
                most = samples_at_a_time(small.batch, positions * values);
  const at::Tensor patches = at::empty({most * positions, values}),
                   sum = at::zeros({small.channels, values});
  for (int64_t first = 0; first < small.batch; first += most) {
    const int64_t samples = std::min(most, small.batch - first), rows = samples * positions;
    make_patches(large, first, samples, row, column, patches.data_ptr<float>());
    const at::Tensor some =
        matrix(const_cast<float*>(small.pixel(first, 0, 0)), rows, small.channels);
    at::Tensor(sum).addmm_(some.t(), patches.narrow(0, 0, rows));
  }
  at::from_blob(
      gradient.data, {gradient.small, gradient.kernel, gradient.kernel, gradient.large},
      {gradient.small_stride, gradient.row_stride, gradient.column_stride, gradient.large_stride},
      at::kFloat)
      .copy_(sum.view({gradient.small, gradient.kernel, gradient.kernel, gradient.large}));
}

}  // namespace vae_dist::kernels
