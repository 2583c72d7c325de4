#include "model/space.hpp"

#include <ATen/ATen.h>

#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>

namespace vae_dist::model {

std::int64_t positions_in(const Space& space) {
  return std::accumulate(space.begin(), space.end(), std::int64_t{1}, std::multiplies<>());
}

Space halved(const Space& space) {
  Space out;
  for (const std::int64_t size : space) out.push_back((size + 1) / 2);
  return out;
}

std::vector<std::int64_t> batch_shape(std::int64_t channels, const Space& space) {
  std::vector<std::int64_t> out = {-1, channels};
  out.insert(out.end(), space.begin(), space.end());
  return out;
}

at::MemoryFormat memory_format(std::size_t dimensions, bool channels_last) {
  if (!channels_last || dimensions < 2) return at::MemoryFormat::Contiguous;
  return dimensions == 2 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::ChannelsLast3d;
}

at::Tensor of_each_sample(const at::Tensor& one, std::size_t dimensions) {
  return one.reshape(batch_shape(1, Space(dimensions, 1)));
}

at::Tensor of_each_channel(const at::Tensor& numbers, const at::Tensor& x) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(x.dim()), 1);
  sizes[1] = -1;
  return numbers.view(sizes);
}

at::Tensor volume_as_image(const at::Tensor& x) {
  return x.dim() == 5 && x.is_contiguous(at::MemoryFormat::ChannelsLast3d)
             ? x.view({x.size(0), x.size(1), x.size(2) * x.size(3), x.size(4)})
             : x;
}

void require_convolvable(const Space& space) {
  if (space.empty())
    throw std::invalid_argument(
        "each sample is a vector, and convolutions need an axis along which neighbours are alike; "
        "use model.name mlp_vae");
  if (space.size() > 3)
    throw std::invalid_argument("each sample has " + std::to_string(space.size()) +
                                " space axes, and convolutions work on three at most; use "
                                "model.name mlp_vae");
}

}  // namespace vae_dist::model
