"""CMake finds MPI and HDF5 as installed on clusters, with or without pkg-config."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["VAE_DIST_SOURCE"])

PROJECT = f"""cmake_minimum_required(VERSION 3.22)
project(probe LANGUAGES CXX)
list(APPEND CMAKE_MODULE_PATH "{SOURCE}/cmake")
include(ClusterLibraries)
add_executable(probe probe.cpp)
target_link_libraries(probe PRIVATE external::mpi external::hdf5)
"""
# Prints the versions that it was built with, which also shows that it runs.
PROBE = """#define OMPI_SKIP_MPICXX
#define MPICH_SKIP_MPICXX
#include <hdf5.h>
#include <mpi.h>
#include <cstdio>
int main() {
  int version = 0, part = 0;
  unsigned major = 0, minor = 0, release = 0;
  MPI_Get_version(&version, &part);
  H5get_libversion(&major, &minor, &release);
  return std::printf("MPI %d, HDF5 %u", version, major) < 0;
}
"""
NO_PKG_CONFIG = f"-DPKG_CONFIG_EXECUTABLE={shutil.which('false')}"
NO_MODULES = ["-DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON", "-DCMAKE_DISABLE_FIND_PACKAGE_HDF5=ON"]


class Libraries(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vae_dist_test_")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "CMakeLists.txt").write_text(PROJECT)
        (self.folder / "probe.cpp").write_text(PROBE)

    def cmake(self, *words):
        return subprocess.run(["cmake", *words], cwd=self.folder, text=True, capture_output=True, timeout=300)

    def build_with(self, *settings):
        configured = self.cmake("-S", ".", "-B", "build", *settings)
        self.assertEqual(configured.returncode, 0, configured.stdout + configured.stderr)
        built = self.cmake("--build", "build")
        self.assertEqual(built.returncode, 0, built.stdout + built.stderr)
        ran = subprocess.run([self.folder / "build" / "probe"], text=True, capture_output=True, timeout=60)
        self.assertRegex(ran.stdout, r"^MPI [3-9], HDF5 [12]$")
        return configured.stdout

    def test_they_are_found_where_pkg_config_knows_neither(self):
        said = self.build_with(NO_PKG_CONFIG)
        self.assertNotIn("by pkg-config", said)

    def test_they_are_found_where_cmakes_modules_find_neither(self):
        said = self.build_with(*NO_MODULES)
        self.assertEqual(said.count("by pkg-config"), 2, said)

    def test_where_there_is_none_it_says_what_to_do(self):
        configured = self.cmake("-S", ".", "-B", "build", NO_PKG_CONFIG, *NO_MODULES)
        self.assertNotEqual(configured.returncode, 0)
        self.assertIn("MPI was not found", configured.stderr)
        self.assertIn("MPI_HOME", configured.stderr)


if __name__ == "__main__":
    unittest.main()
