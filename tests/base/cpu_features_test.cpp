#include "base/cpu_features.hpp"

#include <gtest/gtest.h>

namespace vae_dist::base {
namespace {

// Lines as kernels write them.
constexpr char kSkylake[] =
    "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Gold 6138 CPU @ "
    "2.00GHz\nbogomips\t: 4000.00\n"
    "flags\t\t: fpu vme avx2 avx512f avx512dq avx512bw avx512vl\nvmx flags\t: vnmi "
    "amx_bf16\n\nprocessor\t: 1\n";
constexpr char kZen4[] =
    "model name\t: AMD EPYC 9454 48-Core Processor\nflags\t\t: fpu avx512f avx512_bf16 "
    "avx512_vnni\n";
constexpr char kSapphireRapids[] =
    "model name\t: Intel(R) Xeon(R) Platinum 8480+\nflags\t\t: fpu amx_bf16 amx_tile amx_int8\n";
constexpr char kGraviton3[] = "processor\t: 0\nFeatures\t: fp asimd sve i8mm bf16 dgh\n";
constexpr char kGraviton2[] = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes\n";

TEST(CpuFeatures, TellWhetherBfloat16IsMultiplied) {
  for (const char* able : {kZen4, kSapphireRapids, kGraviton3})
    EXPECT_TRUE(multiplies_bfloat16(able)) << able;
  for (const char* unable : {kSkylake, kGraviton2})
    EXPECT_FALSE(multiplies_bfloat16(unable)) << unable;
  EXPECT_TRUE(multiplies_bfloat16("processor\t: 0\ncpu\t\t: POWER9\n"))
      << "the text lists no features";
  EXPECT_TRUE(multiplies_bfloat16(""));
}

TEST(CpuFeatures, NameTheModel) {
  EXPECT_EQ(cpu_model(kZen4), "AMD EPYC 9454 48-Core Processor");
  EXPECT_EQ(cpu_model(kGraviton3), "");
  EXPECT_EQ(cpu_model("no colon\n:\nmodel name\t:\n"), "");
}

}  // namespace
}  // namespace vae_dist::base
