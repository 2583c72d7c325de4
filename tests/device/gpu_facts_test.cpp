#include "device/gpu_facts.hpp"

#include <gmock/gmock.h>

namespace vae_dist::device {
namespace {

TEST(NcclSettings, AreThoseOnWhichRanksMustAgree) {
  EXPECT_EQ(common_nccl_settings({"PATH=/bin", "NCCL_PROTO=Simple", "NCCL_HOSTID=a-rank-1",
                                  "NCCL_DEBUG=INFO", "NCCL_SOCKET_IFNAME=lo", "NCCL_ALGO=Ring",
                                  "NCCL_IB_DISABLE=1"}),
            "NCCL_ALGO=Ring, NCCL_IB_DISABLE=1, NCCL_PROTO=Simple");
  EXPECT_EQ(common_nccl_settings({"NCCL_NET_GDR_LEVEL=PHB", "NCCL_NET=Socket", "NCCL_NETWORK=x",
                                  "NCCL_ALGOS=Ring", "XNCCL_ALGO=Ring"}),
            "NCCL_NET=Socket, NCCL_NET_GDR_LEVEL=PHB");
  EXPECT_EQ(common_nccl_settings({"PATH=/bin", "NCCL_DEBUG=INFO"}), "");
}

TEST(NcclSettings, MayHaveEmptyAndOddValues) {
  EXPECT_EQ(common_nccl_settings({"NCCL_ALGO", "NCCL_PROTO=", "NCCL_NET=a=b, c"}),
            "NCCL_ALGO, NCCL_NET=a=b, c, NCCL_PROTO=");
}

TEST(DriverVersion, IsFoundInBothKindsOfText) {
  EXPECT_EQ(driver_version_in("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May "
                              "12 19:39:15 UTC 2024\nGCC version:  gcc version 12.3.0\n"),
            "535.183.01");
  EXPECT_EQ(driver_version_in("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04 "
                              " Release Build  (dvs-builder@U22)\nGCC version:\n"),
            "580.159.04");
  EXPECT_EQ(driver_version_in("GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)"),
            "");
  EXPECT_EQ(driver_version_in(""), "");
}

TEST(CudnnVersion, HadThreeDigitsForMinorAndPatchBeforeNine) {
  EXPECT_EQ(cudnn_version_text(91501), "9.15.1");
  EXPECT_EQ(cudnn_version_text(90000), "9.0.0");
  EXPECT_EQ(cudnn_version_text(8907), "8.9.7");
}

TEST(GpuEnvironment, IsEmptyOnTheCpu) { EXPECT_EQ(gpu_environment_text(c10::kCPU), ""); }

}  // namespace
}  // namespace vae_dist::device
