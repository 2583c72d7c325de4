// Cairo and fontconfig keep fonts until the process ends, which a leak checker reports: this frees
// them after the last test.
#include <cairo.h>
#include <fontconfig/fontconfig.h>
#include <gtest/gtest.h>

namespace {

class CairoMemory : public testing::Environment {
  void TearDown() override {
    cairo_debug_reset_static_data();
    FcFini();
  }
};

const testing::Environment* const kCairoMemory = testing::AddGlobalTestEnvironment(new CairoMemory);

}  // namespace
