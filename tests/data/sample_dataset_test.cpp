#include "data/sample_dataset.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "image_files.hpp"

namespace vae_dist::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class ImageDatasetTest : public ImageFileTest {
 protected:
  static std::string refusal_of(const SampleSource& source) {
    return refusal([&] { SampleDataset::open(source, kAllInMemory); });
  }

  static SampleSource source_of(const std::string& file) {
    SampleSource source;
    source.files = {file};
    return source;
  }

  // Images of 2x2 pixels with these values.
  std::string make_values(const std::string& name, const std::vector<std::uint8_t>& values) const {
    hdf5::Hdf5File file = hdf5::Hdf5File::create(path(name));
    const auto rows = static_cast<std::int64_t>(values.size()) / 4;
    file.create_dataset("imgs", {.shape = {rows, 2, 2}}).write_rows(0, rows, values);
    file.close();
    return path(name);
  }
};

TEST_F(ImageDatasetTest, UnderstandsEachLayoutByItself) {
  const SampleDataset grey = open(make_images("grey.h5", {7, 4, 6}));
  EXPECT_EQ(grey.layout(), arrays::SampleLayout("HW"));
  EXPECT_EQ(grey.shape(), (arrays::SampleShape{1, {4, 6}}));
  const SampleDataset last = open(make_images("last.h5", {7, 4, 6, 3}));
  EXPECT_EQ(last.layout(), arrays::SampleLayout("HWC"));
  EXPECT_EQ(last.shape(), (arrays::SampleShape{3, {4, 6}}));
  const SampleDataset first = open(make_images("first.h5", {7, 3, 4, 6}));
  EXPECT_EQ(first.layout(), arrays::SampleLayout("CHW"));
  EXPECT_EQ(first.shape(), (arrays::SampleShape{3, {4, 6}}));
  const SampleDataset one_last = open(make_images("one_last.h5", {7, 4, 6, 1}));
  EXPECT_EQ(one_last.layout(), arrays::SampleLayout("HWC"));
  EXPECT_EQ(one_last.shape(), (arrays::SampleShape{1, {4, 6}}));
  for (const SampleDataset* dataset : {&grey, &last, &first, &one_last})
    EXPECT_EQ(dataset->size(), 7);
}

TEST_F(ImageDatasetTest, TakesTheLayoutThatIsGiven) {
  SampleSource source = source_of(make_images("both.h5", {7, 3, 4, 3}));
  source.layout = "NHWC";
  EXPECT_EQ(SampleDataset::open(source, kAllInMemory).shape(), (arrays::SampleShape{3, {3, 4}}));
  source.layout = "NCHW";
  EXPECT_EQ(SampleDataset::open(source, kAllInMemory).shape(), (arrays::SampleShape{3, {4, 3}}));
  source.datasets = {"imgs"};
  source.files = {make_images("five.h5", {7, 4, 6, 5})};
  source.layout = "NHWC";
  EXPECT_EQ(SampleDataset::open(source, kAllInMemory).shape(), (arrays::SampleShape{5, {4, 6}}));
}

TEST_F(ImageDatasetTest, ALayoutThatCannotBeToldIsAskedFor) {
  EXPECT_THAT(refusal_of(source_of(make_images("both.h5", {7, 3, 4, 3}))),
              AllOf(HasSubstr("both.h5"), HasSubstr("imgs"), HasSubstr("[7, 3, 4, 3]"),
                    HasSubstr("set layout to NHWC or NCHW")));
  SampleSource source = source_of(make_images("five.h5", {7, 4, 6, 5}));
  source.datasets = {"imgs"};
  EXPECT_THAT(refusal_of(source), HasSubstr("it is ambiguous which axis holds the channels"));
}

TEST_F(ImageDatasetTest, ALayoutThatDoesNotFitIsRefused) {
  SampleSource source = source_of(make_images("grey.h5", {7, 4, 6}));
  source.layout = "NHWC";
  EXPECT_THAT(refusal_of(source),
              AllOf(HasSubstr("[7, 4, 6]"), HasSubstr("cannot be read as layout NHWC")));
  source = source_of(make_images("colour.h5", {7, 4, 6, 3}));
  source.layout = "NHW";
  EXPECT_THAT(refusal_of(source), HasSubstr("cannot be read as layout NHW"));
}

