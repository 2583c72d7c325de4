#include "datasets/import_images.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../temporary_folder.hpp"
#include "datasets/picture_folder.hpp"
#include "hdf5/file.hpp"
#include "picture_files.hpp"

namespace vae_dist::datasets {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

plot::Picture flat(int height, int width, int channels, int value) {
  return {height, width, channels,
          std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * channels),
                                    static_cast<std::uint8_t>(value))};
}

class ImportImages : public TemporaryFolderTest {
 protected:
  void write(const std::string& name, const Bytes& bytes) const {
    const std::filesystem::path file = path("in/" + name);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  ImportedImages import(const ImportImagesOptions& options = {}) const {
    return import_images(path("in"), path("out.h5"), options);
  }

  // Returns the error for this folder, and checks that no output file is left.
  std::string refusal_of_folder(const ImportImagesOptions& options = {}) const {
    const std::string message = refusal([&] { import(options); });
    EXPECT_THAT(files(), Not(testing::Contains(testing::StartsWith("out.h5"))));
    return message;
  }

  std::vector<std::uint8_t> read(const std::string& dataset) const {
    const hdf5::Hdf5Dataset d = hdf5::Hdf5File::open(path("out.h5")).dataset(dataset);
    std::size_t values = 1;
    for (const std::int64_t size : d.shape()) values *= static_cast<std::size_t>(size);
    std::vector<std::uint8_t> out(values);
    d.read_rows(0, d.shape()[0], std::span(out));
    return out;
  }

  // Returns the first value of each picture, which identifies it.
  std::vector<int> pictures() const {
    const std::vector<std::uint8_t> values = read("imgs");
    const std::size_t count =
        static_cast<std::size_t>(hdf5::Hdf5File::open(path("out.h5")).dataset("imgs").shape()[0]);
    std::vector<int> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(values[i * values.size() / count]);
    return out;
  }

  static ImportImagesOptions grey() {
    ImportImagesOptions options;
    options.fit.grey = true;
    return options;
  }
};

TEST_F(ImportImages, SubFoldersBecomeLabelsInTheOrderOfTheirNames) {
  write("zebra/1.png", png_file(flat(3, 4, 3, 10)));
  write("Ant/b.png", png_file(flat(3, 4, 3, 30)));
  write("Ant/a.PNG", png_file(flat(3, 4, 3, 20)));
  write("Ant/deep/er/x.png", png_file(flat(3, 4, 3, 40)));
  write("zebra/10.png", png_file(flat(3, 4, 3, 60)));
  write("zebra/notes.txt", {'a'});
  write("empty/.hidden.png", {'a'});
  const ImportedImages done = import();
  EXPECT_THAT(done.shape, ElementsAre(5, 3, 4, 3));
  EXPECT_THAT(done.classes, ElementsAre("Ant", "zebra"));
  EXPECT_EQ(done.others, 1);
  EXPECT_EQ(done.first_other, "zebra/notes.txt");
  EXPECT_FALSE(done.all_grey);
  EXPECT_THAT(pictures(), ElementsAre(20, 30, 40, 10, 60));
  EXPECT_THAT(read("labels"), ElementsAre(0, 0, 0, 1, 1));
  EXPECT_THAT(hdf5::Hdf5File::open(path("out.h5")).dataset("labels").text_list_attribute("names"),
              ElementsAre("Ant", "zebra"));
  EXPECT_THAT(files(), UnorderedElementsAre("in", "out.h5"));
}

TEST_F(ImportImages, AFolderWithoutSubFoldersHasNoLabels) {
  write("b.png", png_file(flat(3, 4, 1, 2)));
  write("a.jpg", jpeg_file(flat(3, 4, 1, 1)));
  const ImportedImages done = import(grey());
  EXPECT_THAT(done.shape, ElementsAre(2, 3, 4));
  EXPECT_TRUE(done.all_grey);
  EXPECT_THAT(pictures(), ElementsAre(1, 2));
  EXPECT_THAT(hdf5::Hdf5File::open(path("out.h5")).dataset_paths(), ElementsAre("imgs"));
}

TEST_F(ImportImages, TheFileIsTheSameForEveryNumberOfThreads) {
  for (int i = 0; i < 333; ++i)
    write(base::text("class", i % 3, "/", i, ".png"),
          i % 50 == 7 ? Bytes{1} : png_file(flat(8 + i % 5, 9, 3, i % 256)));
  ImportImagesOptions options;
  options.fit.size = 6;
  options.skip_broken = true;
  std::string first;
  for (const int threads : {1, 2, 7}) {
    options.threads = threads;
    EXPECT_EQ(import(options).skipped.size(), 7u);
    const std::string content = bytes_of(path("out.h5"));
    if (first.empty()) first = content;
    EXPECT_TRUE(content == first) << threads;
  }
}

TEST_F(ImportImages, ManyPicturesKeepTheirPlaces) {
  std::vector<int> expected;
  for (int i = 0; i < 200; ++i) {
    const std::string name = base::text(1000 + i, ".png");
    if (i == 3 || i == 77 || i == 199) {
      write(name, {0x89, 'P', 'N', 'G'});
    } else {
      write(name, png_file(flat(2, 2, 1, i)));
      expected.push_back(i);
    }
  }
  ImportImagesOptions options = grey();
  options.skip_broken = true;
  const ImportedImages done = import(options);
  EXPECT_THAT(done.shape, ElementsAre(197, 2, 2));
  EXPECT_EQ(pictures(), expected);
  EXPECT_THAT(done.skipped, ElementsAre(HasSubstr("1003.png: it is neither"),
                                        HasSubstr("1077.png: "), HasSubstr("1199.png: ")));
}

TEST_F(ImportImages, ABrokenPictureEndsTheImportByName) {
  write("1.png", png_file(flat(2, 2, 3, 1)));
  for (const char* name : {"2.jpg", "3.jpg"}) write(name, {0xff, 0xd8, 0xff, 0xe0, 0, 16});
  EXPECT_THAT(refusal_of_folder(),
              AllOf(HasSubstr("in/2.jpg: it is an unreadable JPEG"), HasSubstr("--on-error skip")));
  std::filesystem::remove(path("in/1.png"));
  EXPECT_THAT(refusal_of_folder(), HasSubstr("in/2.jpg: "));
  ImportImagesOptions skip;
  skip.skip_broken = true;
  EXPECT_THAT(refusal_of_folder(skip),
              AllOf(HasSubstr("none of the 2 pictures"), HasSubstr("2.jpg")));
}

TEST_F(ImportImages, PicturesOfDifferentSizesNeedASize) {
  write("a.png", png_file(flat(4, 6, 3, 1)));
  write("b.png", png_file(flat(6, 4, 3, 2)));
  write("c.png", png_file(flat(5, 5, 3, 3)));
  EXPECT_THAT(refusal_of_folder(),
              AllOf(HasSubstr("b.png has 6x4"), HasSubstr("a.png has 4x6"), HasSubstr("--size")));
  ImportImagesOptions options;
  options.fit.size = 5;
  const ImportedImages done = import(options);
  EXPECT_THAT(done.shape, ElementsAre(3, 5, 5, 3));
  EXPECT_EQ(done.enlarged, 2);
}

TEST_F(ImportImages, FoldersInsideOfFoldersAreToldOrKept) {
  write("cat/indoor/1.png", png_file(flat(2, 2, 1, 1)));
  write("cat/outdoor/0.png", png_file(flat(2, 2, 1, 2)));
  write("dog/all/1.png", png_file(flat(2, 2, 1, 3)));
  const ImportedImages outermost = import(grey());
  EXPECT_THAT(outermost.classes, ElementsAre("cat", "dog"));
  EXPECT_EQ(outermost.merged, "cat/outdoor")
      << "a folder whose pictures are not told apart from others'";
  ImportImagesOptions each = grey();
  each.classes = ClassFolders::each;
  const ImportedImages done = import(each);
  EXPECT_THAT(done.classes, ElementsAre("cat/indoor", "cat/outdoor", "dog/all"));
  EXPECT_THAT(read("labels"), ElementsAre(0, 1, 2));
  EXPECT_THAT(pictures(), ElementsAre(1, 2, 3));
  EXPECT_THAT(done.merged, IsEmpty());
  std::filesystem::remove_all(path("in/cat/outdoor"));
  EXPECT_THAT(import(grey()).merged, IsEmpty())
      << "one folder in a class, as tiny ImageNet has them, loses nothing";
}

TEST_F(ImportImages, RefusesFoldersWithoutPictures) {
  EXPECT_THAT(refusal_of_folder(), HasSubstr("is not a folder"));
  std::filesystem::create_directories(path("in/empty"));
  EXPECT_THAT(refusal_of_folder(), HasSubstr("holds no pictures"));
  write("read.me", {1});
  EXPECT_THAT(refusal_of_folder(), HasSubstr("read.me"));
  EXPECT_THAT(refusal([&] { import_images(path("in/read.me"), path("out.h5"), {}); }),
              HasSubstr("is not a folder"));
}

TEST_F(ImportImages, RefusesPicturesBesideFoldersOfPictures) {
  write("stray.png", png_file(flat(2, 2, 3, 1)));
  write("class/a.png", png_file(flat(2, 2, 3, 1)));
  EXPECT_THAT(refusal_of_folder(), AllOf(HasSubstr("stray.png"), HasSubstr("class"),
                                         HasSubstr("the former have no label")));
}

TEST_F(ImportImages, LinksAreFollowedButNotInCircles) {
  write("real/a.png", png_file(flat(2, 2, 1, 1)));
  std::filesystem::create_directories(path("other"));
  std::filesystem::create_directory_symlink(path("in/real"), path("other/linked"));
  EXPECT_THAT(list_pictures(path("other")).pictures, ElementsAre("linked/a.png"));
  std::filesystem::create_directory_symlink(path("in"), path("in/real/up"));
  EXPECT_THAT(refusal_of_folder(), HasSubstr("real/up"));
}

TEST_F(ImportImages, RefusesAPlaceThatCannotBeWrittenBeforeReadingPictures) {
  write("a.png", {1});
  write("file", {1});
  EXPECT_THAT(refusal([&] { import_images(path("in"), path("in/file"), {}); }),
              HasSubstr("is not an HDF5 file"));
  EXPECT_THAT(refusal([&] { import_images(path("in"), path("in/file/out.h5"), {}); }),
              HasSubstr("in/file"));
}

}  // namespace
}  // namespace vae_dist::datasets
