"""SIGKILL of ranks at random times, repeatedly: the run finishes, loses only the steps after the last checkpoint, and in reproducible mode
ends with the weights of an undisturbed run."""
import os
import re
import signal
import time
import unittest

from deadline import HANGS_S
from launched import Launched, drawn, record, times

RANKS = 4
EVERY = 10
STEPS_A_KILL = 150  # planned steps per kill: five times as far as a start gets before it is killed, since fast ranks go on until the signal comes
# Printed when training begins.
TABLE = re.compile(r"^ *steps  +(?:from (\d+) to )?\d+ \(", re.MULTILINE)
SETTINGS = ["model.hidden_dims=[32, 64]", "train.global_batch=40", "distributed.replicas=4", "distributed.reproducible=true", f"checkpoint.every_steps={EVERY}"]


class KilledRanks(Launched):
    def wait_for_moment(self, process, random, start):
        """Waits for a random moment of a start: usually a number of training steps, so that it does not depend on the machine's speed, else during start-up."""
        if random.random() < 0.2:
            self.wait_until(lambda: process.poll() is not None or len(process.ranks()) == RANKS, HANGS_S, "all ranks")
            deadline = time.monotonic() + random.uniform(0, 1.5)
            while time.monotonic() < deadline and self.resumed_from(process) is None:
                time.sleep(0.02)
        else:
            # When this start logs its first step, it drops the steps after its checkpoint from the log, so wait for the step count only now.
            self.wait_until(lambda: process.poll() is not None or self.resumed_from(process) is not None, HANGS_S, "the start table")
            resumed = self.resumed_from(process) or 0
            goal = min(resumed + random.randrange(1, 3 * EVERY), self.planned)
            self.wait_until(lambda: process.poll() is not None or self.starts(process) > start or self.last_step("killed") >= goal, HANGS_S, f"step {goal}")
            time.sleep(random.uniform(0, 0.2))

    def resumed_from(self, process):
        """The step from which the latest start resumes, or None if it has not printed it yet."""
        found = TABLE.search(process.said().rpartition("vae_launch: mpirun ")[2])
        return int(found[1] or 0) if found else None

    def kill_one(self, process, random):
        """Kills a rank and waits for the next start to train. Returns (steps lost, seconds to recover), or None if there was nothing to kill."""
        start = self.starts(process)
        self.wait_for_moment(process, random, start)
        ranks, saved = process.ranks(), self.checkpoints("killed")
        if not ranks or process.poll() is not None:
            return None
        try:
            os.kill(ranks[random.choice(sorted(ranks))], signal.SIGKILL)
        except ProcessLookupError:
            return None
        killed_at = time.monotonic()
        self.wait_until(lambda: process.poll() is not None or self.starts(process) > start, HANGS_S, "the next start")
        # The log still holds the steps that will be repeated.
        reached = self.last_step("killed")
        self.wait_until(lambda: process.poll() is not None or self.resumed_from(process) is not None, HANGS_S, "its training")
        resumed = self.resumed_from(process)
        self.assertIsNotNone(resumed, process.said())
        self.assertGreaterEqual(resumed, saved[-1] if saved else 0, "no step is lost beyond the last checkpoint")
        return max(0, reached - resumed), time.monotonic() - killed_at

    def without_times(self, name):
        times_of_steps = ("step_seconds", "samples_per_second", "data_wait_seconds", "allreduce_wait_seconds")
        return [{key: value for key, value in entry.items() if key not in times_of_steps} for entry in self.log(name) if "loss" in entry]

    def test_the_weights_are_those_of_an_undisturbed_run(self):
        kills = times(3, 40)
        random = drawn(f"{kills} kills")
        self.planned = STEPS_A_KILL * kills
        self.train("undisturbed", *SETTINGS, f"train.steps={self.planned}", np=RANKS, timeout=times(1, 5) * HANGS_S)

        process = self.launch("killed", f"train.steps={self.planned}", np=RANKS, settings=SETTINGS, options=["--max-restarts", 20, "--first-pause", 0.2])
        self.wait_until(lambda: process.poll() is not None or self.starts(process) == 1, HANGS_S, "the first start")
        lost, seconds = [], []
        while len(lost) < kills and process.poll() is None:
            hit = self.kill_one(process, random)
            if hit:
                lost.append(hit[0])
                seconds.append(hit[1])
        self.assertEqual(self.wait_for_end(process, times(1, 5) * HANGS_S), 0, process.said())
        self.assertEqual(len(lost), kills, process.said())
        # Each step is logged once with the same values, and weights and moments are byte-identical.
        self.assertEqual(self.without_times("killed"), self.without_times("undisturbed"))
        self.assertEqual(self.weights("killed", self.planned), self.weights("undisturbed", self.planned))
        record(f"SIGKILL of one of {RANKS} ranks, at random moments", kills, "started again each time; final weights byte for byte those of an undisturbed run", max(lost), seconds)


if __name__ == "__main__":
    unittest.main()
