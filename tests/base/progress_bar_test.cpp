#include "base/progress_bar.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace vae_dist::base {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(ProgressBar, PrintsFourLinesWhereThereIsNoTerminal) {
  std::ostringstream out;
  ProgressBar bar("shapes", 200, out, false);
  for (int done = 1; done <= 200; ++done) bar.update(done);
  EXPECT_EQ(out.str(),
            "shapes: 50 of 200\nshapes: 100 of 200\nshapes: 150 of 200\nshapes: 200 of 200\n");
}

TEST(ProgressBar, RedrawsOneLineOnATerminal) {
  std::ostringstream out;
  ProgressBar bar("shapes", 1000, out, true);
  for (int done = 0; done <= 1000; ++done) bar.update(done);
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 101);  // one redraw per percent
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, HasSubstr("\rshapes [===============               ] 500/1000, "));
  EXPECT_THAT(text, EndsWith("] 1000/1000, in 0 s\x1b[K\n"));
}

}  // namespace
}  // namespace vae_dist::base
