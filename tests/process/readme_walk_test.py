"""The README's walk: a network in Python, trained by two ranks, looked at in TensorBoard, loaded in Python, exported to ONNX."""
import os
import re
import shlex
import subprocess
import sys
import unittest

import numpy
import onnxruntime
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import package_runs
import runs
from deadline import HANGS_S

HEADING = "## Your own network, and back to Python\n"


def walk():
    text = (runs.SOURCE / "README.md").read_text()
    section = text[text.index(HEADING):]
    return re.search(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[1].splitlines()


class ReadmeWalk(runs.RunFolder):
    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]

    def test_every_step_does_what_it_says(self):
        self.program("data", "make-shapes", "data/shapes.h5", "--count", "704", check=True)
        for name in ("configs", "launcher"):
            (self.folder / name).symlink_to(runs.SOURCE / name)
        (self.folder / "build").symlink_to(os.path.dirname(runs.BINARY))
        # Beside the settings of the walk: a part of the data and few steps. The layers are the script's.
        quick = [*(setting for setting in runs.QUICK if not setting.startswith("model.")), "distributed.device=cpu", "train.steps=4", "log.every_steps=1",
                 "train.schedule.warmup_steps=0", "pictures.every_epochs=0"]
        done = {}
        for line in walk():
            words = shlex.split(line)
            if words[0] == "tensorboard":
                done["tensorboard"] = self.curves()
                continue
            if words[0] == "pip":  # package_runs has done so, into a folder of its own
                self.assertEqual(words[-1], "./launcher/python")
                continue
            if words[0] == "mpirun":
                words = [*runs.mpirun(2, words[3:]), *quick]
            if words[0] == "python":
                words[0] = sys.executable
            made = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=HANGS_S,
                                  env={**os.environ, "PYTHONPATH": os.pathsep.join([package_runs.SITE, os.environ.get("PYTHONPATH", "")])})
            self.assertEqual(made.returncode, 0, f"{line}\n{made.stdout}\n{made.stderr}")
            done[words[1] if words[1] in ("-c", "-m") else words[0]] = made.stdout
        self.assertIn("4, 3, 64, 64", done["-c"].replace("64, 64, 3", "3, 64, 64"))
        numpy.testing.assert_allclose(done["tensorboard"], self.losses("unet"), rtol=1e-6)
        encoder = onnxruntime.InferenceSession(self.folder / "encoder.onnx", providers=["CPUExecutionProvider"])
        self.assertEqual(encoder.get_outputs()[0].shape[1], 32)
        self.assertTrue((self.folder / "decoder.onnx").exists())

    def curves(self):
        events = EventAccumulator(str(self.run_path("unet") / "tensorboard")).Reload()
        return [scalar.value for scalar in events.Scalars("train/loss")]


if __name__ == "__main__":
    unittest.main()
