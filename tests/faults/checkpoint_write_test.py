"""SIGKILL of all processes while a checkpoint is written: the newest complete checkpoint always loads."""
import os
import re
import time
import unittest

import runs
from deadline import HANGS_S
from launched import Launched, drawn, record, times
from ranks import signal_all

SETTINGS = ["checkpoint.every_steps=20", "checkpoint.keep=3", "distributed.replicas=2"]
# A checkpoint takes about 70 writes, fsyncs and renames, and so about two seconds.
PAUSE_MS = 30
WRITE_S = 2.6


class CheckpointWrite(Launched):
    def started(self, number):
        with open(self.folder / f"{number}.txt", "w") as output:
            process = self.start("train", "--config", "run.yaml", "run.name=killed", *runs.SMALL, *SETTINGS, "train.steps=1000000", np=2, output=output,
                                 launcher=lambda np, command: ["env", f"LD_PRELOAD={os.environ['VAE_DIST_SLOW_WRITES']}", f"VAE_DIST_SLOW_WRITES_MS={PAUSE_MS}", *runs.mpirun(np, command)])
        process.said = (self.folder / f"{number}.txt").read_text
        self.addCleanup(self.end, process)
        return process

    def scratch(self):
        return {path.name for path in (self.run_path("killed") / "checkpoints").glob(".tmp_step_*")}

    def kill_in_a_write(self, process, pause_s, before):
        self.wait_until(lambda: process.poll() is not None or self.scratch() - before, HANGS_S, "the start of a checkpoint")
        self.assertIsNone(process.poll(), process.said())
        time.sleep(pause_s)
        ranks = process.ranks()
        signal_all([process.pid, *ranks.values()])  # without mpirun, ranks may end before their turn
        self.wait_for_end(process)
        self.wait_until_gone(ranks.values())

    def test_the_newest_complete_one_loads_after_a_kill_at_any_moment(self):
        kills = times(4, 40)
        random = drawn(f"{kills} kills in checkpoint writes")
        self.train("killed", *SETTINGS, "train.steps=5", np=2)
        unfinished, lost, recovered, saved_before = 0, [], [], 5
        for number in range(kills):
            before = self.scratch()
            # The first kill comes at once, so that it hits a write however fast the writes are.
            self.kill_in_a_write(self.started(number), random.uniform(0, WRITE_S) if number else 0, before)
            killed_at = time.monotonic()
            unfinished += bool(self.scratch() - before)
            newest = self.checkpoints("killed")[-1]
            self.assertGreaterEqual(newest, saved_before)
            lost.append(self.last_step("killed") - newest)
            # Train one more step from that checkpoint, without any message about damage. The last step is always saved.
            done = self.train("killed", *SETTINGS, f"train.steps={newest + 1}", np=2)
            recovered.append(time.monotonic() - killed_at)
            self.assertIn(f"from {newest} to {newest + 1}", done.stderr)
            self.assertNotRegex(done.stderr, "falling back|damaged|not a complete checkpoint")
            # A later checkpoint removes the files of an interrupted write, unless another process has taken over its process id.
            left = [name for name in self.scratch() & before if not os.path.exists(f"/proc/{name.rpartition('_')[2]}")]
            self.assertFalse(left)
            saved_before = newest + 1
        self.assertGreater(unfinished, 0, "no kill hit a write")
        record("SIGKILL of all ranks and mpirun in a checkpoint write", kills, f"the newest complete checkpoint loaded each time ({unfinished} writes were cut off)", max(lost), recovered)

    def test_a_step_is_saved_again_after_a_fall_back(self):
        self.train("again", *SETTINGS, "checkpoint.every_steps=10", "train.steps=20", np=2)
        whole = self.weights("again", 20)
        file = self.checkpoint("again", 20) / "optimizer.safetensors"
        file.write_bytes(file.read_bytes()[:-7])
        done = self.train("again", *SETTINGS, "checkpoint.every_steps=10", "train.steps=20", np=2)
        self.assertRegex(done.stderr, r"optimizer.safetensors\W+is damaged.*; falling back to the previous checkpoint")
        self.assertIn("from 10 to 20", done.stderr)
        self.assertEqual(self.weights("again", 20), whole)
        self.assertTrue(re.search("step_00000020.broken_1", " ".join(path.name for path in (self.run_path("again") / "checkpoints").iterdir())))


if __name__ == "__main__":
    unittest.main()
