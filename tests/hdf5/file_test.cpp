#include "hdf5/file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <thread>

#include "base/error.hpp"

namespace vae_dist::hdf5 {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Hdf5FileTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              base::text("vae_dist_", test->name(), "_", ::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  // imgs: uint8 [6, 2, 2] with the values 0..23, and latents/values: float64 [6, 3] with halves.
  std::string make_file() const {
    const std::string place = path("made.h5");
    Hdf5File file = Hdf5File::create(place);
    std::vector<std::uint8_t> pixels(24);
    std::iota(pixels.begin(), pixels.end(), 0);
    file.create_dataset("imgs",
                        {.shape = {6, 2, 2}, .chunk_rows = 4, .deflate_level = 4, .shuffle = true})
        .write_rows(0, 6, pixels);
    std::vector<double> halves(18);
    for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = 0.5 * static_cast<double>(i);
    file.create_dataset("latents/values", {.shape = {6, 3}, .type = ElementType::float64})
        .write_rows(0, 6, halves);
    file.close();
    return place;
  }

  static std::string error_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const base::BadInput& error) {
      return error.what();
    }
    return "no BadInput";
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(Hdf5FileTest, ReadsBackWhatWasWritten) {
  const Hdf5File file = Hdf5File::open(make_file());
  const Hdf5Dataset images = file.dataset("imgs");
  EXPECT_THAT(images.shape(), ElementsAre(6, 2, 2));
  EXPECT_THAT(images.chunk(), ElementsAre(4, 2, 2));
  EXPECT_EQ(images.type(), ElementType::uint8);
  EXPECT_EQ(images.type_name(), "uint8");
  EXPECT_EQ(images.filters(), "shuffle, deflate(4)");
  EXPECT_GT(images.stored_bytes(), 0u);

  std::vector<std::uint8_t> pixels(8);
  images.read_rows(3, 2, std::span(pixels));
  EXPECT_THAT(pixels, ElementsAre(12, 13, 14, 15, 16, 17, 18, 19));

  const Hdf5Dataset values = file.dataset("/latents/values");
  EXPECT_EQ(values.path(), "latents/values");
  EXPECT_EQ(values.type(), ElementType::float64);
  EXPECT_EQ(values.filters(), "none");
  EXPECT_THAT(values.chunk(), IsEmpty());
  std::vector<double> row(3);
  values.read_rows(5, 1, std::span(row));
  EXPECT_THAT(row, ElementsAre(7.5, 8.0, 8.5));
}

TEST_F(Hdf5FileTest, ConvertsToTheTypeAskedFor) {
  const Hdf5File file = Hdf5File::open(make_file());
  std::vector<float> floats(4);
  file.dataset("imgs").read_rows(1, 1, std::span(floats));
  EXPECT_THAT(floats, ElementsAre(4.0f, 5.0f, 6.0f, 7.0f));
  std::vector<std::int64_t> integers(3);
  file.dataset("latents/values").read_rows(2, 1, std::span(integers));
  EXPECT_THAT(integers, ElementsAre(3, 3, 4));
}

TEST_F(Hdf5FileTest, WritesRowsPieceByPiece) {
  const std::string place = path("pieces.h5");
  Hdf5File file = Hdf5File::create(place);
  Hdf5Dataset classes = file.create_dataset(
      "classes", {.shape = {5, 2}, .type = ElementType::int64, .chunk_rows = 64});
  EXPECT_THAT(classes.chunk(), ElementsAre(5, 2));
  classes.write_rows(3, 2, std::vector<std::int64_t>{7, 8, 9, 1L << 40});
  classes.write_rows(0, 3, std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
  file.close();
  std::vector<std::int64_t> back(10);
  Hdf5File::open(place).dataset("classes").read_rows(0, 5, std::span(back));
  EXPECT_THAT(back, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 1L << 40));
}

TEST_F(Hdf5FileTest, WritesChunksThatTheCallerFiltered) {
  const std::string place = path("chunks.h5");
  Hdf5File file = Hdf5File::create(place);
  Hdf5Dataset images = file.create_dataset(
      "imgs", {.shape = {5, 2}, .chunk_rows = 4});  // no filter: the bytes are stored as they are
  images.write_chunk(0, std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6, 7, 8});
  images.write_chunk(4, std::vector<std::uint8_t>{9, 10, 0, 0, 0, 0, 0, 0});
  EXPECT_THROW(images.write_chunk(2, std::vector<std::uint8_t>(8)), base::Failure);
  EXPECT_THROW(images.write_chunk(8, std::vector<std::uint8_t>(8)), base::Failure);
  file.close();
  std::vector<std::uint8_t> back(10);
  Hdf5File::open(place).dataset("imgs").read_rows(0, 5, std::span(back));
  EXPECT_THAT(back, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
}

TEST_F(Hdf5FileTest, WritesChunksAlongEveryAxis) {
  const std::string place = path("chunks.h5");
  Hdf5File file = Hdf5File::create(place);
  Hdf5Dataset fields = file.create_dataset("fields", {.shape = {2, 3}, .chunk = {1, 2}});
  EXPECT_THAT(fields.chunk(), ElementsAre(1, 2));
  const auto write = [&](std::vector<std::int64_t> corner, std::vector<std::uint8_t> bytes) {
    fields.write_chunk(corner, bytes);
  };
  write({0, 0}, {1, 2});
  write({0, 2}, {3, 0});
  write({1, 0}, {4, 5});
  write({1, 2}, {6, 0});
  EXPECT_THROW(write({0, 1}, {1, 2}), base::Failure);
  EXPECT_THROW(write({0, 4}, {1, 2}), base::Failure);
  EXPECT_THROW(write({0}, {1, 2}), base::Failure);
  file.close();
  std::vector<std::uint8_t> back(6);
  Hdf5File::open(place).dataset("fields").read_rows(0, 2, std::span(back));
  EXPECT_THAT(back, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(Hdf5FileTest, KeepsAttributesOfFilesGroupsAndDatasets) {
  const std::string place = path("typed.h5");
  Hdf5File file = Hdf5File::create(place);
  file.create_dataset("group/data", {.shape = {1}});
  file.set_attribute("/", "count", std::int64_t{1} << 40);
  file.set_attribute("/", "count", std::int64_t{7});
  file.set_attribute("/", "name", "a µ");
  file.set_attribute("group", "names", std::vector<std::string>{"x", "y"});
  file.set_attribute("new/inner", "scale", 0.25);
  file.set_attribute("new/inner", "none", std::vector<std::string>{});
  file.set_attribute("group/data", "numbers", std::vector<double>{1.5, -2.0});
  file.set_attribute("group/data", "flag", true);
  file.set_attribute("group/data", "flags", std::vector<bool>{true, false, true});
  file.close();
  const Hdf5File opened = Hdf5File::open(place);
  EXPECT_THAT(opened.number_list_attribute("/", "count"), ElementsAre(7.0));
  EXPECT_EQ(opened.text_attribute("/", "name"), "a µ");
  EXPECT_EQ(opened.text_attribute("group", "names"), "x");
  EXPECT_THAT(opened.number_list_attribute("new/inner", "scale"), ElementsAre(0.25));
  EXPECT_EQ(opened.text_attribute("new/inner", "none"), "");
  const Hdf5Dataset data = opened.dataset("group/data");
  EXPECT_THAT(data.number_list_attribute("numbers"), ElementsAre(1.5, -2.0));
  EXPECT_EQ(data.number_attribute("flag"), 1.0);
  EXPECT_THAT(data.number_list_attribute("flags"), ElementsAre(1.0, 0.0, 1.0));
}

TEST_F(Hdf5FileTest, KeepsTextAttributes) {
  const std::string place = path("attributes.h5");
  Hdf5File file = Hdf5File::create(place);
  Hdf5Dataset data = file.create_dataset("data", {.shape = {1}});
  data.set_attribute("scale", std::string("0-1"));
  data.set_attribute("scale", std::string("0-255 µ"));
  data.set_attribute("names", std::vector<std::string>{"shape", "", "colour"});
  file.close();
  const Hdf5File opened = Hdf5File::open(place);
  EXPECT_EQ(opened.dataset("data").text_attribute("scale"), "0-255 µ");
  EXPECT_THAT(opened.dataset("data").text_list_attribute("names"),
              ElementsAre("shape", "", "colour"));
  EXPECT_EQ(opened.dataset("data").text_attribute("absent"), "");
  EXPECT_THAT(opened.dataset("data").text_list_attribute("absent"), IsEmpty());
}

TEST_F(Hdf5FileTest, EqualContentMakesEqualBytes) {
  const auto bytes_of = [](const std::string& place) {
    std::ifstream stream(place, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  const std::string first = bytes_of(make_file());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5's time stamps count seconds
  EXPECT_TRUE(first == bytes_of(make_file()));
}

TEST_F(Hdf5FileTest, ListsAllDatasets) {
  EXPECT_THAT(Hdf5File::open(make_file()).dataset_paths(), ElementsAre("imgs", "latents/values"));
}

TEST_F(Hdf5FileTest, ADatasetKeepsItsFileOpen) {
  const Hdf5Dataset images = Hdf5File::open(make_file()).dataset("imgs");
  std::vector<std::uint8_t> pixels(4);
  images.read_rows(5, 1, std::span(pixels));
  EXPECT_THAT(pixels, ElementsAre(20, 21, 22, 23));
}

TEST_F(Hdf5FileTest, ClosingOneOpenFileLeavesAnotherOfTheSameNameOpen) {
  const std::string place = make_file();
  Hdf5File one = Hdf5File::open(place);
  const Hdf5Dataset of_one = one.dataset("imgs"), of_other = Hdf5File::open(place).dataset("imgs");
  one.close();
  std::vector<std::uint8_t> pixels(4);
  of_other.read_rows(0, 1, std::span(pixels));
  EXPECT_THAT(pixels, ElementsAre(0, 1, 2, 3));
  EXPECT_THROW(of_one.read_rows(0, 1, std::span(pixels)), base::Failure);
  EXPECT_THROW(one.dataset("imgs"), base::Failure);
}

TEST_F(Hdf5FileTest, MayBeReadFromSeveralThreads) {
  const Hdf5File file = Hdf5File::open(make_file());
  std::vector<int> wrong(4, 0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) {
          const std::int64_t row = (i + t) % 6;
          std::vector<std::uint8_t> pixels(4);
          file.dataset("imgs").read_rows(row, 1, std::span(pixels));
          wrong[static_cast<std::size_t>(t)] += pixels[0] != 4 * row;
        }
      });
  }
  EXPECT_THAT(wrong, Each(0));
}

TEST_F(Hdf5FileTest, AnAbsentDatasetIsAnsweredWithThosePresent) {
  const Hdf5File file = Hdf5File::open(make_file());
  EXPECT_THAT(error_of([&] { file.dataset("images"); }),
              AllOf(HasSubstr("made.h5"), HasSubstr("no dataset 'images'"),
                    HasSubstr("'imgs', 'latents/values'")));
  EXPECT_THAT(error_of([&] { file.dataset("latents"); }),
              HasSubstr("no dataset 'latents'; it has 'imgs'"));
  EXPECT_THAT(error_of([&] { file.dataset(""); }), HasSubstr("no dataset ''"));
  const std::string place = path("empty.h5");
  Hdf5File::create(place).close();
  EXPECT_THAT(error_of([&] { Hdf5File::open(place).dataset("imgs"); }),
              HasSubstr("no other dataset"));
}

TEST_F(Hdf5FileTest, RowsOutOfRangeAreRefusedWithTheDatasetsName) {
  const Hdf5Dataset images = Hdf5File::open(make_file()).dataset("imgs");
  std::vector<std::uint8_t> pixels(8);
  EXPECT_THAT(
      error_of([&] { images.read_rows(5, 2, std::span(pixels)); }),
      AllOf(HasSubstr("made.h5"), HasSubstr("'imgs'"), HasSubstr("6 rows"), HasSubstr("5 to 7")));
  EXPECT_THROW(images.read_rows(-1, 2, std::span(pixels)), base::BadInput);
  EXPECT_THROW(images.read_rows(0, 1, std::span(pixels)),
               base::Failure);  // the buffer holds two rows
}

TEST_F(Hdf5FileTest, SaysWhyAFileCannotBeOpened) {
  EXPECT_THAT(error_of([&] { Hdf5File::open(path("absent.h5")); }),
              AllOf(HasSubstr("absent.h5"), HasSubstr("No such file")));
  EXPECT_THAT(error_of([&] { Hdf5File::open(path("")); }), HasSubstr("is a directory"));
  EXPECT_THAT(error_of([&] { Hdf5File::create(path("absent/made.h5")); }),
              AllOf(HasSubstr("made.h5"), HasSubstr("No such file")));

  std::ofstream(path("notes.txt")) << "These are no images, whatever the name.\n";
  EXPECT_THAT(error_of([&] { Hdf5File::open(path("notes.txt")); }),
              AllOf(HasSubstr("notes.txt"), HasSubstr("not an HDF5 file")));
  std::ofstream(path("nothing.h5")) << "";
  EXPECT_THAT(error_of([&] { Hdf5File::open(path("nothing.h5")); }), HasSubstr("not an HDF5 file"));

  const std::string place = make_file();
  std::filesystem::resize_file(place, std::filesystem::file_size(place) - 100);
  EXPECT_THAT(error_of([&] { Hdf5File::open(place); }),
              AllOf(HasSubstr(place), HasSubstr("truncated"), HasSubstr("again")));
}

TEST_F(Hdf5FileTest, ADamagedChunkIsReportedWhereItIs) {
  const std::string place = path("damaged.h5");
  Hdf5File file = Hdf5File::create(place);
  Hdf5Dataset images =
      file.create_dataset("imgs", {.shape = {8, 2}, .chunk_rows = 4, .deflate_level = 4});
  images.write_rows(0, 8, std::vector<std::uint8_t>(16, 1));
  images.write_chunk(4, std::vector<std::uint8_t>{1, 2, 3, 4});  // no zlib stream
  file.close();
  const Hdf5Dataset opened = Hdf5File::open(place).dataset("imgs");
  std::vector<std::uint8_t> pixels(8);
  opened.read_rows(0, 4, std::span(pixels));
  EXPECT_THAT(pixels, Each(1));
  try {
    opened.read_rows(4, 4, std::span(pixels));
    FAIL() << "a damaged chunk was read";
  } catch (const base::Failure& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("damaged.h5"), HasSubstr("'imgs'"),
                                    HasSubstr("rows 4 to 8"), HasSubstr("inflate")));
  }
}

TEST_F(Hdf5FileTest, PrintsNothingByItself) {
  testing::internal::CaptureStderr();
  error_of([&] { Hdf5File::open(path("absent.h5")); });
  error_of([&] { Hdf5File::open(make_file()).dataset("images"); });
  std::jthread([&] { error_of([&] { Hdf5File::open(make_file()).dataset("images"); }); }).join();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace vae_dist::hdf5
