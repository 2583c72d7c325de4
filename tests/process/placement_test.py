"""The start table shows where ranks run, and the program warns about a rank that is bound to too few cores."""
import os
import re
import subprocess
import sys
import unittest

from deadline import HANGS_S
from runs import BINARY, SMALL, RunFolder

CORES = sorted(os.sched_getaffinity(0))


class Placement(RunFolder):
    def start_of(self, *launcher):
        done = subprocess.run([*launcher, BINARY, "train", "--config", "run.yaml", "--dry-run", *SMALL, "distributed.threads_per_rank=auto"], cwd=self.folder, text=True, capture_output=True, timeout=HANGS_S,
                              stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_ranks_that_may_run_on_all_cores_are_said_once(self):
        for np in (1, 2):
            said = self.start_of("mpirun", "--oversubscribe", "--bind-to", "none", "-np", str(np))
            # "cores 0-1 (NUMA node 0)", with the kernel's numbering
            self.assertRegex(said, rf"(?m)^  runs on  +cores? {CORES[0]}\b")
            self.assertEqual(said.count("NUMA node"), 1 if os.path.isdir("/sys/devices/system/node/node0") else 0)
            self.assertNotIn("warning: rank", said)

    def test_a_rank_that_is_bound_to_a_core_of_several_is_warned_of(self):
        launcher = ["mpirun", "--bind-to", "core", "-np", "1"]
        # A core may have several hardware threads, which the kernel counts as cores.
        told = subprocess.run([*launcher, sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"], text=True, capture_output=True, timeout=HANGS_S, check=True)
        bound = int(told.stdout)
        said = self.start_of(*launcher)
        self.assertRegex(said, r"(?m)^  runs on  +cores? \d+")
        warning = rf"warning: rank 0 is bound to {bound} cores? of the {len(CORES)} that this job has on the node for 1 rank\. .* mpirun --map-by slot:PE={len(CORES)} "
        self.assertEqual(bool(re.search(warning, said)), 2 * bound <= len(CORES), said)


if __name__ == "__main__":
    unittest.main()
