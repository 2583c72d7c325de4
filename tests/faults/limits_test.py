"""A rank that runs out of memory under a cgroup limit, and a dataset that disappears or changes while it is read."""
import os
import pathlib
import re
import shutil
import signal
import unittest

import h5py
import numpy

from launched import Launched, record

MEMORY = pathlib.Path("/sys/fs/cgroup/memory") if pathlib.Path("/sys/fs/cgroup/memory").is_dir() else pathlib.Path("/sys/fs/cgroup")


class OutOfMemory(Launched):
    def setUp(self):
        self.group = MEMORY / f"vae_dist_test_{os.getpid()}"
        try:
            self.group.mkdir()
            self.limit = next(file for file in (self.group / "memory.limit_in_bytes", self.group / "memory.max") if file.exists())
        except (OSError, StopIteration):
            self.skipTest("not run: this user may not create a cgroup with a memory limit")
        self.addCleanup(self.group.rmdir)

    def test_of_one_rank_is_a_kill_that_the_launcher_names_and_starts_again_after(self):
        program = self.folder / "limited"
        # Rank 1 joins the group in the first start only; the fault then exhausts the group's memory.
        program.write_text(f'''#!/bin/sh
if [ "$OMPI_COMM_WORLD_RANK" = 1 ] && [ "$VAE_DIST_JOB_RESTART" = 0 ]; then echo $$ > "{self.group}/cgroup.procs"; else unset VAE_DIST_FAULT; fi
exec "{os.environ["VAE_DIST_FAULTY"]}" "$@"
''')
        program.chmod(0o755)
        self.limit.write_text(str(1 << 30))
        code, said = self.launched("memory", "train.steps=40", np=2, program=program, rank_program=os.environ["VAE_DIST_FAULTY"], environment={"VAE_DIST_FAULT": "exhaust rank=1 step=15 times=1"})
        self.assertEqual(code, 0, said)
        self.assertIn("process rank 1 with PID", said)
        self.assertRegex(said, r"start 1: .* exit code 3 .*, began with rank 1;")
        self.assertEqual([entry["step"] for entry in self.log("memory") if "loss" in entry], list(range(1, 41)))
        resumed = int(re.search(r"from (\d+) to 40", said)[1])
        record("out of memory in one rank (cgroup limit)", 1, "killed by the system, named, started again", 14 - resumed)


LOST = ("dataset file that vanishes, is cut short or exchanged", 1, "read on while it was open, or ended with its name; the next start was refused")


class LostData(Launched):
    def setUp(self):
        with h5py.File(self.folder / "data.h5", "w") as out:
            out.create_dataset("imgs", data=numpy.random.default_rng(1).integers(0, 256, (400, 16, 16), dtype=numpy.uint8), chunks=(8, 16, 16), compression="gzip")

    STREAMED = ["data.train={file: data.h5, dataset: imgs}", "data.cache=stream", "data.shuffle_window_chunks=4", "train.steps=100000"]

    def test_a_file_that_vanishes_is_read_on_and_missed_at_the_next_start(self):
        process = self.launch("vanished", *self.STREAMED, np=2)
        self.wait_for_step(process, "vanished", 12)
        shutil.move(self.folder / "data.h5", self.folder / "away.h5")
        # The open file remains readable, here for more than an epoch.
        self.wait_for_step(process, "vanished", self.last_step("vanished") + 15)
        os.kill(process.ranks()[1], signal.SIGKILL)
        self.assertEqual(self.wait_for_end(process), 2, process.said())
        self.assertIn("data.h5", process.said().rpartition("vae_launch: mpirun ")[2])
        self.assertEqual(self.starts(process), 2)
        record(*LOST)
        shutil.move(self.folder / "away.h5", self.folder / "data.h5")
        code, said = self.launched("vanished", *self.STREAMED, f"train.steps={self.checkpoints('vanished')[-1] + 3}", np=2)
        self.assertEqual(code, 0, said)

    def test_a_file_that_is_cut_short_ends_the_run_with_its_name(self):
        process = self.launch("cut_short", *self.STREAMED, np=2, options=["--first-pause", 0.1])
        self.wait_for_step(process, "cut_short", 12)
        os.truncate(self.folder / "data.h5", 20000)
        self.assertIn(self.wait_for_end(process), (2, 3), process.said())
        self.assertRegex(process.said(), r"vae_dist: rank \d: .*data.h5")
        record(*LOST)
        # The next start detects the damage before its first step.
        self.assertIn("refused: a restart would not help", process.said())

    def test_other_images_under_the_same_name_are_refused_at_the_next_start(self):
        process = self.launch("changed", *self.STREAMED, np=2)
        self.wait_for_step(process, "changed", 12)
        with h5py.File(self.folder / "new.h5", "w") as out:
            out.create_dataset("imgs", data=numpy.random.default_rng(2).integers(0, 256, (400, 16, 16), dtype=numpy.uint8), chunks=(8, 16, 16), compression="gzip")
        os.replace(self.folder / "new.h5", self.folder / "data.h5")
        os.kill(process.ranks()[0], signal.SIGKILL)
        self.assertEqual(self.wait_for_end(process), 2, process.said())
        self.assertIn("data.train is not the dataset that this run was started with", process.said())
        record(*LOST)


if __name__ == "__main__":
    unittest.main()
