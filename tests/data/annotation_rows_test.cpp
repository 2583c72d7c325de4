#include "data/annotation_rows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "base/error.hpp"
#include "image_files.hpp"

namespace vae_dist::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The label of row r is 1000 + r, its factors r / 8 and -r.
class AnnotationRowsTest : public ImageFileTest {
 protected:
  std::string make_labelled(const std::string& name, std::int64_t first, std::int64_t rows,
                            const std::vector<std::string>& factors = {"half", "minus"}) const {
    hdf5::Hdf5File file = hdf5::Hdf5File::create(path(name));
    add(file, "imgs", {rows, 4, 3});
    std::vector<std::int64_t> labels;
    std::vector<double> values;
    for (std::int64_t row = first; row < first + rows; ++row) {
      labels.push_back(1000 + row);
      values.insert(values.end(), {static_cast<double>(row) / 8, static_cast<double>(-row)});
    }
    file.create_dataset("labels", {.shape = {rows},
                                   .type = hdf5::ElementType::int64,
                                   .chunk_rows = 4,
                                   .deflate_level = 1})
        .write_rows(0, rows, labels);
    hdf5::Hdf5Dataset latents = file.create_dataset(
        "latents/values", {.shape = {rows, 2}, .type = hdf5::ElementType::float64});
    latents.write_rows(0, rows, values);
    latents.set_attribute("names", factors);
    file.close();
    return path(name);
  }

  static SampleDataset open_all(const std::vector<std::string>& files,
                                const std::vector<std::int64_t>& rows = {}) {
    SampleSource source;
    source.files = files;
    source.rows = rows;
    return SampleDataset::open(source);
  }

  static std::string refusal(const SampleDataset& images, const std::string& path) {
    try {
      read_annotation(images, path);
    } catch (const base::BadInput& error) {
      return error.what();
    }
    return "none";
  }
};

TEST_F(AnnotationRowsTest, BelongToTheSamplesOfSeveralFilesARangeOfRowsAndBothHeldOutParts) {
  SampleDataset images = open_all(
      {make_labelled("a.h5", 0, 30), make_labelled("b.h5", 30, 1), make_labelled("c.h5", 31, 69)},
      {7, 93});
  const SampleDataset held_out = images.hold_out(0.25, 5);
  for (const SampleDataset* part : {&std::as_const(images), &held_out}) {
    const AnnotationRows<double> labels = read_annotation(*part, "labels"),
                                 factors = read_annotation(*part, "/latents/values");
    ASSERT_EQ(labels.values.size(), static_cast<std::size_t>(part->size()));
    ASSERT_EQ(factors.values.size(), static_cast<std::size_t>(2 * part->size()));
    EXPECT_EQ(labels.columns, 1);
    EXPECT_EQ(factors.columns, 2);
    for (std::int64_t sample = 0; sample < part->size(); ++sample) {
      const auto row = static_cast<double>(part->samples().row(sample));
      ASSERT_EQ(labels.at(sample, 0), 1000 + row);
      ASSERT_EQ(factors.at(sample, 0), row / 8);
      ASSERT_EQ(factors.at(sample, 1), -row);
    }
    EXPECT_THAT(labels.names, IsEmpty());
    EXPECT_THAT(factors.names, ElementsAre("half", "minus"));
  }
}

TEST_F(AnnotationRowsTest, ComeInTheOrderAskedForRepeatedOnesToo) {
  const SampleDataset images =
      open_all({make_labelled("a.h5", 0, 20), make_labelled("b.h5", 20, 20)}, {10, 40});
  const std::int64_t samples[] = {29, 0, 12, 0, 9};
  EXPECT_THAT(read_annotation(images, "labels", samples).values,
              ElementsAre(1039, 1010, 1022, 1010, 1019));
  EXPECT_THAT(read_annotation(images, "labels", {}).values, IsEmpty());
  const std::int64_t beyond[] = {30};
  EXPECT_THROW(read_annotation(images, "labels", beyond), std::out_of_range);
}

TEST_F(AnnotationRowsTest, AreReadBlockByBlockFromALargeFile) {
  constexpr std::int64_t kRows = 150000;
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("large.h5"));
  add(file, "imgs", {kRows, 2, 2});
  std::vector<std::int64_t> values;
  for (std::int64_t row = 0; row < kRows; ++row) values.insert(values.end(), {row, row % 7});
  file.create_dataset("latents/classes", {.shape = {kRows, 2},
                                          .type = hdf5::ElementType::int64,
                                          .chunk_rows = 1000,
                                          .deflate_level = 1})
      .write_rows(0, kRows, values);
  file.close();
  const SampleDataset images = open_all({path("large.h5")});
  const AnnotationRows<double> seen = read_annotation(images, "latents/classes");
  EXPECT_TRUE(std::equal(values.begin(), values.end(), seen.values.begin(), seen.values.end()));
  const std::int64_t samples[] = {149999, 32768, 32767, 65536};
  EXPECT_THAT(
      read_annotation(images, "latents/classes", samples).values,
      ElementsAre(149999, 149999 % 7, 32768, 32768 % 7, 32767, 32767 % 7, 65536, 65536 % 7));
}

TEST_F(AnnotationRowsTest, WhatDoesNotFitTheImagesIsRefusedByFileAndName) {
  const std::string whole = make_labelled("whole.h5", 0, 20),
                    other = make_labelled("other.h5", 20, 20, {"minus", "half"});
  {
    hdf5::Hdf5File file = hdf5::Hdf5File::create(path("broken.h5"));
    add(file, "imgs", {20, 4, 3});
    file.create_dataset("labels", {.shape = {19}, .type = hdf5::ElementType::int64});
    file.create_dataset("latents/values", {.shape = {20, 3}, .type = hdf5::ElementType::float64});
    std::vector<double> values(20, 0.5);
    values[13] = std::numeric_limits<double>::quiet_NaN();
    file.create_dataset("angles", {.shape = {20}, .type = hdf5::ElementType::float64})
        .write_rows(0, 20, values);
    file.close();
  }
  const SampleDataset broken = open_all({path("broken.h5")});
  EXPECT_THAT(refusal(broken, "labels"),
              HasSubstr("broken.h5, dataset 'labels' has shape [19]: labels of 20 images are [20], "
                        "factors [20, F]"));
  EXPECT_THAT(refusal(broken, "imgs"), HasSubstr("dataset 'imgs' has shape [20, 4, 3]"));
  EXPECT_THAT(
      refusal(broken, "classes"),
      HasSubstr("has no dataset 'classes'; it has 'angles', 'imgs', 'labels', 'latents/values'"));
  EXPECT_TRUE(std::isnan(read_annotation(broken, "angles").values[13])) << "not known is a value";
  EXPECT_THAT(refusal(open_all({whole, path("broken.h5")}), "latents/values"),
              HasSubstr("broken.h5, dataset 'latents/values' has shape [20, 3], but"));
  EXPECT_THAT(refusal(open_all({whole, other}), "latents/values"),
              HasSubstr("other.h5, dataset 'latents/values' does not have the same `names` as"));
}

}  // namespace
}  // namespace vae_dist::data
