#include "synthetic/shapes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "../temporary_folder.hpp"
#include "data/annotation_rows.hpp"
#include "hdf5/file.hpp"
#include "synthetic/draw_shape.hpp"

namespace vae_dist::synthetic {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Shapes : public TemporaryFolderTest {
 protected:
  std::string made(const std::string& name, const ShapesOptions& options) const {
    make_shapes(path(name), options);
    return path(name);
  }

  template <typename T>
  static std::vector<T> rows(const std::string& file, const std::string& dataset,
                             std::int64_t count) {
    const hdf5::Hdf5Dataset data = hdf5::Hdf5File::open(file).dataset(dataset);
    std::int64_t values = count;
    for (std::size_t i = 1; i < data.shape().size(); ++i) values *= data.shape()[i];
    std::vector<T> out(static_cast<std::size_t>(values));
    data.read_rows(0, count, std::span(out));
    return out;
  }
};

TEST_F(Shapes, ColourPicturesHaveTheLayoutThatIsPromised) {
  const hdf5::Hdf5File file =
      hdf5::Hdf5File::open(made("shapes.h5", {.count = 130, .size = 32, .channels = 3}));
  EXPECT_THAT(file.dataset_paths(), ElementsAre("imgs", "latents/classes", "latents/values"));
  const hdf5::Hdf5Dataset images = file.dataset("imgs"), values = file.dataset("latents/values"),
                          classes = file.dataset("latents/classes");
  EXPECT_THAT(images.shape(), ElementsAre(130, 32, 32, 3));
  EXPECT_EQ(images.type(), hdf5::ElementType::uint8);
  EXPECT_THAT(images.chunk(), ElementsAre(64, 32, 32, 3));
  EXPECT_EQ(images.filters(), "deflate(4)");
  EXPECT_THAT(values.shape(), ElementsAre(130, 6));
  EXPECT_EQ(values.type(), hdf5::ElementType::float64);
  EXPECT_THAT(classes.shape(), ElementsAre(130, 6));
  EXPECT_EQ(classes.type(), hdf5::ElementType::int64);
  EXPECT_THAT(values.text_list_attribute("names"),
              ElementsAre("shape", "scale", "orientation", "x", "y", "colour"));
  EXPECT_THAT(classes.text_list_attribute("names"),
              ElementsAre("shape", "scale", "orientation", "x", "y", "colour"));
}

TEST_F(Shapes, GreyPicturesHaveNoColourFactor) {
  const hdf5::Hdf5File file =
      hdf5::Hdf5File::open(made("grey.h5", {.count = 5, .size = 16, .channels = 1}));
  EXPECT_THAT(file.dataset("imgs").shape(), ElementsAre(5, 16, 16));
  EXPECT_THAT(file.dataset("latents/values").shape(), ElementsAre(5, 5));
  EXPECT_THAT(file.dataset("latents/classes").text_list_attribute("names"),
              ElementsAre("shape", "scale", "orientation", "x", "y"));
}

TEST_F(Shapes, PicturesAndValuesBelongToTheClasses) {
  const std::string file = made("shapes.h5", {.count = 130, .size = 32, .channels = 3, .seed = 3});
  const auto images = rows<std::uint8_t>(file, "imgs", 130);
  const auto classes = rows<std::int64_t>(file, "latents/classes", 130);
  const auto values = rows<double>(file, "latents/values", 130);
  const std::size_t bytes = 32 * 32 * 3;
  for (std::size_t sample = 0; sample < 130; ++sample) {
    ShapeClasses of_sample;
    std::copy_n(&classes[sample * kShapeFactors], kShapeFactors, of_sample.begin());
    std::vector<std::uint8_t> expected(bytes);
    draw_shape(of_sample, 32, 3, expected);
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(),
                           images.begin() + static_cast<std::ptrdiff_t>(sample * bytes)))
        << sample;
    for (std::size_t f = 0; f < kShapeFactors; ++f)
      ASSERT_EQ(values[sample * kShapeFactors + f],
                factor_value(static_cast<ShapeFactor>(f), of_sample[f]))
          << sample;
  }
}

TEST_F(Shapes, EveryClassIsDrawnAboutEquallyOften) {
  constexpr std::int64_t kCount = 6000;
  const auto classes = rows<std::int64_t>(
      made("shapes.h5", {.count = kCount, .size = 8, .channels = 3}), "latents/classes", kCount);
  for (std::size_t f = 0; f < kShapeFactors; ++f) {
    std::vector<double> drawn(static_cast<std::size_t>(kFactorClasses[f]), 0.0);
    for (std::size_t sample = 0; sample < kCount; ++sample)
      drawn.at(static_cast<std::size_t>(classes[sample * kShapeFactors + f])) += 1.0;
    // Pearson's chi-squared has mean `freedom` and variance 2 * freedom; a value five standard
    // deviations above the mean is not chance.
    const auto number = static_cast<double>(drawn.size());
    const double expected = static_cast<double>(kCount) / number, freedom = number - 1.0;
    double chi_squared = 0.0;
    for (const double count : drawn)
      chi_squared += (count - expected) * (count - expected) / expected;
    EXPECT_LT(chi_squared, freedom + 5.0 * std::sqrt(2.0 * freedom)) << kFactorNames[f];
  }
}