TEST_F(ImageDatasetTest, ReadsTheSameFromMemoryAndFromTheFile) {
  const SampleSource source = source_of(make_images("images.h5", {23, 4, 3, 3}));
  const std::vector<std::uint8_t> stored = varied_bytes(23 * 36);
  const SampleDataset in_memory = SampleDataset::open(source, 23 * 36),
                      streamed = SampleDataset::open(source, 23 * 36 - 1);
  EXPECT_TRUE(in_memory.in_memory());
  EXPECT_FALSE(streamed.in_memory());
  for (const std::int64_t index : {0, 4, 5, 13, 22}) {
    const std::vector<std::uint8_t> expected(stored.begin() + index * 36,
                                             stored.begin() + (index + 1) * 36);
    EXPECT_EQ(image_of(in_memory, index), expected);
    EXPECT_EQ(image_of(streamed, index), expected);
  }
  EXPECT_EQ(in_memory.fingerprint(), streamed.fingerprint());
  EXPECT_EQ(in_memory.scale(), streamed.scale());
}

// More rows than one call of the library reads.
TEST_F(ImageDatasetTest, ReadsLargeDatasetsIntoMemoryInPieces) {
  const SampleDataset dataset = open(make_images("many.h5", {2500, 2, 2}));
  const std::vector<std::uint8_t> stored = varied_bytes(2500 * 4);
  for (const std::int64_t index : {0, 1023, 1024, 2048, 2499})
    EXPECT_EQ(image_of(dataset, index), std::vector<std::uint8_t>(stored.begin() + index * 4,
                                                                  stored.begin() + index * 4 + 4));
}

TEST_F(ImageDatasetTest, RowsChooseAPartOfTheImages) {
  SampleSource source = source_of(make_images("images.h5", {20, 3, 4}));
  const SampleDataset all = open(source.files[0]);
  source.rows = {6, 14};
  for (const std::uint64_t budget : {kAllInMemory, kNothingInMemory}) {
    const SampleDataset part = SampleDataset::open(source, budget);
    ASSERT_EQ(part.size(), 8);
    for (std::int64_t i = 0; i < 8; ++i) EXPECT_EQ(image_of(part, i), image_of(all, 6 + i));
    EXPECT_THROW(image_of(part, 8), std::out_of_range);
    EXPECT_THROW(image_of(part, -1), std::out_of_range);
    EXPECT_NE(part.fingerprint(), all.fingerprint());
  }
  source.rows = {0, 20};
  EXPECT_EQ(SampleDataset::open(source, kAllInMemory).fingerprint(), all.fingerprint());
}

TEST_F(ImageDatasetTest, RowsOutOfRangeAreRefused) {
  SampleSource source = source_of(make_images("images.h5", {20, 3, 4}));
  for (const auto& rows :
       std::vector<std::vector<std::int64_t>>{{0, 21}, {-1, 5}, {7, 7}, {9, 8}, {20, 21}}) {
    source.rows = rows;
    EXPECT_THAT(refusal_of(source),
                AllOf(HasSubstr("images.h5"), HasSubstr("imgs"), HasSubstr("has 20 rows"),
                      HasSubstr(base::text("[", rows[0], ", ", rows[1], "]"))));
  }
}

TEST_F(ImageDatasetTest, FindsTheScaleInTheValues) {
  EXPECT_EQ(open(make_values("binary.h5", {0, 1, 1, 0, 0, 0, 1, 1})).scale(), 1.0);
  EXPECT_EQ(open(make_values("grey.h5", {0, 1, 2, 0, 0, 0, 1, 1})).scale(), 1.0 / 255.0);
  EXPECT_EQ(open(make_values("bright.h5", {0, 255, 255, 0})).scale(), 1.0 / 255.0);
}

TEST_F(ImageDatasetTest, TakesTheScaleThatIsGiven) {
  SampleSource source = source_of(make_values("binary.h5", {0, 1, 1, 0, 0, 0, 1, 1}));
  source.scale = 1.0 / 255.0;
  EXPECT_EQ(SampleDataset::open(source, kAllInMemory).scale(), 1.0 / 255.0);
  source = source_of(make_values("sixteen.h5", {0, 15, 3, 8}));
  source.scale = 1.0 / 15.0;
  EXPECT_EQ(SampleDataset::open(source, kAllInMemory).scale(), 1.0 / 15.0);
}

