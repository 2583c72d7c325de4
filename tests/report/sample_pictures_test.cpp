#include "report/sample_pictures.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>

namespace vae_dist::report {
namespace {

using plot::ColourMap;
using plot::Rgb;
using ::testing::ElementsAre;

Rgb colour(const plot::Panel& panel, std::int64_t y, std::int64_t x) {
  const std::uint8_t* first = &panel.picture.pixels.at(3 * (y * panel.picture.width + x));
  return {first[0], first[1], first[2]};
}

// Standardised values of the datasets rho, of mean 10 and deviation 2, and u, of deviation 4.
Showing standardised(std::size_t axes) {
  const std::vector<data::StoredArray> arrays = {{"/flow/rho", "HW", 1}, {"/flow/u", "HW", 1}};
  return showing_of(
      std::make_shared<data::Normaliser>(
          data::Normalisation{{"none"}, {10, 0}, {0.5, 0.25}, arrays}, axes, c10::kCPU, at::kFloat),
      0, 1, arrays);
}

TEST(SamplePictures, ShowImagesWithARangeAsTheyAre) {
  const Showing scaled = showing_of(nullptr, 0, 1, {});
  const at::Tensor images = at::rand({9, 3, 4, 5});
  const plot::PanelSection section = sample_section(images, {}, scaled);
  ASSERT_EQ(section.panels.size(), 9U);
  EXPECT_TRUE(section.bars.empty());
  const at::Tensor bytes = (images * 255).round().to(at::kByte).permute({0, 2, 3, 1}).contiguous();
  for (std::int64_t i = 0; i < 9; ++i)
    for (std::int64_t v = 0; v < 60; ++v)
      ASSERT_EQ(section.panels[i].picture.pixels[v], bytes.flatten(1)[i][v].item<std::uint8_t>());
  const at::Tensor grey = at::rand({1, 1, 2, 2});
  EXPECT_EQ(sample_section(grey, {}, scaled).panels.at(0).picture.channels, 1);
}

TEST(SamplePictures, ShowOnlyImagesWithARangeOfTheirOwnAsTheyAre) {
  const Showing scaled = showing_of(nullptr, 0, 1, {});
  for (const std::int64_t channels : {1, 3, 4}) {
    EXPECT_TRUE(scaled.as_images(at::zeros({1, channels, 4, 4})));
    EXPECT_FALSE(standardised(4).as_images(at::zeros({1, channels, 4, 4})));
  }
  EXPECT_FALSE(scaled.as_images(at::zeros({1, 2, 4, 4})));
  EXPECT_FALSE(scaled.as_images(at::zeros({1, 1, 4, 4, 4})));
  EXPECT_FALSE(scaled.as_images(at::zeros({1, 1, 4})));
}

TEST(SamplePictures, ShowEachChannelInTheUnitsOfItsDataset) {
  // rho: 10 + 2 x in [8, 14]. u: 4 x in [-8, 4].
  const at::Tensor x = at::tensor({-1.f, 0.f, 2.f, 1.f, -2.f, 0.f, 1.f, -1.f}).view({1, 2, 2, 2});
  const plot::PanelSection section = sample_section(x, {}, standardised(4));
  ASSERT_EQ(section.panels.size(), 2U);
  EXPECT_THAT(section.column_labels, ElementsAre("rho", "u"));
  ASSERT_EQ(section.bars.size(), 2U);
  EXPECT_EQ(section.bars[0].label, "rho");
  EXPECT_EQ(section.bars[0].scale.map, ColourMap::sequential);
  EXPECT_NEAR(section.bars[0].scale.range.low, 8, 1e-5);
  EXPECT_NEAR(section.bars[0].scale.range.high, 14, 1e-5);
  EXPECT_EQ(section.bars[1].scale.map, ColourMap::diverging);
  EXPECT_NEAR(section.bars[1].scale.range.low, -8, 1e-5);
  EXPECT_NEAR(section.bars[1].scale.range.high, 8, 1e-5);
  EXPECT_EQ(colour(section.panels[0], 0, 0), plot::colour_at(ColourMap::sequential, 0));
  EXPECT_EQ(colour(section.panels[0], 0, 1), plot::colour_at(ColourMap::sequential, 1.0 / 3));
  EXPECT_EQ(colour(section.panels[0], 1, 0), plot::colour_at(ColourMap::sequential, 1));
  EXPECT_EQ(colour(section.panels[1], 0, 0), plot::colour_at(ColourMap::diverging, 0));
  EXPECT_EQ(colour(section.panels[1], 0, 1), plot::colour_at(ColourMap::diverging, 0.5));
  EXPECT_EQ(colour(section.panels[1], 1, 0), plot::colour_at(ColourMap::diverging, 0.75));
}

TEST(SamplePictures, ShowUnknownValuesInAColourOfTheirOwn) {
  const at::Tensor x = at::tensor({0.f, NAN, 1.f, 3.f}).view({1, 1, 2, 2});
  const plot::PanelSection section = sample_section(x, {}, {});
  EXPECT_EQ(colour(section.panels.at(0), 0, 1), plot::kUnknown);
  EXPECT_EQ(colour(section.panels.at(0), 1, 1), plot::colour_at(ColourMap::sequential, 1))
      << "the range is that of the other values";
}

TEST(SamplePictures, ShowTheThreeMiddleSlicesOfAVolume) {
  // The value at (d, h, w) is 100 d + 10 h + w.
  const at::Tensor volume =
      (100 * at::arange(4, at::kFloat).view({4, 1, 1}) +
       10 * at::arange(6, at::kFloat).view({1, 6, 1}) + at::arange(8, at::kFloat))
          .view({1, 1, 4, 6, 8});
  const plot::PanelSection section = sample_section(volume, {}, {});
  EXPECT_THAT(section.column_labels, ElementsAre("across D", "across H", "across W"));
  ASSERT_EQ(section.panels.size(), 3U);
  const auto size = [&](std::size_t i) {
    return std::pair(section.panels[i].picture.height, section.panels[i].picture.width);
  };
  EXPECT_EQ(size(0), std::pair(6, 8));
  EXPECT_EQ(size(1), std::pair(4, 8));
  EXPECT_EQ(size(2), std::pair(4, 6));
  const plot::ColourScale& scale = section.bars.at(0).scale;
  EXPECT_EQ(colour(section.panels[0], 5, 1), scale(200 + 50 + 1));
  EXPECT_EQ(colour(section.panels[1], 3, 7), scale(300 + 30 + 7));
  EXPECT_EQ(colour(section.panels[2], 1, 2), scale(100 + 20 + 4));
}

TEST(SamplePictures, ShowReconstructionsBelowFieldsInTheColoursOfTheFields) {
  const at::Tensor fields = at::tensor({0.f, 1.f, 2.f, 4.f}).view({1, 1, 2, 2}),
                   reconstructions = at::full({1, 1, 2, 2}, 9.0f);
  const plot::PanelSection section = sample_section(fields, reconstructions, {});
  EXPECT_THAT(section.row_labels, ElementsAre("input", "output"));
  ASSERT_EQ(section.panels.size(), 2U);
  EXPECT_EQ(section.bars.at(0).scale.range.high, 4);
  EXPECT_EQ(colour(section.panels[1], 0, 0), plot::colour_at(ColourMap::sequential, 1));
}

TEST(SamplePictures, SayHowManyOfThemAreShown) {
  const at::Tensor fields = at::rand({13, 1, 4, 4});
  EXPECT_EQ(sample_section(fields, {}, {}).panels.size(), 13U);
  EXPECT_EQ(sample_section(fields, {}, {}).heading, "");
  // Reconstructions stand below whole rows of eight.
  const plot::PanelSection pairs = sample_section(fields, fields, {});
  EXPECT_EQ(pairs.panels.size(), 16U);
  EXPECT_EQ(pairs.heading, "the first 8 of 13");
  EXPECT_EQ(sample_section(at::rand({1000, 1, 4}), {}, {}).heading, "the first 192 of 1000");
}

TEST(SamplePictures, DrawSeriesAndVectorsAsCurvesOverTheirReconstructions) {
  const at::Tensor series = at::tensor({0.f, 1.f, 2.f, 5.f, 6.f, 7.f}).view({1, 2, 3}),
                   output = series + 1;
  const plot::PanelSection section = sample_section(series, output, {.channels = {"a", "b"}});
  EXPECT_THAT(section.column_labels, ElementsAre("a", "b"));
  ASSERT_EQ(section.panels.size(), 2U);
  ASSERT_EQ(section.panels[1].curves.size(), 2U);
  EXPECT_THAT(section.panels[1].curves[0].y, ElementsAre(5, 6, 7));
  EXPECT_THAT(section.panels[1].curves[1].y, ElementsAre(6, 7, 8));
  EXPECT_LE(section.panels[1].y.low, 5);
  EXPECT_GE(section.panels[1].y.high, 8);
  EXPECT_TRUE(section.bars.empty());

  const plot::PanelSection vectors = sample_section(at::rand({2, 7}), {}, {});
  ASSERT_EQ(vectors.panels.size(), 2U) << "all values of a vector are one curve";
  EXPECT_EQ(vectors.panels[0].curves.at(0).y.size(), 7U);
  EXPECT_EQ(vectors.panels[0].y.high, vectors.panels[1].y.high) << "one range in a row";
}

TEST(ChannelNames, AreThoseOfTheDatasets) {
  EXPECT_THAT(channel_names({{"/t0_fields/density", "HW", 1}, {"/t1_fields/velocity", "HWC", 2}}),
              ElementsAre("density", "velocity 0", "velocity 1"));
  EXPECT_THAT(channel_names({{"/a/u", "HW", 1}, {"/b/u", "HW", 1}}), ElementsAre("/a/u", "/b/u"));
  EXPECT_THAT(channel_names({{"/showers", "V", 368}}), ElementsAre("showers"));
}

TEST(ChannelNames, StandWithTheUnitsInWhichValuesAreShown) {
  EXPECT_THAT(channel_labels({{"/density", "HW", 1, "kg/m^3"}, {"/velocity", "HWC", 2, "m/s"}}),
              ElementsAre("density (kg/m^3)", "velocity 0 (m/s)", "velocity 1 (m/s)"));
  EXPECT_THAT(channel_labels({{"/a", "HW", 1}, {"/b", "HW", 1, "K"}}), ElementsAre("a", "b (K)"));
  EXPECT_THAT(channel_labels({{"/showers", "V", 368, "MeV"}}), ElementsAre("showers (MeV)"));
  EXPECT_THAT(channel_labels({{"/a", "V", 3, "MeV"}, {"/b", "V", 2, "MeV"}}),
              ElementsAre("values (MeV)"));
  EXPECT_THAT(channel_labels({{"/a", "V", 3, "MeV"}, {"/b", "V", 2, "keV"}}),
              ElementsAre("values"));
  const std::vector<data::StoredArray> arrays = {{"/p", "HW", 1, "Pa"}, {"/T", "HW", 1, "K"}};
  EXPECT_THAT(showing_of(nullptr, 0, 1, arrays).channels, ElementsAre("p", "T"))
      << "values in the model's range have no units";
}

}  // namespace
}  // namespace vae_dist::report
