"""Wrong input is refused before the first step: told once, with the place and the remedy, exit code 2, nothing overwritten."""
import contextlib
import pathlib
import re
import shutil
import unittest

import h5py
import numpy

from comparing import file_hashes
from runs import RunFolder

# What mpirun adds when a rank's exit code is not 0.
MPIRUN_BLOCK = re.compile(r"^-{20,}\n.*?^-{20,}\n", re.DOTALL | re.MULTILINE)
WHOLE_PROCESS_S = 20  # ranks leave within 5 s of their start; starting them takes its time on a busy machine


def machine_has_gpu():
    return pathlib.Path("/dev/nvidia0").exists()


class WrongInput(RunFolder):
    """All at -np 2, beside a finished run `kept` of 6 steps with checkpoints of steps 3 and 6."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("kept", "train.steps=6", "checkpoint.every_steps=3", np=2)
        with h5py.File(cls.folder / "various.h5", "w") as file:
            file["labels"] = numpy.arange(200)
            file["flat"] = numpy.zeros((200, 256), numpy.uint8)
            file["floats"] = numpy.zeros((200, 16, 16), numpy.float32)
            file["first"] = numpy.ones((200, 16, 16), numpy.uint8)

    def assert_refused(self, *arguments, says, program="train", **options):
        """Runs at -np 2; `says` are texts of the message, the first of which must occur once."""
        before = file_hashes(self.folder)
        done = self.program(program, *arguments, np=2, **options)
        said = MPIRUN_BLOCK.sub("", done.stderr).strip()
        self.assertEqual(done.returncode, 2, said)
        for text in says:
            self.assertIn(text, said)
        self.assertEqual(said.count(says[0]), 1, said)
        self.assertTrue(said.startswith("vae_dist: "), said)
        self.assertNotIn("\n\n", said, "one paragraph")
        self.assertEqual(done.stdout.strip(), "")
        self.assertLess(done.seconds, WHOLE_PROCESS_S)
        self.assertEqual(file_hashes(self.folder), before, "something was written")

    def assert_training_refused(self, *overrides, says, config="run.yaml", name="new", **options):
        defaults = [] if config != "run.yaml" else [f"run.name={name}"]
        self.assert_refused("--config", config, *defaults, *self.small(), *overrides, says=says, **options)

    @staticmethod
    def small():
        from runs import SMALL
        return SMALL + ["train.steps=6"]