TEST_F(ImageDatasetTest, FindsTheOnlyImagesAmongOtherDatasets) {
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("shapes.h5"));
  add(file, "group/pictures", {9, 4, 4, 3});
  add(file, "labels", {9});
  add(file, "latents/values", {9, 6});
  file.close();
  const SampleDataset found = open(path("shapes.h5"));
  EXPECT_EQ(found.stored().path(), "group/pictures");
  EXPECT_EQ(found.size(), 9);
}

TEST_F(ImageDatasetTest, AFileWithoutImagesIsAnsweredWithWhatItHolds) {
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("labels.h5"));
  add(file, "labels", {9});
  add(file, "latents/values", {9, 6});
  file.close();
  EXPECT_THAT(refusal_of(source_of(path("labels.h5"))),
              AllOf(HasSubstr("labels.h5"), HasSubstr("no dataset looks like images"),
                    HasSubstr("labels [9] uint8"), HasSubstr("latents/values [9, 6] uint8")));
  hdf5::Hdf5File::create(path("empty.h5")).close();
  EXPECT_THAT(refusal_of(source_of(path("empty.h5"))), HasSubstr("The file holds: nothing"));
}

TEST_F(ImageDatasetTest, SeveralCandidatesAreListedAndOneCanBeChosen) {
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("sets.h5"));
  add(file, "train/images", {9, 4, 4});
  add(file, "test/images", {5, 4, 4});
  file.close();
  EXPECT_THAT(refusal_of(source_of(path("sets.h5"))),
              AllOf(HasSubstr("several datasets look like images"), HasSubstr("data.train.dataset"),
                    HasSubstr("train/images [9, 4, 4]"), HasSubstr("test/images [5, 4, 4]")));
  SampleSource source = source_of(path("sets.h5"));
  source.datasets = {"test/images"};
  EXPECT_EQ(SampleDataset::open(source, kAllInMemory).size(), 5);
  source.datasets = {"images"};
  EXPECT_THAT(refusal_of(source),
              AllOf(HasSubstr("no dataset 'images'"), HasSubstr("'test/images', 'train/images'")));
}

TEST_F(ImageDatasetTest, AChosenDatasetThatIsNoImagesIsRefused) {
  SampleSource source = source_of(make_images("labels.h5", {9, 6}, "labels"));
  source.datasets = {"labels"};
  EXPECT_THAT(refusal_of(source),
              AllOf(HasSubstr("labels.h5"), HasSubstr("labels has shape [9, 6]"),
                    HasSubstr("NV (9 vectors of 6 values), NW (9 series of 6 values) or HW")));
  source = source_of(make_images("videos.h5", {2, 3, 4, 4, 3}, "videos"));
  source.datasets = {"videos"};
  EXPECT_THAT(refusal_of(source), HasSubstr("[2, 3, 4, 4, 3]"));
}

TEST_F(ImageDatasetTest, FloatsTravelAsFloats) {
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("floats.h5"));
  std::vector<float> values(12);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 16;
  file.create_dataset("imgs", {.shape = {3, 2, 2}, .type = hdf5::ElementType::float32})
      .write_rows(0, 3, values);
  file.close();
  for (const std::uint64_t budget : {kAllInMemory, kNothingInMemory}) {
    const SampleDataset dataset = open(path("floats.h5"), budget);
    EXPECT_EQ(dataset.type(), arrays::PixelType::float32);
    EXPECT_EQ(dataset.image_bytes(), 16u);
    EXPECT_EQ(dataset.description(),
              path("floats.h5") + ":/imgs: 3 images 1x2x2 (NHW, float32 0 to 1)");
    const std::vector<std::uint8_t> image = image_of(dataset, 1);
    std::vector<float> read(4);
    std::memcpy(read.data(), image.data(), 16);
    EXPECT_EQ(read, std::vector<float>(values.begin() + 4, values.begin() + 8));
  }
}

