#include "data/model_input.hpp"

#include <ATen/ops/allclose.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

namespace vae_dist::data {
namespace {

using testing::ElementsAre;

// Two images of 3 channels, 2 rows, 2 columns: value = 100 * image + 30 * channel + 10 * row +
// column.
std::uint8_t value_at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<std::uint8_t>(100 * n + 30 * c + 10 * y + x);
}

const arrays::SampleShape kShape = {3, {2, 2}};

std::vector<std::uint8_t> stored_as(arrays::SampleLayout layout) {
  std::vector<std::uint8_t> bytes;
  for (std::int64_t n = 0; n < 2; ++n) {
    if (layout == arrays::SampleLayout("CHW")) {
      for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t p = 0; p < 4; ++p) bytes.push_back(value_at(n, c, p / 2, p % 2));
    } else {
      for (std::int64_t p = 0; p < 4; ++p)
        for (std::int64_t c = 0; c < 3; ++c) bytes.push_back(value_at(n, c, p / 2, p % 2));
    }
  }
  return bytes;
}

void expect_every_value_in_its_place(const at::Tensor& images, double low, double high) {
  ASSERT_THAT(images.sizes(), ElementsAre(2, 3, 2, 2));
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t y = 0; y < 2; ++y)
        for (std::int64_t x = 0; x < 2; ++x)
          EXPECT_NEAR(images[n][c][y][x].item<double>(),
                      low + (high - low) * value_at(n, c, y, x) / 255, 1e-15)
              << n << ", " << c << ", " << y << ", " << x;
}

class ModelInputLayout : public testing::TestWithParam<std::tuple<arrays::SampleLayout, bool>> {};

TEST_P(ModelInputLayout, PutsEveryValueInItsPlaceAndRange) {
  const auto [layout, channels_last] = GetParam();
  for (const auto& [low, high] : {std::pair{0.0, 1.0}, std::pair{-1.0, 1.0}}) {
    const InputFormat format{.shape = kShape,
                             .layout = layout,
                             .low = low,
                             .high = high,
                             .channels_last = channels_last,
                             .type = at::kDouble};
    const at::Tensor images = model_input(stored_as(layout), format);
    EXPECT_TRUE(images.is_contiguous(channels_last ? at::MemoryFormat::ChannelsLast
                                                   : at::MemoryFormat::Contiguous));
    EXPECT_EQ(images.scalar_type(), at::kDouble);
    expect_every_value_in_its_place(images, low, high);
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, ModelInputLayout,
                         testing::Combine(testing::Values(arrays::SampleLayout("HWC"),
                                                          arrays::SampleLayout("CHW")),
                                          testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).text()) +
                                  (std::get<1>(info.param) ? "ToChannelsLast" : "ToContiguous");
                         });

TEST(ModelInput, OfGreyImagesHasOneChannel) {
  const std::vector<std::uint8_t> bytes = {0, 51, 102, 153, 204, 255};
  const at::Tensor images = model_input(
      bytes, {.shape = {1, {1, 3}}, .layout = arrays::SampleLayout("HW"), .type = at::kDouble});
  ASSERT_THAT(images.sizes(), ElementsAre(2, 1, 1, 3));
  EXPECT_TRUE(at::allclose(images.flatten(), at::tensor({0.0, 0.2, 0.4, 0.6, 0.8, 1.0}), 0, 1e-15));
}

TEST(ModelInput, OfBinaryImagesIsScaledByOne) {
  const std::vector<std::uint8_t> bytes = {0, 1, 1, 0};
  const at::Tensor images = model_input(bytes, {.shape = {1, {2, 2}},
                                                .layout = arrays::SampleLayout("HW"),
                                                .scale = 1.0,
                                                .low = -1,
                                                .high = 1});
  EXPECT_TRUE(images.flatten().equal(at::tensor({-1.0F, 1.0F, 1.0F, -1.0F})));
}

TEST(ModelInput, OwnsItsValues) {
  std::vector<std::uint8_t> bytes = {255, 0};
  const at::Tensor images =
      model_input(bytes, {.shape = {1, {1, 2}}, .layout = arrays::SampleLayout("HW")});
  bytes.assign({7, 7});
  EXPECT_TRUE(images.flatten().equal(at::tensor({1.0F, 0.0F})));
}

}  // namespace
}  // namespace vae_dist::data
