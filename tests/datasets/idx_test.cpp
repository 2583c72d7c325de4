#include "datasets/idx.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <numeric>

#include "../temporary_folder.hpp"
#include "hdf5/file.hpp"

namespace vae_dist::datasets {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string header(const std::vector<std::uint32_t>& sizes, char type = 8) {
  std::string out = {0, 0, type, static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 0xff);
  return out;
}

class ImportIdx : public TemporaryFolderTest {
 protected:
  // 5 images of 3x2 with the values 0 to 29, and the labels 4 to 0.
  const std::string kImages = header({5, 3, 2}) + counting(30),
                    kLabels = header({5}) + std::string({4, 3, 2, 1, 0});

  static std::string counting(std::size_t bytes) {
    std::string out(bytes, '\0');
    std::iota(out.begin(), out.end(), '\0');
    return out;
  }

  std::string plain(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

  std::string gzipped(const std::string& name, const std::string& bytes) const {
    const gzFile file = gzopen(path(name).c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return path(name);
  }

  // Returns the error for images of this content, and checks that no output file is left.
  std::string refusal_of_images(const std::string& bytes) const {
    const std::string images = plain("images", bytes);
    const std::string message = refusal([&] { import_idx(images, std::nullopt, path("out.h5")); });
    EXPECT_THAT(message, HasSubstr(images));
    EXPECT_THAT(files(), ElementsAre("images"));
    return message;
  }

  void expect_imported() const {
    const hdf5::Hdf5File file = hdf5::Hdf5File::open(path("out.h5"));
    const hdf5::Hdf5Dataset images = file.dataset("imgs"), labels = file.dataset("labels");
    EXPECT_THAT(images.shape(), ElementsAre(5, 3, 2));
    EXPECT_EQ(images.type(), hdf5::ElementType::uint8);
    EXPECT_EQ(images.filters(), "deflate(4)");
    EXPECT_THAT(labels.shape(), ElementsAre(5));
    std::vector<std::uint8_t> pixels(30), digits(5);
    images.read_rows(0, 5, std::span(pixels));
    labels.read_rows(0, 5, std::span(digits));
    EXPECT_EQ(std::string(pixels.begin(), pixels.end()), counting(30));
    EXPECT_THAT(digits, ElementsAre(4, 3, 2, 1, 0));
  }
};

TEST_F(ImportIdx, ReadsPlainFiles) {
  import_idx(plain("images", kImages), plain("labels", kLabels), path("out.h5"));
  expect_imported();
}

TEST_F(ImportIdx, ReadsCompressedFilesWhateverTheirNames) {
  import_idx(gzipped("images.gz", kImages), gzipped("labels", kLabels), path("out.h5"));
  expect_imported();
}

TEST_F(ImportIdx, NeedsNoLabels) {
  import_idx(plain("images", kImages), std::nullopt, path("new/out.h5"));
  EXPECT_THAT(hdf5::Hdf5File::open(path("new/out.h5")).dataset_paths(), ElementsAre("imgs"));
}

TEST_F(ImportIdx, ReadsMoreThanOneBlock) {
  const std::string pixels(700 * 1000, '\7');  // blocks are of 262 images of 1000 bytes
  import_idx(gzipped("images", header({700, 20, 50}) + pixels), std::nullopt, path("out.h5"));
  const hdf5::Hdf5Dataset images = hdf5::Hdf5File::open(path("out.h5")).dataset("imgs");
  std::vector<std::uint8_t> back(pixels.size());
  images.read_rows(0, 700, std::span(back));
  EXPECT_TRUE(std::string(back.begin(), back.end()) == pixels);
}

TEST_F(ImportIdx, RefusesWhatIsNoIdxFile) {
  EXPECT_THAT(refusal_of_images("P5 28 28 255 ..."), HasSubstr("not an IDX file"));
  EXPECT_THAT(refusal_of_images(""), HasSubstr("not an IDX file"));
  EXPECT_THAT(refusal_of_images(std::string(3, '\0')), HasSubstr("not an IDX file"));
}

TEST_F(ImportIdx, RefusesOtherElementTypesAndRanks) {
  EXPECT_THAT(refusal_of_images(header({5, 3, 2}, 0x0d) + counting(120)), HasSubstr("type 13"));
  EXPECT_THAT(refusal_of_images(kLabels),
              AllOf(HasSubstr("1 axes"), HasSubstr("images have 3"), HasSubstr("labels second")));
  EXPECT_THAT(refusal_of_images(header({5, 3, 2, 1}) + counting(30)), HasSubstr("4 axes"));
}

TEST_F(ImportIdx, RefusesFilesThatAreCutShort) {
  EXPECT_THAT(refusal_of_images(kImages.substr(0, 9)), HasSubstr("inside its header"));
  EXPECT_THAT(refusal_of_images(kImages.substr(0, 16)),
              AllOf(HasSubstr("5 rows of 6 bytes"), HasSubstr("0 bytes follow")));
  EXPECT_THAT(refusal_of_images(kImages.substr(0, kImages.size() - 1)),
              HasSubstr("29 bytes follow"));
}

TEST_F(ImportIdx, RefusesCompressedFilesThatAreCutShortOrDamaged) {
  const std::string whole = bytes_of(gzipped("images", kImages));
  for (const std::size_t missing : {1, 8, 20})
    EXPECT_THAT(refusal_of_images(whole.substr(0, whole.size() - missing)), HasSubstr("truncated"))
        << missing;
  std::string damaged = whole;
  damaged[damaged.size() - 8] ^= 1;  // the checksum at the end
  EXPECT_THAT(refusal_of_images(damaged), HasSubstr("data check"));
}

TEST_F(ImportIdx, RefusesFilesThatGoOnAfterTheirEnd) {
  EXPECT_THAT(refusal_of_images(kImages + "x"), HasSubstr("data follows the 5 rows"));
}

TEST_F(ImportIdx, RefusesSizesOfNothingAndBeyondReason) {
  EXPECT_THAT(refusal_of_images(header({0, 28, 28})), HasSubstr("is empty"));
  EXPECT_THAT(refusal_of_images(header({5, 0, 28})), HasSubstr("is empty"));
  EXPECT_THAT(refusal_of_images(header({5, 70000, 28})), HasSubstr("70000"));
  EXPECT_THAT(refusal_of_images(header({5, 0xffff, 0xffff})), HasSubstr("no image is that large"));
  // The header claims 64 PiB. The reader must report missing bytes and not allocate them.
  EXPECT_THAT(refusal_of_images(header({0xffffffff, 0x1000, 0x1000}) + counting(30)),
              HasSubstr("30 bytes follow"));
}

TEST_F(ImportIdx, RefusesLabelsOfAnotherNumber) {
  const std::string images = plain("images", kImages),
                    labels = plain("labels", header({6}) + counting(6));
  EXPECT_THAT(refusal([&] { import_idx(images, labels, path("out.h5")); }),
              AllOf(HasSubstr("5 images"), HasSubstr(labels), HasSubstr("6 labels")));
  EXPECT_THAT(files(), Not(Contains("out.h5")));
}

TEST_F(ImportIdx, ChecksLabelsAsItDoesImages) {
  const std::string images = plain("images", kImages);
  EXPECT_THAT(refusal([&] { import_idx(images, images, path("out.h5")); }),
              HasSubstr("labels have 1"));
  const std::string labels = plain("labels", kLabels.substr(0, kLabels.size() - 2));
  EXPECT_THAT(refusal([&] { import_idx(images, labels, path("out.h5")); }),
              AllOf(HasSubstr(labels), HasSubstr("3 bytes follow")));
  EXPECT_THAT(files(), Not(Contains("out.h5")));
}

TEST_F(ImportIdx, SaysWhyAFileCannotBeRead) {
  EXPECT_THAT(refusal([&] { import_idx(path("absent"), std::nullopt, path("out.h5")); }),
              AllOf(HasSubstr("absent"), HasSubstr("No such file")));
  EXPECT_THAT(refusal([&] { import_idx(path(""), std::nullopt, path("out.h5")); }),
              HasSubstr("directory"));
}

TEST_F(ImportIdx, DoesNotWriteOverLabelsWhoseDatasetWasForgotten) {
  const std::string images = plain("images", kImages), labels = plain("labels", kLabels);
  EXPECT_THAT(refusal([&] { import_idx(images, std::nullopt, labels); }),
              HasSubstr("not an HDF5 file"));
  EXPECT_EQ(bytes_of(labels), kLabels);
}

}  // namespace
}  // namespace vae_dist::datasets
