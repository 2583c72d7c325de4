"""A run can stop at any step and go on with another number of ranks: the curve is that of a run that never stopped."""
import json
import os
import signal
import unittest

from comparing import loss_differences
from deadline import HANGS_S
from ranks import is_alive
from runs import SMALL, RunFolder

STOPPED = 75


class Resume(RunFolder):
    """R = 4 in fp64; an epoch has 12 steps."""

    REPLICAS = ["distributed.replicas=4", "train.precision=fp64"]

    def state(self, name, step=None):
        return json.loads((self.checkpoint(name, step) / "state.json").read_text())

    def files_of(self, name, step):
        return [(self.checkpoint(name, step) / file).read_bytes() for file in ("weights.safetensors", "optimizer.safetensors")]

    def assert_each_step_once(self, name, last):
        self.assertEqual([record["step"] for record in self.log(name) if "loss" in record], list(range(1, last + 1)))

    def assert_same_curve(self, name, reference):
        # Seen: 6e-16 at any step.
        self.assertLess(max(loss_differences(self.steps(name), self.steps(reference)).values()), 1e-9)


class PlannedStops(Resume):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("whole", "train.steps=40", *cls.REPLICAS, np=2)

    def test_four_ranks_then_one_then_two_give_the_undisturbed_curve(self):
        for np, steps in ((4, 17), (1, 29), (2, 40)):
            self.train("moved", f"train.steps={steps}", *self.REPLICAS, np=np)
            state = self.state("moved")
            # In the middle of an epoch each time: 5 steps of 16 samples into the second, 5 into the third, 4 into the fourth.
            self.assertEqual((state["step"], state["epoch"], state["position"]), (steps, steps // 12, steps % 12 * 16))
            self.assert_each_step_once("moved", steps)
        self.assert_same_curve("moved", "whole")

    def test_a_stop_changes_no_bit_at_the_same_number_of_ranks(self):
        for steps in (17, 40):
            self.train("stopped", f"train.steps={steps}", *self.REPLICAS, np=2)
        self.assertEqual(self.files_of("stopped", 40), self.files_of("whole", 40))
        self.assertEqual([record["loss"] for record in self.steps("stopped").values()], [record["loss"] for record in self.steps("whole").values()])

    def test_the_same_run_again_gives_the_same_bytes(self):
        self.train("again", "train.steps=40", *self.REPLICAS, np=2)
        self.assertEqual(self.files_of("again", 40), self.files_of("whole", 40))
        # A run of other weights does not.
        self.train("seeded", "train.steps=40", "run.seed=1266", *self.REPLICAS, np=2)
        self.assertNotEqual(self.files_of("seeded", 40), self.files_of("whole", 40))

    def test_replicas_are_kept_from_the_first_start(self):
        self.train("kept", "train.steps=5", "train.precision=fp64", np=4)
        self.train("kept", "train.steps=9", "train.precision=fp64", np=1)
        self.assertEqual(self.state("kept")["replicas"], 4)
        whole = {step: record for step, record in self.steps("whole").items() if step <= 9}
        self.assertLess(max(loss_differences(self.steps("kept"), whole).values()), 1e-9)

    def test_a_finished_run_says_so_and_leaves_everything_as_it_is(self):
        self.train("finished", "train.steps=3", np=2)
        before = (self.run_path("finished") / "metrics.jsonl").read_bytes()
        done = self.train("finished", "train.steps=3", np=2)
        self.assertEqual(done.returncode, 0)
        self.assertIn("nothing is left to do", done.stderr)
        self.assertEqual((self.run_path("finished") / "metrics.jsonl").read_bytes(), before)

        self.train("finished", "train.steps=5", np=2)
        self.assert_each_step_once("finished", 5)


class RequestedStops(Resume):
    """Steps slow enough to send a signal between them."""

    STEPS = ["model.hidden_dims=[32, 64]", "train.global_batch=40", *Resume.REPLICAS]

    def start_and_signal(self, name, np, signal_number, to, after):
        """Trains on `np` ranks (None: without mpirun) until `after` steps are logged, signals mpirun, the program or a rank, and returns
        the step that all stopped after."""
        process = self.start("train", "--config", "run.yaml", f"run.name={name}", *SMALL, *self.STEPS, "train.steps=100000", np=np)
        try:
            log = self.run_path(name) / "metrics.jsonl"
            self.wait_until(lambda: process.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= after), HANGS_S, f"step {after}")
            self.assertIsNone(process.poll(), "it ended by itself")
            ranks = process.ranks() if np else {0: process.pid}
            self.assertEqual(len(ranks), np or 1)
            if to == "launcher":
                process.send_signal(signal_number)
            else:
                os.kill(ranks[to], signal_number)
            output, _ = process.communicate(timeout=HANGS_S)
        finally:
            process.kill()
            process.communicate()
        self.assertEqual(process.returncode, STOPPED, output)
        self.assertIn("stopped on request", output)
        # mpirun may return while the last rank still leaves.
        self.wait_until(lambda: not any(is_alive(pid) for pid in ranks.values()), HANGS_S, "the end of all ranks")

        step = self.state(name)["step"]
        self.assertGreaterEqual(step, after)
        self.assertLess(step, 100000)
        # The checkpoint is of the step that the log ends with, on every rank.
        self.assert_each_step_once(name, step)
        self.assertEqual(self.checkpoint(name).name, f"step_{step:08d}")
        return step

    def test_a_signal_to_one_rank_to_mpirun_or_to_a_single_process_stops_all_after_the_same_step(self):
        first = self.start_and_signal("signalled", 4, signal.SIGUSR1, to=2, after=4)
        second = self.start_and_signal("signalled", 2, signal.SIGUSR1, to="launcher", after=first + 4)
        third = self.start_and_signal("signalled", None, signal.SIGUSR1, to="launcher", after=second + 4)
        last = third + 3
        self.train("signalled", *self.STEPS, f"train.steps={last}", np=2)
        self.assert_each_step_once("signalled", last)

        self.train("undisturbed", *self.STEPS, f"train.steps={last}", np=2)
        self.assert_same_curve("signalled", "undisturbed")


if __name__ == "__main__":
    unittest.main()
