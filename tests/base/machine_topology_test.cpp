#include "base/machine_topology.hpp"

#include <gtest/gtest.h>

#include "../temporary_folder.hpp"

namespace vae_dist::base {
namespace {

// A machine with two NUMA nodes, made of files. Node 0 has a GPU and mlx5_1 below one switch, and
// mlx5_0 below another switch of the same root. Node 1 has a GPU whose root has no card, and mlx5_2
// at another root.
class MachineTopology : public TemporaryFolderTest {
 protected:
  void SetUp() override {
    TemporaryFolderTest::SetUp();
    write("devices/system/node/node0/cpulist", "0-7,16-23\n");
    write("devices/system/node/node1/cpulist", "8-15,24-31\n");
    write("devices/system/node/online", "0-1\n");
    add_device("pci0000:17/0000:17:01.0/0000:18:00.0/0000:1b:00.0", 0);
    add_device("pci0000:9a/0000:9a:01.0/0000:9b:00.0", 1);
    add_card("infiniband", "mlx5_0", "pci0000:17/0000:17:05.0/0000:20:00.0", 0);
    add_card("infiniband", "mlx5_1", "pci0000:17/0000:17:01.0/0000:18:00.0/0000:1c:00.0", 0);
    add_card("infiniband", "mlx5_2", "pci0000:ba/0000:ba:01.0/0000:bb:00.0", 1);
    for (const char* card : {"mlx5_0", "mlx5_1", "mlx5_2"})
      write(text("class/infiniband/", card, "/ports/1/state"), "4: ACTIVE\n");
  }

  std::filesystem::path sys() const { return path("sys"); }

  void write(const std::string& name, const std::string& content) {
    std::filesystem::create_directories((sys() / name).parent_path());
    std::ofstream(sys() / name) << content;
  }

  void add_device(const std::filesystem::path& way, int node) {
    write(("devices" / way / "numa_node").string(), text(node, "\n"));
    std::filesystem::create_directories(sys() / "bus/pci/devices");
    std::filesystem::create_directory_symlink(sys() / "devices" / way,
                                              sys() / "bus/pci/devices" / way.filename());
  }

  void add_card(const std::string& kind, const std::string& name, const std::filesystem::path& way,
                int node) {
    add_device(way, node);
    std::filesystem::create_directories(sys() / "class" / kind / name);
    std::filesystem::create_directory_symlink(sys() / "devices" / way,
                                              sys() / "class" / kind / name / "device");
  }
};

TEST_F(MachineTopology, KnowsTheNodesOfCores) {
  EXPECT_EQ(numa_nodes_of({0, 1, 2, 3}, sys()), std::vector<int>{0});
  EXPECT_EQ(numa_nodes_of({7, 8}, sys()), (std::vector<int>{0, 1}));
  EXPECT_EQ(numa_nodes_of({0}, path("nowhere")), std::vector<int>{});
}

TEST_F(MachineTopology, KnowsTheNodeOfAGpuAsCudaWritesItsBusId) {
  EXPECT_EQ(numa_node_of_device("0000:1B:00.0", sys()), 0);
  EXPECT_EQ(numa_node_of_device("0000:9b:00.0", sys()), 1);
  EXPECT_EQ(numa_node_of_device("0000:ff:00.0", sys()), std::nullopt);
  write("devices/pci0000:9a/0000:9a:01.0/0000:9b:00.0/numa_node", "-1\n");
  EXPECT_EQ(numa_node_of_device("0000:9b:00.0", sys()), std::nullopt)
      << "a machine with one node reports -1";
}

TEST_F(MachineTopology, TakesTheCardBelowTheSameSwitch) {
  EXPECT_EQ(nearest_network("0000:1B:00.0", sys()), "mlx5_1");
}

TEST_F(MachineTopology, TakesTheNextOneWhereThatHasNoActivePort) {
  write("class/infiniband/mlx5_1/ports/1/state", "1: DOWN\n");
  EXPECT_EQ(nearest_network("0000:1B:00.0", sys()), "mlx5_0");
}

TEST_F(MachineTopology, TakesACardOfTheNodeWhereNoneSharesTheRoot) {
  EXPECT_EQ(nearest_network("0000:9B:00.0", sys()), "mlx5_2");
}

TEST_F(MachineTopology, TakesAnEthernetCardThatIsUpWhereThereIsNoInfiniBand) {
  std::filesystem::remove_all(sys() / "class/infiniband");
  EXPECT_EQ(nearest_network("0000:1B:00.0", sys()), "");
  add_card("net", "eth0", "pci0000:17/0000:17:07.0/0000:21:00.0", 0);
  write("class/net/eth0/operstate", "down\n");
  write("class/net/lo/operstate", "up\n");
  EXPECT_EQ(nearest_network("0000:1B:00.0", sys()), "")
      << "eth0 is down, and the loopback device is not a card";
  write("class/net/eth0/operstate", "up\n");
  EXPECT_EQ(nearest_network("0000:1B:00.0", sys()), "eth0");
}

TEST_F(MachineTopology, KnowsTheCoresThatAProcessMayUse) {
  std::ofstream(path("status"))
      << "Name:\tmpirun\nCpus_allowed:\tff0f\nCpus_allowed_list:\t0-3,8-15\nMems_allowed:\t1\n";
  EXPECT_EQ(allowed_cores(path("status")).size(), 12U);
  EXPECT_EQ(allowed_cores(path("nothing")), std::vector<int>{});
  EXPECT_FALSE(allowed_cores().empty()) << "this process runs on some core";
}

}  // namespace
}  // namespace vae_dist::base
