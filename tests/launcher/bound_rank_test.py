"""Tests of the wrapper that becomes the program: the driver's list of GPUs (from a fake nvidia-smi), the binding, and the environment variables."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from deadline import HANGS_S
from supervise import command, gpus

LISTED = "GPU-11aa, 00000000:1B:00.0\nGPU-22bb, 00000000:43:00.0\nGPU-33cc, 00000001:9A:00.0\n"
SAYS_WHAT_IT_IS = "import json, os; print(json.dumps([sorted(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'], os.environ['CUDA_DEVICE_ORDER']]))"


class Machine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def install_gpus(self, listed=LISTED, code=0):
        tool = self.folder / "nvidia-smi"
        (self.folder / "listed").write_text(listed)
        tool.write_text(f"#!/bin/sh\ncat {self.folder}/listed\nexit {code}\n")
        tool.chmod(0o755)
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}


class Gpus(Machine):
    def test_are_found_by_the_kernels_names(self):
        with mock.patch.dict(os.environ, self.install_gpus()):
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
            self.assertEqual(gpus.gpu_bus_ids(), ["0000:1b:00.0", "0000:43:00.0", "0001:9a:00.0"])
        with mock.patch.dict(os.environ, {**self.install_gpus(), "CUDA_VISIBLE_DEVICES": "2,0"}):
            self.assertEqual(gpus.gpu_bus_ids(), ["0001:9a:00.0", "0000:1b:00.0"])

    def test_are_none_where_the_program_is_kept_from_them(self):
        with mock.patch.dict(os.environ, {**self.install_gpus(), "VAE_DIST_DEVICE": "cpu"}):
            self.assertEqual(gpus.gpu_bus_ids(), [])

    def test_a_driver_that_fails_has_none(self):
        with mock.patch.dict(os.environ, self.install_gpus("No devices were found", 6)):
            self.assertEqual(gpus.gpu_bus_ids(), [])

    def test_the_cores_beside_one_are_those_of_its_numa_node(self):
        device = self.folder / "bus/pci/devices/0000:1b:00.0"
        device.mkdir(parents=True)
        (device / "local_cpulist").write_text("0-3,8-11\n")
        with mock.patch.object(gpus, "SYSTEM", self.folder):
            self.assertEqual(gpus.cores_beside("0000:1b:00.0"), [0, 1, 2, 3, 8, 9, 10, 11])
            self.assertEqual(gpus.cores_beside("0000:43:00.0"), [])

    def test_numa_nodes_are_in_order_and_those_without_cores_left_out(self):
        for number, cores in ((0, "0-1"), (1, ""), (2, "2-3"), (10, "4")):
            node = self.folder / f"devices/system/node/node{number}"
            node.mkdir(parents=True)
            (node / "cpulist").write_text(cores + "\n")
        with mock.patch.object(gpus, "SYSTEM", self.folder):
            self.assertEqual(gpus.numa_nodes(), [[0, 1], [2, 3], [4]])


class BoundRank(Machine):
    def start(self, rank, size, **environment):
        done = subprocess.run([command.BOUND_RANK, sys.executable, "-c", SAYS_WHAT_IT_IS], capture_output=True, text=True, timeout=HANGS_S, check=True,
                              env={**os.environ, "OMPI_COMM_WORLD_LOCAL_RANK": str(rank), "OMPI_COMM_WORLD_LOCAL_SIZE": str(size), **environment})
        return json.loads(done.stdout)

    def test_is_the_program_on_cores_of_the_job_alone(self):
        allowed = os.sched_getaffinity(0)
        for size in (1, 2, len(allowed), 3 * len(allowed)):
            for rank in range(size):
                cores, threads, order = self.start(rank, size)
                self.assertTrue(cores and set(cores) <= allowed)
                self.assertGreaterEqual(int(threads), 1)
                self.assertEqual(order, "PCI_BUS_ID")

    def test_under_srun_leaves_a_rank_the_cores_that_slurm_gave_it(self):
        allowed = os.sched_getaffinity(0)
        done = subprocess.run([command.BOUND_RANK, sys.executable, "-c", SAYS_WHAT_IT_IS], capture_output=True, text=True, timeout=HANGS_S, check=True,
                              env={**{name: value for name, value in os.environ.items() if not name.startswith("OMPI_")},
                                   "SLURM_LOCALID": "1", "SLURM_NODEID": "0", "SLURM_STEP_TASKS_PER_NODE": "2"})
        cores, _, order = json.loads(done.stdout)
        self.assertTrue(cores and set(cores) <= allowed)
        self.assertEqual(order, "PCI_BUS_ID")

    def test_runs_unbound_where_the_launcher_tells_no_place(self):
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "SLURM_"))}
        for environment in (bare, {**bare, "SLURM_LOCALID": "3", "SLURM_NODEID": "5", "SLURM_STEP_TASKS_PER_NODE": "4(x2)"}):
            done = subprocess.run([command.BOUND_RANK, sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"], capture_output=True, text=True,
                                  timeout=HANGS_S, check=True, env=environment)
            self.assertEqual(int(done.stdout), len(os.sched_getaffinity(0)))

    def test_what_the_user_set_stays(self):
        self.assertEqual(self.start(0, 1, OMP_NUM_THREADS="3", CUDA_DEVICE_ORDER="FASTEST_FIRST")[1:], ["3", "FASTEST_FIRST"])


if __name__ == "__main__":
    unittest.main()