TEST_F(ImageDatasetTest, WhatIsHeldOutIsReadFromTheSameMemory) {
  const std::string file = make_images("images.h5", {20, 3, 4});
  const SampleDataset all = open(file);
  for (const std::uint64_t budget : {kAllInMemory, kNothingInMemory}) {
    SampleDataset training = open(file, budget);
    const SampleDataset held_out = training.hold_out(0.25, 7);
    EXPECT_EQ(held_out.size(), 5);
    EXPECT_EQ(training.size(), 15);
    EXPECT_EQ(held_out.in_memory(), training.in_memory());
    EXPECT_EQ(held_out.memory_bytes(), all.memory_bytes());
    for (const SampleDataset* part : {static_cast<const SampleDataset*>(&training), &held_out})
      for (std::int64_t i = 0; i < part->size(); ++i)
        EXPECT_EQ(image_of(*part, i), image_of(all, part->samples().row(i)));
    EXPECT_EQ(training.fingerprint(), all.fingerprint());
  }
}

class FinishedImages : public ImageDatasetTest {
 protected:
  // 400 images of 4 values: 0, 64, 128, 255.
  void SetUp() override {
    ImageDatasetTest::SetUp();
    std::vector<std::uint8_t> values(1600);
    const std::uint8_t grey[] = {0, 64, 128, 255};
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = grey[i % 4];
    source_ = source_of(make_values("grey.h5", values));
    source_.finish.seed = 1265;
  }

  SampleDataset finished(Binarize binarize, bool dequantize = false) {
    source_.finish.binarize = binarize;
    source_.finish.dequantize = dequantize;
    return SampleDataset::open(source_, kAllInMemory);
  }

  static std::vector<std::uint8_t> of_epoch(const SampleDataset& dataset, std::int64_t index,
                                            std::int64_t epoch) {
    std::vector<std::uint8_t> image(dataset.image_bytes());
    dataset.read(index, image, epoch);
    return image;
  }

  SampleSource source_;
};

TEST_F(FinishedImages, AThresholdCutsAtHalf) {
  const SampleDataset dataset = finished(Binarize::threshold);
  EXPECT_EQ(dataset.type(), arrays::PixelType::uint8);
  EXPECT_EQ(dataset.scale(), 1.0);
  EXPECT_EQ(image_of(dataset, 7), (std::vector<std::uint8_t>{0, 0, 1, 1}));
}

TEST_F(FinishedImages, BinarizedPixelsAreOneWithTheProbabilityOfTheirIntensity) {
  const SampleDataset dynamic = finished(Binarize::dynamic), fixed = finished(Binarize::fixed);
  for (const SampleDataset* dataset : {&dynamic, &fixed}) {
    EXPECT_EQ(dataset->scale(), 1.0);
    std::vector<double> ones(4);
    for (std::int64_t i = 0; i < 400; ++i) {
      const auto image = of_epoch(*dataset, i, 3);
      for (std::size_t v = 0; v < 4; ++v) ones[v] += image[v];
    }
    EXPECT_EQ(ones[0], 0);
    EXPECT_EQ(ones[3], 400);
    EXPECT_NEAR(ones[1], 400 * 64 / 255.0, 5 * std::sqrt(400 * 0.25 * 0.75));
    EXPECT_NEAR(ones[2], 400 * 128 / 255.0, 5 * std::sqrt(400 * 0.25));
  }
}

TEST_F(FinishedImages, DynamicIsNewEveryEpochAndFixedIsNot) {
  const SampleDataset dynamic = finished(Binarize::dynamic), fixed = finished(Binarize::fixed);
  int changed = 0;
  for (std::int64_t i = 0; i < 400; ++i) {
    changed += of_epoch(dynamic, i, 1) != of_epoch(dynamic, i, 2);
    EXPECT_EQ(of_epoch(dynamic, i, 1), of_epoch(dynamic, i, 1));
    EXPECT_EQ(of_epoch(fixed, i, 1), of_epoch(fixed, i, 2));
    EXPECT_EQ(of_epoch(fixed, i, 9), of_epoch(dynamic, i, 0));  // evaluation always sees this
  }
  EXPECT_GT(changed, 150);
}

