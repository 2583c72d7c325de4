"""A full disk while checkpoints, the log, pictures and TensorBoard's curves are written: training continues, the failure is reported and counted, and the next
checkpoint is written once there is space."""
import json
import os
import re
import signal
import subprocess
import unittest
import urllib.request

from tensorboard.backend.event_processing import event_accumulator

from deadline import HANGS_S
from launched import STEPS, Launched, drawn, record, times

SIZE_MIB = 8
CURVES = "No space left on device; training continues, but TensorBoard's curves lack some steps"


class FullDisk(Launched):
    def setUp(self):
        runs = self.folder / "runs"
        runs.mkdir(exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", runs], capture_output=True, check=False).returncode != 0:
            self.skipTest("not run: this user may not mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", "--lazy", runs], check=True)
        self.ballast = runs / "ballast"

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file:
            try:
                while file.write(bytes(65536)):
                    pass
            except OSError:
                pass

    def counted(self):
        """The number of failed checkpoints according to rank 0's metrics."""
        target = json.loads(next((self.folder / "found").glob("*-full.prometheus.json")).read_text())[0]["targets"][0]
        answer = urllib.request.urlopen(f"http://{target}/metrics", timeout=HANGS_S).read().decode()
        return int(float(re.search(r"^vae_dist_checkpoint_failures_total\{.*\} (.*)$", answer, re.MULTILINE)[1]))

    def test_training_goes_on_and_saves_again_when_there_is_room(self):
        random = drawn("a full disk")
        (self.folder / "found").mkdir(exist_ok=True)
        process = self.launch("full", "train.steps=100000", "checkpoint.every_steps=10", "pictures.every_epochs=1", "pictures.samples=4", "pictures.reconstructions=4", "metrics.port=0",
                              "metrics.address=127.0.0.1", "metrics.service_discovery=found", np=2, settings=[word for word in STEPS if "every_steps" not in word])
        self.wait_for_step(process, "full", 12)
        fills = times(1, 10)
        for number in range(1, fills + 1):
            self.wait_for_step(process, "full", self.last_step("full") + random.randrange(1, 10))
            failures = process.said().count("was not written: cannot")
            self.fill()
            self.wait_until(lambda: process.poll() is not None or process.said().count("was not written: cannot") >= failures + 2, HANGS_S, "two failed checkpoints")
            for words in (CURVES, r"cannot write .*metrics.jsonl: No space left on device; training continues", r"no pictures at step \d+"):
                self.wait_until(lambda words=words: process.poll() is not None or re.search(words, process.said()), HANGS_S, f"a word about what is not written: {words}")
            self.assertIsNone(process.poll(), process.said())
            self.wait_until(lambda: self.counted() >= failures + 2, HANGS_S, "their count")
            before = set(self.checkpoints("full"))
            self.ballast.unlink()
            self.wait_until(lambda: process.poll() is not None or set(self.checkpoints("full")) - before, HANGS_S, "the next checkpoint")
            self.assertIsNone(process.poll(), process.said())
        said = process.said()
        self.assertIn("No space left on device", said)
        self.assertEqual(said.count(CURVES), 1)
        self.assertEqual(self.starts(process), 1)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.wait_for_end(process), 75, process.said())
        # The log lacks steps, but each of its lines is complete.
        steps = [entry["step"] for entry in self.log("full") if "loss" in entry]
        self.assertEqual(steps, sorted(set(steps)))
        self.assertEqual(self.train("full", *STEPS, f"train.steps={steps[-1] + 2}", np=2).returncode, 0)
        # The next start has made up for what the curves lacked.
        curves = event_accumulator.EventAccumulator(str(self.run_path("full") / "tensorboard"), size_guidance={event_accumulator.SCALARS: 0})
        curves.Reload()
        self.assertEqual([event.step for event in curves.Scalars("train/loss")], [entry["step"] for entry in self.log("full") if "loss" in entry])
        record("full disk during checkpoints, log, pictures and curves", fills, "training went on; the next checkpoint was written when there was room", 0)


    def test_it_costs_what_the_survivors_of_a_failure_would_have_saved_and_nothing_else(self):
        process = self.launch("lost", "train.steps=400", np=2)
        self.wait_for_step(process, "lost", 15)
        self.wait_until(lambda: self.checkpoints("lost") and self.checkpoints("lost")[-1] >= 10, HANGS_S, "a checkpoint")
        for pid in process.ranks().values():
            os.kill(pid, signal.SIGSTOP)  # none is being written any more
        saved = self.checkpoints("lost")[-1]
        before = self.weights("lost", saved)
        self.fill()
        ranks = process.ranks()
        os.kill(ranks[1], signal.SIGKILL)
        os.kill(ranks[0], signal.SIGCONT)
        self.wait_until(lambda: "was not saved" in process.said() or self.starts(process) > 1, HANGS_S, "what the other says")
        self.assertRegex(process.said(), r"the last step was not saved, so the run goes on from its last checkpoint: .*No space left on device")
        self.assertEqual(self.weights("lost", saved), before)
        self.ballast.unlink()
        self.assertEqual(self.wait_for_end(process), 0, process.said())
        self.assertIn(f"from {saved} to 400", process.said())
        self.assertEqual([entry["step"] for entry in self.log("lost") if "loss" in entry], list(range(1, 401)))


if __name__ == "__main__":
    unittest.main()
