#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "data/model_input.hpp"
#include "input/training_batches.hpp"

namespace vae_dist::input {
namespace {

// tests/gpu tests the memory for a GPU.
TEST(BatchMemory, ForTheCpuIsPlainAndUsedAgain) {
  const data::BatchMemory memory = batch_memory_for(c10::kCPU);
  data::BatchArray<std::uint8_t> pixels(2 * 12, memory);
  const void* const block = pixels.data();
  std::fill(pixels.begin(), pixels.end(), std::uint8_t{51});
  EXPECT_FALSE(at::from_blob(pixels.data(), {24}, at::kByte).is_pinned());
  const at::Tensor images =
      data::model_input(pixels, {.shape = {3, {2, 2}}, .layout = arrays::SampleLayout("HWC")});
  pixels = {};
  const data::BatchArray<std::uint8_t> again(2 * 12, memory);
  EXPECT_EQ(again.data(), block);
  EXPECT_TRUE(at::allclose(images, at::full({2, 3, 2, 2}, 0.2)));  // `images` is a copy by now
}

}  // namespace
}  // namespace vae_dist::input
