#include "parallel/tensor_buffer.hpp"

#include <stdexcept>

#include "base/text.hpp"

namespace vae_dist::parallel {
namespace {

comm::DataType data_type(at::ScalarType type) {
  switch (type) {
    case at::kByte:
      return comm::DataType::uint8;
    case at::kLong:
      return comm::DataType::int64;
    case at::kBFloat16:
      return comm::DataType::bfloat16;
    case at::kFloat:
      return comm::DataType::float32;
    case at::kDouble:
      return comm::DataType::float64;
    default:
      throw std::invalid_argument(
          base::text("collectives do not support tensors of type ", at::toString(type)));
  }
}

}  // namespace

comm::Buffer buffer_of(const at::Tensor& tensor) {
  if (!tensor.is_contiguous())
    throw std::invalid_argument("collectives require contiguous tensors");
  return {tensor.data_ptr(), tensor.numel(), data_type(tensor.scalar_type())};
}

}  // namespace vae_dist::parallel