TEST_F(Shapes, TheFileIsTheSameForEveryNumberOfThreads) {
  const std::string one = bytes_of(made("one.h5", {.count = 300, .size = 16, .threads = 1}));
  EXPECT_TRUE(one == bytes_of(made("three.h5", {.count = 300, .size = 16, .threads = 3})));
  EXPECT_TRUE(one == bytes_of(made("many.h5", {.count = 300, .size = 16, .threads = 9})));
}

TEST_F(Shapes, ALargerDatasetBeginsWithTheSmallerOne) {
  const std::string small = made("small.h5", {.count = 100, .size = 16}),
                    large = made("large.h5", {.count = 200, .size = 16});
  EXPECT_EQ(rows<std::uint8_t>(small, "imgs", 100), rows<std::uint8_t>(large, "imgs", 100));
  EXPECT_EQ(rows<double>(small, "latents/values", 100), rows<double>(large, "latents/values", 100));
  EXPECT_EQ(rows<std::int64_t>(small, "latents/classes", 100),
            rows<std::int64_t>(large, "latents/classes", 100));
}

TEST_F(Shapes, AnotherSeedDrawsOtherSamples) {
  const auto one = rows<std::int64_t>(made("one.h5", {.count = 50, .size = 8, .seed = 1}),
                                      "latents/classes", 50);
  EXPECT_NE(one, rows<std::int64_t>(made("two.h5", {.count = 50, .size = 8, .seed = 2}),
                                    "latents/classes", 50));
  EXPECT_NE(one, rows<std::int64_t>(made("minus.h5", {.count = 50, .size = 8, .seed = -1}),
                                    "latents/classes", 50));
}

TEST_F(Shapes, OptionsOutOfRangeAreRefusedBeforeAnythingIsWritten) {
  EXPECT_THAT(refusal([&] { made("no.h5", {.count = 0}); }), HasSubstr("count is 0"));
  EXPECT_THAT(refusal([&] { made("no.h5", {.size = 7}); }), HasSubstr("size is 7"));
  EXPECT_THAT(refusal([&] { made("no.h5", {.size = 1025}); }), HasSubstr("size is 1025"));
  EXPECT_THAT(refusal([&] { made("no.h5", {.channels = 2}); }), HasSubstr("channels is 2"));
  EXPECT_THAT(refusal([&] { made("no.h5", {.threads = -1}); }), HasSubstr("threads is -1"));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Shapes, OnlyTheFinishedFileRemains) {
  made("data/new/shapes.h5", {.count = 2, .size = 8});
  made("data/new/shapes.h5", {.count = 3, .size = 8});
  EXPECT_THAT(hdf5::Hdf5File::open(path("data/new/shapes.h5")).dataset("imgs").shape(),
              ElementsAre(3, 8, 8, 3));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path("data/new")), {}), 1);
}

TEST_F(Shapes, FactorsOfTheSamplesAreFoundBesideThePictures) {
  data::SampleSource source;
  source.files = {made("shapes.h5", {.count = 130, .size = 16, .channels = 3})};
  data::SampleDataset images = data::SampleDataset::open(source);
  const data::SampleDataset held_out = images.hold_out(0.2, 9);
  const std::vector<std::int64_t> classes =
      rows<std::int64_t>(source.files[0], "latents/classes", 130);
  const std::vector<double> values = rows<double>(source.files[0], "latents/values", 130);
  const data::AnnotationRows<double> seen_classes =
                                         data::read_annotation(held_out, "latents/classes"),
                                     seen_values =
                                         data::read_annotation(held_out, "latents/values");
  EXPECT_EQ(seen_classes.names, std::vector<std::string>(kFactorNames.begin(), kFactorNames.end()));
  for (std::int64_t sample = 0; sample < held_out.size(); ++sample)
    for (std::int64_t factor = 0; factor < 6; ++factor) {
      const auto at = static_cast<std::size_t>(held_out.samples().row(sample) * 6 + factor);
      ASSERT_EQ(seen_classes.at(sample, factor), static_cast<double>(classes[at]));
      ASSERT_EQ(seen_values.at(sample, factor), values[at]);
    }
}

}  // namespace
}  // namespace vae_dist::synthetic
