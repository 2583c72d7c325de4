#include "comm/nccl_log.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

namespace vae_dist::comm {
namespace {

// Lines in the format of NCCL 2.28's sources (src/transport/p2p.cc, shm.cc, net.cc, net_ib,
// net_socket.cc).
constexpr char kTwoNodes[] =
    R"(a:1:1 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/RoCE [RO]; OOB eth0:10.0.0.1<0>
a:1:1 [0] NCCL INFO Using network IB
a:1:1 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM/read
a:1:1 [0] NCCL INFO Channel 01/0 : 0[0] -> 1[1] via P2P/CUMEM/read
a:1:1 [0] NCCL INFO Channel 00/0 : 9[1] -> 0[0] [receive] via NET/IB/1/GDRDMA
a:1:1 [0] NCCL INFO Channel 00/0 : 0[0] -> 8[0] [send] via NET/IB/0(1)/GDRDMA(PCI)/Shared
a:1:1 [0] NCCL INFO Connected all rings
)";

TEST(NcclTransport, IsToldOnceAKind) {
  EXPECT_EQ(nccl_transport_in(kTwoNodes),
            "NET/IB over mlx5_0 (GDRDMA), NET/IB over mlx5_1 (GDRDMA), P2P/CUMEM");
}

TEST(NcclTransport, KnowsSharedMemoryAndSockets) {
  EXPECT_EQ(nccl_transport_in("NCCL INFO Channel 00 : 0[0] -> 1[0] via SHM/direct/direct\n"),
            "SHM");
  EXPECT_EQ(nccl_transport_in("NCCL INFO NET/Socket : Using [0]eth0:10.0.0.1<0>\nNCCL INFO Channel "
                              "00/0 : 0[0] -> 1[0] [send] via NET/Socket/0\n"),
            "NET/Socket over eth0");
  EXPECT_EQ(
      nccl_transport_in("NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/AWS Libfabric/2\n"),
      "NET/AWS Libfabric over device 2");
  EXPECT_EQ(nccl_transport_in("NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/direct pointer\n"),
            "P2P/direct pointer");
}

TEST(NcclTransport, IsUnknownBeforeTheFirstCollective) {
  EXPECT_EQ(nccl_transport_in("NCCL INFO Bootstrap: Using eth0:10.0.0.1<0>\n"), "");
}

TEST(NcclWarnings, AreTheLinesThatWarn) {
  EXPECT_EQ(
      nccl_warnings_in("a:1:1 [0] NCCL INFO Using network IB\n\n[2026-01-01 00:00:00] a:1:1 [0] "
                       "transport/net_ib.cc:10 (ncclIb) NCCL WARN Call to ibv_x failed\n"),
      "NCCL WARN Call to ibv_x failed\n");
  EXPECT_EQ(nccl_warnings_in("all is well\n"), "");
}

TEST(NcclLog, IsWhatIsWrittenIntoTheFileThatTheEnvironmentNames) {
  for (const char* name : {"NCCL_DEBUG", "NCCL_DEBUG_SUBSYS", "NCCL_DEBUG_FILE"}) ::unsetenv(name);
  ::setenv("NCCL_DEBUG", "WARN", 1);
  keep_nccl_log();
  EXPECT_EQ(std::getenv("NCCL_DEBUG_FILE"), nullptr) << "the user's setting must stay unchanged";
  ::unsetenv("NCCL_DEBUG");
  keep_nccl_log();
  ASSERT_NE(std::getenv("NCCL_DEBUG_FILE"), nullptr);
  EXPECT_STREQ(std::getenv("NCCL_DEBUG"), "INFO");
  EXPECT_EQ(nccl_log(), "");
  std::FILE* const file = std::fopen(std::getenv("NCCL_DEBUG_FILE"), "w");  // as NCCL does
  ASSERT_NE(file, nullptr);
  std::fputs("one\n", file);
  std::fflush(file);
  EXPECT_EQ(nccl_log(), "one\n");
  std::fputs("two\n", file);
  std::fclose(file);
  EXPECT_EQ(nccl_log(), "one\ntwo\n");
}

}  // namespace
}  // namespace vae_dist::comm
