"""SIGKILL of ranks at any moment, again and again: the run gets to its end, loses nothing beyond the last checkpoint, and in
reproducible mode its weights are those of a run that nothing happened to."""
import os
import re
import signal
import time
import unittest

from launched import Launched, drawn, record, times

RANKS = 4
EVERY = 10
STEPS_A_KILL = 30  # so many more are to be done for each kill
SETTINGS = ["model.hidden_dims=[32, 64]", "train.global_batch=40", "distributed.replicas=4", "distributed.reproducible=true", f"checkpoint.every_steps={EVERY}"]


class KilledRanks(Launched):
    def kill_one(self, process, random):
        """At a random moment after the launcher has started the ranks. Returns (steps lost, when) or None: it was over."""
        starts = self.starts(process)
        self.wait_until(lambda: process.poll() is not None or len(process.ranks()) == RANKS, 120, "all ranks")
        # Most kills are to hit training, some the start.
        in_training = random.random() < 0.8
        if in_training:
            reached = self.last_step("killed")
            self.wait_until(lambda: process.poll() is not None or self.last_step("killed") not in (reached, 0) or self.starts(process) > starts, 120, "a step")
            wait_until = time.monotonic() + random.uniform(0, 2)
        else:
            wait_until = time.monotonic() + random.uniform(0, 1.5)
        while time.monotonic() < wait_until and process.poll() is None:
            time.sleep(0.01)
        ranks = process.ranks()
        if process.poll() is not None or not ranks:
            return None
        victim = random.choice(sorted(ranks))
        saved = self.checkpoints("killed")
        try:
            os.kill(ranks[victim], signal.SIGKILL)
        except ProcessLookupError:
            return None
        return saved[-1] if saved else 0, self.last_step("killed"), time.monotonic(), starts

    def test_the_weights_are_those_of_an_undisturbed_run(self):
        kills = times(3, 40)
        random = drawn(f"{kills} kills")
        planned = STEPS_A_KILL * kills
        self.train("undisturbed", *SETTINGS, f"train.steps={planned}", np=RANKS, timeout=900)

        process = self.launch("killed", f"train.steps={planned}", np=RANKS, settings=SETTINGS, options=["--max-restarts", 10, "--first-pause", 0.5])
        lost, recovered, injected = [], [], 0
        while injected < kills:
            hit = self.kill_one(process, random)
            if process.poll() is not None:
                break
            if not hit:
                continue
            injected += 1
            saved, _, killed_at, starts = hit
            self.wait_until(lambda: process.poll() is not None or self.starts(process) > starts, 120, "the next start")
            # The log still holds the steps that are to be done again: none came after the ranks' end.
            reached = self.last_step("killed")
            # Recovered: the next start has begun to train, from the newest checkpoint.
            pattern = re.compile(rf"^ *steps  +(?:from (\d+) to )?{planned} \(", re.MULTILINE)
            self.wait_until(lambda: process.poll() is not None or len(process.ranks()) == 0 or len(pattern.findall(process.said().rpartition("vae_launch: mpirun ")[2])) > 0, 120, "the start table")
            found = pattern.findall(process.said().rpartition("vae_launch: mpirun ")[2])
            if found:
                resumed = int(found[0] or 0)
                self.assertGreaterEqual(resumed, saved)
                lost.append(max(0, reached - resumed))
                recovered.append(time.monotonic() - killed_at)
        self.assertEqual(self.wait_for_end(process, 300), 0, process.said())
        self.assertEqual(injected, kills, f"it was over after {injected} kills:\n{process.said()}")
        self.assertEqual([entry["step"] for entry in self.log("killed") if "loss" in entry], list(range(1, planned + 1)))
        self.assertEqual(self.weights("killed", planned), self.weights("undisturbed", planned))
        times_of = ("step_seconds", "samples_per_second", "data_wait_seconds", "allreduce_wait_seconds")
        for step, entry in self.steps("undisturbed").items():
            other = self.steps("killed")[step] if step in (1, planned) else None
            if other:
                self.assertEqual({key: value for key, value in entry.items() if key not in times_of}, {key: value for key, value in other.items() if key not in times_of})
        record(f"SIGKILL of one of {RANKS} ranks, at random moments", injected, "started again each time; final weights byte for byte those of an undisturbed run", max(lost, default=0), recovered)


if __name__ == "__main__":
    unittest.main()