TEST_F(FinishedImages, DequantizedLevelsFillTheRange) {
  const SampleDataset dataset = finished(Binarize::none, true);
  EXPECT_EQ(dataset.type(), arrays::PixelType::float32);
  EXPECT_DOUBLE_EQ(dataset.scale(), 1.0 / 256);
  std::vector<double> sums(4);
  const double levels[] = {0, 64, 128, 255};
  for (std::int64_t i = 0; i < 400; ++i) {
    const auto image = of_epoch(dataset, i, 1);
    EXPECT_NE(image, of_epoch(dataset, i, 2));
    for (std::size_t v = 0; v < 4; ++v) {
      float value;
      std::memcpy(&value, image.data() + 4 * v, 4);
      ASSERT_GE(value, levels[v]);
      ASSERT_LT(value, levels[v] + 1);
      sums[v] += value - levels[v];
    }
  }
  for (const double sum : sums) EXPECT_NEAR(sum / 400, 0.5, 5 * std::sqrt(1.0 / 12 / 400));
}

TEST_F(FinishedImages, FractionsHaveNoLevelsToDequantize) {
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("floats.h5"));
  file.create_dataset("imgs", {.shape = {3, 2, 2}, .type = hdf5::ElementType::float32})
      .write_rows(0, 3, std::vector<float>(12, 0.5f));
  file.close();
  source_.files = {path("floats.h5")};
  source_.finish.dequantize = true;
  EXPECT_THAT(refusal_of(source_), AllOf(HasSubstr("data.dequantize"), HasSubstr("floats.h5"),
                                         HasSubstr("without grey levels")));
}

TEST_F(ImageDatasetTest, AnEmptyDatasetIsRefused) {
  hdf5::Hdf5File file = hdf5::Hdf5File::create(path("none.h5"));
  file.create_dataset("imgs", {.shape = {0, 4, 4}});
  file.close();
  EXPECT_THAT(refusal_of(source_of(path("none.h5"))),
              AllOf(HasSubstr("[0, 4, 4]"), HasSubstr("there are no images in it")));
}

TEST_F(ImageDatasetTest, AFileThatIsMissingOrCutShortIsNamed) {
  EXPECT_THAT(refusal_of(source_of(path("absent.h5"))),
              AllOf(HasSubstr("absent.h5"), HasSubstr("No such file")));
  const std::string file = make_images("images.h5", {50, 8, 8});
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  EXPECT_THAT(refusal_of(source_of(file)), AllOf(HasSubstr("images.h5"), HasSubstr("truncated")));
}

TEST_F(ImageDatasetTest, TheFingerprintIsThatOfTheImages) {
  const std::string fingerprint = open(make_images("one.h5", {20, 3, 4})).fingerprint();
  EXPECT_EQ(fingerprint.size(), 16u);

  // The same images in another file, under another name and in another storage.
  hdf5::Hdf5File copy = hdf5::Hdf5File::create(path("copy.h5"));
  copy.create_dataset("other/name", {.shape = {20, 3, 4}}).write_rows(0, 20, varied_bytes(240));
  copy.close();
  EXPECT_EQ(open(path("copy.h5")).fingerprint(), fingerprint);

  // One pixel, one row, or the shape differ.
  hdf5::Hdf5File changed = hdf5::Hdf5File::create(path("changed.h5"));
  std::vector<std::uint8_t> bytes = varied_bytes(240);
  bytes[131] ^= 1;
  changed.create_dataset("imgs", {.shape = {20, 3, 4}}).write_rows(0, 20, bytes);
  changed.close();
  EXPECT_NE(open(path("changed.h5")).fingerprint(), fingerprint);
  EXPECT_NE(open(make_images("shorter.h5", {19, 3, 4})).fingerprint(), fingerprint);
  EXPECT_NE(open(make_images("turned.h5", {20, 4, 3})).fingerprint(), fingerprint);
}

