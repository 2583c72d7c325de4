#include "parallel/tensor_buffer.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace vae_dist::parallel {
namespace {

TEST(TensorBuffer, IsTheTensorsMemory) {
  const std::pair<at::ScalarType, comm::DataType> types[] = {
      {at::kByte, comm::DataType::uint8},
      {at::kLong, comm::DataType::int64},
      {at::kBFloat16, comm::DataType::bfloat16},
      {at::kFloat, comm::DataType::float32},
      {at::kDouble, comm::DataType::float64}};
  for (const auto& [type, expected] : types) {
    const at::Tensor tensor = at::zeros({3, 4}, type);
    const comm::Buffer buffer = buffer_of(tensor);
    EXPECT_EQ(buffer.data, tensor.data_ptr());
    EXPECT_EQ(buffer.count, 12);
    EXPECT_EQ(buffer.type, expected);
    EXPECT_EQ(buffer.bytes(), tensor.nbytes());
  }
}

TEST(TensorBuffer, RefusesWhatNoCollectiveCanSum) {
  EXPECT_THROW(buffer_of(at::zeros({4}, at::kHalf)), std::invalid_argument);
  EXPECT_THROW(buffer_of(at::zeros({4, 2}).t()), std::invalid_argument);
}

}  // namespace
}  // namespace vae_dist::parallel
