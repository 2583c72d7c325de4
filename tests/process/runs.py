"""Starts the real program, alone or under mpirun, in a temporary folder, and reads its output files.

The tests of this folder are plain unittest files; ctest runs each with
  VAE_DIST_BINARY      the program
  VAE_DIST_PROMETHEUS  a prometheus server (may be empty)
  VAE_DIST_PUSHGATEWAY a prometheus-pushgateway (may be empty)
  VAE_DIST_SOURCE      the checkout
"""
import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
import uuid

from deadline import HANGS_S
from ranks import ranks_of

BINARY = os.environ["VAE_DIST_BINARY"]
SOURCE = pathlib.Path(os.environ["VAE_DIST_SOURCE"])
PROMETHEUS = os.environ.get("VAE_DIST_PROMETHEUS", "")
PUSHGATEWAY = os.environ.get("VAE_DIST_PUSHGATEWAY", "")

# A model and settings so small that 40 steps take a second.
SMALL = [
    "model.hidden_dims=[8, 16]", "model.latent_dim=4", "train.global_batch=16", "log.every_steps=1", "metrics.port=null",
    "pictures.every_epochs=0", "evaluate.every_epochs=0", "checkpoint.every_minutes=0", "distributed.device=cpu",
    "distributed.threads_per_rank=1",
]

# For a shipped configuration that trains on 64x64 shapes: a model and a part of the data that take seconds.
QUICK = ["model.hidden_dims=[4, 8]", "model.latent_dim=4", "data.train.rows=[0, 640]", "data.validation.rows=[640, 704]", "metrics.port=null"]


def small(overrides):
    """SMALL, without the key that a network from Python has no use for."""
    return [setting for setting in SMALL if "model.name=script" not in overrides or not setting.startswith("model.hidden_dims")]


def mpirun(np, command):
    """The command line that starts `command` on np ranks, possibly more than there are cores. With np None, `command` itself."""
    if np is None:
        return command
    return ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", str(np), *command]


def end_process(process):
    """Terminates a process that may still run, and kills it after 20 s."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def patient(seconds):
    """The environment in which mpirun sends its ranks TERM after so many seconds, and KILL after twice that time: otherwise two seconds in which a machine is busy cost the step that
    survivors of a failure save."""
    return {"OMPI_MCA_odls_base_sigkill_timeout": str(seconds)}


class RunFolder(unittest.TestCase):
    """A test case with its own folder, which contains shapes.h5: 200 grey pictures of 16x16."""

    IMAGES = ["--count", "200", "--size", "16", "--channels", "1"]

    @classmethod
    def setUpClass(cls):
        cls._folder = tempfile.TemporaryDirectory(prefix="vae_dist_test_")
        cls.folder = pathlib.Path(cls._folder.name)
        cls.program("data", "make-shapes", "shapes.h5", *cls.IMAGES, check=True)
        cls.write_config("run.yaml")

    @classmethod
    def tearDownClass(cls):
        cls._folder.cleanup()

    @classmethod
    def write_config(cls, name, text=None):
        (cls.folder / name).write_text(text or "run: {name: run}\ndata: {train: {file: shapes.h5, dataset: imgs}}\n")

    @classmethod
    def program(cls, *arguments, np=None, check=False, timeout=HANGS_S, env=None):
        """Runs the program to its end. Returns the CompletedProcess with text output, and with .seconds."""
        started = time.monotonic()
        done = subprocess.run(mpirun(np, [BINARY, *map(str, arguments)]), cwd=cls.folder, text=True, errors="backslashreplace", capture_output=True,
                              timeout=timeout, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)
        done.seconds = time.monotonic() - started
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(done.args)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    @classmethod
    def train(cls, name, *overrides, np=None, config="run.yaml", check=True, **options):
        """Trains the small model as run `name`. `overrides` take precedence over SMALL."""
        return cls.program("train", "--config", config, f"run.name={name}", *small(overrides), *overrides, np=np, check=check, **options)

    @classmethod
    def start(cls, *arguments, np=None, launcher=mpirun, program=BINARY, output=subprocess.PIPE, env=None):
        """Starts the command `launcher(np, command)` and returns its Popen. stdout and stderr are merged, in .stdout or in the file `output`.
        .ranks() returns the ranks' process ids."""
        marker = f"VAE_DIST_TEST_RUN={uuid.uuid4()}"
        process = subprocess.Popen(launcher(np, [program, *map(str, arguments)]), cwd=cls.folder, text=True, stdout=output,
                                   stderr=subprocess.STDOUT, env={**os.environ, **(env or {}), **dict([marker.split("=")])}, stdin=subprocess.DEVNULL)
        process.ranks = lambda: ranks_of(program, marker)
        return process

    @classmethod
    def run_path(cls, name):
        return cls.folder / "runs" / name

    @classmethod
    def log(cls, name):
        """The records of metrics.jsonl."""
        return [json.loads(line) for line in (cls.run_path(name) / "metrics.jsonl").read_text().splitlines()]

    @classmethod
    def steps(cls, name):
        """The records of training steps, by step number."""
        return {record["step"]: record for record in cls.log(name) if "loss" in record}

    @classmethod
    def losses(cls, name):
        return [record["loss"] for _, record in sorted(cls.steps(name).items())]

    @classmethod
    def checkpoint(cls, name, step=None):
        """The directory of the checkpoint of `step`, by default the newest."""
        found = sorted(path for path in (cls.run_path(name) / "checkpoints").glob("step_*") if "." not in path.name)
        return found[-1] if step is None else cls.run_path(name) / "checkpoints" / f"step_{step:08d}"

    def assert_refused(self, cases):
        """Training with the settings of each case ends before the first step, and the message says what the case says."""
        for settings, says in cases:
            with self.subTest(says):
                done = self.train("refused", *settings, "train.steps=2", check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)

    def wait_until(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.05)
        self.fail(f"{what} did not happen within {seconds} s")
