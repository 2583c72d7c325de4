#include "hdf5/partial_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "../temporary_folder.hpp"

namespace vae_dist::hdf5 {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PartialFileTest : public TemporaryFolderTest {};

TEST_F(PartialFileTest, TakesItsNameAtTheEndOnly) {
  PartialFile partial(path("out.h5"));
  std::ofstream(partial.path()) << "content";
  EXPECT_FALSE(std::filesystem::exists(path("out.h5")));
  partial.commit();
  EXPECT_EQ(bytes_of(path("out.h5")), "content");
  EXPECT_THAT(files(), ElementsAre("out.h5"));
}

TEST_F(PartialFileTest, LeavesNothingWhenItIsGivenUp) {
  {
    PartialFile partial(path("out.h5"));
    std::ofstream(partial.path()) << "content";
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(PartialFileTest, ReplacesHdf5FilesButNoOthers) {
  std::ofstream(path("old.h5"), std::ios::binary) << "\x89HDF\r\n\x1a\n and more";
  PartialFile partial(path("old.h5"));
  std::ofstream(partial.path()) << "new";
  partial.commit();
  EXPECT_EQ(bytes_of(path("old.h5")), "new");

  std::ofstream(path("labels.gz")) << "precious";
  EXPECT_THAT(refusal([&] { PartialFile(path("labels.gz")); }),
              AllOf(HasSubstr("labels.gz"), HasSubstr("not an HDF5 file")));
  EXPECT_EQ(bytes_of(path("labels.gz")), "precious");
}

TEST_F(PartialFileTest, RefusesAPlaceThatCannotBeWritten) {
  std::ofstream(path("file")) << "";
  EXPECT_THAT(refusal([&] { PartialFile(path("file/out.h5")); }), HasSubstr(path("file")));
  EXPECT_THAT(refusal([&] { PartialFile(path("")); }), HasSubstr("is a directory"));
}

}  // namespace
}  // namespace vae_dist::hdf5