TEST_F(ImageDatasetTest, TheFingerprintOfSeveralFilesIsThatOfNamesShapesAndAttributes) {
  const auto make = [&](const std::string& name, std::uint8_t change, const std::string& unit) {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    hdf5::Hdf5File file = hdf5::Hdf5File::create(path(name));
    std::vector<std::uint8_t> bytes = varied_bytes(120);
    bytes[7] ^= change;
    hdf5::Hdf5Dataset made = file.create_dataset("imgs", {.shape = {10, 3, 4}});
    made.write_rows(0, 10, bytes);
    if (!unit.empty()) made.set_attribute("unit", unit);
    file.close();
    return path(name);
  };
  const auto fingerprint = [](const std::vector<std::string>& files,
                              std::vector<std::int64_t> rows = {}) {
    SampleSource source;
    source.files = files;
    source.rows = std::move(rows);
    return SampleDataset::open(source).fingerprint();
  };
  const std::string first = make("a/part_1.h5", 0, ""), second = make("a/part_2.h5", 0, "");
  const std::string of_both = fingerprint({first, second});
  EXPECT_THAT(of_both, StartsWith("names-"));
  EXPECT_EQ(of_both.size(), 22u);
  EXPECT_EQ(fingerprint({make("b/part_1.h5", 0, ""), make("b/part_2.h5", 1, "")}), of_both)
      << "the folder and the values do not count";
  EXPECT_NE(fingerprint({second, first}), of_both);
  EXPECT_NE(fingerprint({first, make("a/part_3.h5", 0, "")}), of_both);
  EXPECT_NE(fingerprint({first, second}, {0, 19}), of_both);
  std::filesystem::create_directories(path("d"));
  EXPECT_NE(fingerprint({make("c/part_1.h5", 0, ""), make("c/part_2.h5", 0, "m")}), of_both);
  EXPECT_NE(
      fingerprint({make_images("d/part_1.h5", {9, 3, 4}), make_images("d/part_2.h5", {11, 3, 4})}),
      of_both);

  // A run that began when values were looked at is compared by them.
  hdf5::Hdf5File joined = hdf5::Hdf5File::create(path("joined.h5"));
  hdf5::Hdf5Dataset all = joined.create_dataset("imgs", {.shape = {20, 3, 4}});
  for (const std::int64_t begin : {0, 10}) all.write_rows(begin, 10, varied_bytes(120));
  joined.close();
  SampleSource source;
  source.files = {first, second};
  const SampleDataset both = SampleDataset::open(source);
  const std::string of_values = open(path("joined.h5")).fingerprint();
  EXPECT_EQ(both.fingerprint_like(of_values), of_values);
  EXPECT_EQ(both.fingerprint_like(of_both), of_both);
}

// Of the two files the first is read by HDF5, the second one by its known places.
TEST_F(ImageDatasetTest, AFileThatDiffersInItsValuesAloneIsReadWithoutHdf5) {
  const auto make = [&](const std::string& name, const std::vector<std::int64_t>& shape,
                        std::uint8_t value) {
    hdf5::Hdf5File file = hdf5::Hdf5File::create(path(name));
    file.create_dataset("imgs", {.shape = shape})
        .write_rows(0, shape[0],
                    std::vector<std::uint8_t>(static_cast<std::size_t>(shape[0] * 12), value));
    file.close();
    return path(name);
  };
  SampleSource source;
  source.files = {make("one.h5", {10, 3, 4}, 1), make("two.h5", {10, 3, 4}, 200),
                  make("longer.h5", {11, 3, 4}, 77)};
  const SampleDataset dataset = SampleDataset::open(source);
  EXPECT_FALSE(dataset.rows().opened(0).is_twin());
  EXPECT_TRUE(dataset.rows().opened(1).is_twin());
  EXPECT_FALSE(dataset.rows().opened(2).is_twin());
  ASSERT_EQ(dataset.size(), 31);
  EXPECT_EQ(image_of(dataset, 9), std::vector<std::uint8_t>(12, 1));
  EXPECT_EQ(image_of(dataset, 10), std::vector<std::uint8_t>(12, 200));
  EXPECT_EQ(image_of(dataset, 30), std::vector<std::uint8_t>(12, 77));
  // What only HDF5 can tell is asked when it is needed.
  std::vector<std::byte> window(4);
  arrays::RowBuffers buffers;
  dataset.rows().read_window(12, {{1, 1}, {2, 2}}, window, buffers);
  EXPECT_EQ(window, std::vector<std::byte>(4, std::byte{200}));
}

TEST_F(ImageDatasetTest, DescribesItselfInOneLine) {
  const std::string colour = make_images("colour.h5", {20, 4, 6, 3});
  EXPECT_EQ(open(colour).description(), colour + ":/imgs: 20 images 3x4x6 (NHWC, uint8 0-255)");
  const std::string binary = make_values("binary.h5", {0, 1, 1, 0});
  EXPECT_EQ(open(binary).description(), binary + ":/imgs: 1 images 1x2x2 (NHW, uint8 0/1)");
}

}  // namespace
}  // namespace vae_dist::data
