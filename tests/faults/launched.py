"""Starts the real launcher with the real program in a temporary folder, and finds its processes.

The tests of this folder inject faults into real processes with real signals, at times drawn from a printed seed. The same seed
(VAE_DIST_FAULT_SEED) draws the same times again. Helpers come from tests/process."""
import json
import os
import random
import re
import subprocess
import sys
import uuid

import runs
from deadline import HANGS_S
from ranks import is_alive, ranks_of, signal_all

LAUNCHER = runs.SOURCE / "launcher" / "vae_launch"

# Steps take about 20 ms, long enough for signals to hit one. An epoch of shapes.h5 has 5 steps.
STEPS = ["model.hidden_dims=[32, 64]", "train.global_batch=40", "checkpoint.every_steps=10"]


def drawn(name):
    """Returns a random generator for a test and prints its seed."""
    seed = os.environ.get("VAE_DIST_FAULT_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"{name}: VAE_DIST_FAULT_SEED={seed}", file=sys.stderr, flush=True)
    return random.Random(f"{name} {seed}")


def times(usually, long):
    """The number of faults to inject; `long` applies in the long run (run.sh)."""
    return long if os.environ.get("VAE_DIST_FAULT_LONG") else usually


def record(fault, injected, outcome, steps_lost=None, seconds=()):
    """Records a row of the README's table for run.sh. `steps_lost`: the largest number of repeated steps; `seconds`: each recovery time."""
    file = os.environ.get("VAE_DIST_FAULT_RECORDS")
    if file:
        with open(file, "a") as records:
            records.write(json.dumps({"fault": fault, "injected": injected, "outcome": outcome, "steps_lost": steps_lost, "seconds": [round(s, 2) for s in seconds]}) + "\n")


class Launched(runs.RunFolder):
    """A test case with launchers."""

    def launch(self, name, *overrides, np=None, options=(), program=runs.BINARY, environment=None, around=(), settings=None, rank_program=runs.BINARY):
        """Starts vae_launch for run `name`. The returned Popen has .ranks() and .said(); all processes are killed after the test. `around`: a command prefix."""
        marker = f"VAE_DIST_TEST_RUN={uuid.uuid4()}"
        said = self.folder / f"said_{uuid.uuid4()}.txt"
        words = [*around, str(LAUNCHER), "--program", str(program), *(["--np", str(np)] if np else []), *map(str, options), "--", "--config", "run.yaml",
                 f"run.name={name}", *runs.SMALL, *(STEPS if settings is None else settings), *overrides]
        with open(said, "w") as output:
            process = subprocess.Popen(words, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                       env={**os.environ, **dict([marker.split("=")]), **(environment or {})})
        process.ranks = lambda: ranks_of(rank_program, marker)
        process.said = said.read_text
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        signal_all(process.ranks().values())
        runs.end_process(process)

    def launched(self, name, *overrides, timeout=HANGS_S, **options):
        """Like launch(), but waits for the end. Returns (exit code, output)."""
        process = self.launch(name, *overrides, **options)
        try:
            process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.fail(f"no end within {timeout} s:\n{process.said()}")
        return process.returncode, process.said()

    def wait_for_end(self, process, seconds=HANGS_S):
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.fail(f"no end within {seconds} s:\n{process.said()}")
        return process.returncode

    def last_step(self, name):
        """The last step in the run's log, or 0."""
        try:
            lines = (self.run_path(name) / "metrics.jsonl").read_text().splitlines()
        except OSError:
            return 0
        found = [re.match(r'\{"step":(\d+),', line.replace(" ", "")) for line in lines]
        return max((int(match[1]) for match in found if match), default=0)

    def wait_for_step(self, process, name, step, seconds=HANGS_S):
        self.wait_until(lambda: process.poll() is not None or self.last_step(name) >= step, seconds, f"step {step}")
        self.assertIsNone(process.poll(), f"the run ended before step {step}:\n{process.said()}" if process.poll() is not None else "")

    def starts(self, process):
        """How many times the launcher has started the ranks."""
        return process.said().count("vae_launch: mpirun ")

    def checkpoints(self, name):
        """Steps of the complete checkpoints."""
        folder = self.run_path(name) / "checkpoints"
        return sorted(int(path.parent.name[5:]) for path in folder.glob("step_*/manifest.json") if path.parent.name[5:].isdigit())

    def weights(self, name, step=None):
        return [(self.checkpoint(name, step) / file).read_bytes() for file in ("weights.safetensors", "optimizer.safetensors")]

    def wait_until_gone(self, pids, seconds=HANGS_S):
        self.wait_until(lambda: not any(is_alive(pid) for pid in pids), seconds, "the end of all ranks")

