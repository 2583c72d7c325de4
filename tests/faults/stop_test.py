"""Stop requests to any process at any time: all ranks stop after the same step with a checkpoint, and the exit code is 75."""
import json
import os
import pathlib
import signal
import subprocess
import unittest

import runs
from deadline import HANGS_S
from launched import STEPS, Launched, drawn, record
from ranks import signal_all

STOPPED = 75


class Stops(Launched):
    def check_stopped(self, process, name):
        self.assertEqual(self.wait_for_end(process), STOPPED, process.said())
        step = json.loads((self.checkpoint(name) / "state.json").read_text())["step"]
        self.assertEqual([record["step"] for record in self.log(name) if "loss" in record], list(range(1, step + 1)))
        self.assertFalse((self.run_path(name) / "lock.json").exists())
        record("request to stop (USR1, TERM, INT to launcher or ranks; twice, during start, checkpoint, evaluation)", 1,
               "all ranks stopped after the same step, with a checkpoint; exit code 75", 0)
        return step


class OfTheLauncher(Stops):
    def test_each_signal_becomes_a_request(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            with self.subTest(number.name):
                process = self.launch(number.name, "train.steps=100000", np=2)
                self.wait_for_step(process, number.name, 3)
                process.send_signal(number)
                self.check_stopped(process, number.name)
                self.assertIn(f"vae_launch: received {number.name}: asking the ranks to stop", process.said())
                self.assertIn("vae_launch: stopped on request", process.said())
                self.assertEqual(self.starts(process), 1)

    def test_one_at_the_start_is_held_back_until_the_ranks_can_hear_it(self):
        random = drawn("a request at the start")
        for attempt in range(3):
            name = f"start_{attempt}"
            process = self.launch(name, "train.steps=100000", np=2)
            self.wait_until(lambda: process.said(), HANGS_S, "the command")
            # During this time Python, MPI and the program's libraries are loaded.
            try:
                process.wait(timeout=random.uniform(0, 2))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)
            self.assertLess(self.check_stopped(process, name), 100000)

    def test_twice_is_as_once(self):
        process = self.launch("twice", "train.steps=100000", np=2)
        self.wait_for_step(process, "twice", 3)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        self.check_stopped(process, "twice")

    def test_between_two_starts_ends_it_with_what_the_last_checkpoint_holds(self):
        process = self.launch("between", "train.steps=100000", np=2, options=["--first-pause", 60])
        self.wait_for_step(process, "between", 12)
        os.kill(process.ranks()[1], signal.SIGKILL)
        self.wait_until(lambda: "starting again in 60 s" in process.said(), HANGS_S, "the pause")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.wait_for_end(process), STOPPED, process.said())
        self.assertIn("SIGTERM between two starts", process.said())

    def test_term_to_its_mpirun_too_and_its_own_death_stop_the_ranks_with_a_checkpoint(self):
        process = self.launch("orphans", "train.steps=100000", "checkpoint.every_steps=0", np=2)
        self.wait_for_step(process, "orphans", 3)
        self.assertRegex(process.said(), r"Ctrl-C +stops after the current step with a checkpoint; the third Ctrl-C")
        ranks = process.ranks()
        (mpirun,) = {int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in ranks.values()}
        os.kill(mpirun, signal.SIGTERM)
        self.wait_for_step(process, "orphans", self.last_step("orphans") + 5)
        process.kill()
        process.wait()
        self.wait_until_gone(ranks.values())
        self.assertEqual(self.checkpoints("orphans"), [self.last_step("orphans")])
        self.assertFalse((self.run_path("orphans") / "lock.json").exists())

    def test_it_goes_on_from_there(self):
        process = self.launch("goes_on", "train.steps=400", np=2)
        self.wait_for_step(process, "goes_on", 3)
        process.send_signal(signal.SIGUSR1)
        self.check_stopped(process, "goes_on")
        code, said = self.launched("goes_on", "train.steps=400", np=1)
        self.assertEqual(code, 0, said)
        self.assertEqual([record["step"] for record in self.log("goes_on") if "loss" in record], list(range(1, 401)))


class OfRanks(Stops):
    """Runs under plain mpirun. resume_test covers USR1 to mpirun, to a rank and to a single process; failure_test covers TERM to one rank."""

    def started(self, name, *overrides, np=2, **options):
        with open(self.folder / f"{name}.txt", "w") as output:
            process = self.start("train", "--config", "run.yaml", f"run.name={name}", *runs.SMALL, *STEPS, "train.steps=100000", *overrides, np=np, output=output, **options)
        process.said = (self.folder / f"{name}.txt").read_text
        self.addCleanup(self.end, process)
        return process

    def signal_rank(self, process, rank, number):
        os.kill(process.ranks()[rank], number)

    def test_usr1_and_term_to_two_ranks_and_twice(self):
        process = self.started("several")
        self.wait_for_step(process, "several", 3)
        self.signal_rank(process, 1, signal.SIGTERM)
        self.signal_rank(process, 0, signal.SIGUSR1)
        signal_all([pid for rank, pid in process.ranks().items() if rank == 1], signal.SIGUSR1)  # unless it has ended already
        self.check_stopped(process, "several")

    def test_during_the_start(self):
        self.train("starting", *STEPS, "train.steps=3", np=2)
        process = self.started("starting")
        # The run takes its lock before it looks for checkpoints, reads data and makes the model.
        self.wait_until(lambda: (self.run_path("starting") / "lock.json").exists(), HANGS_S, "the lock")
        self.signal_rank(process, 1, signal.SIGUSR1)
        self.assertLess(self.check_stopped(process, "starting"), 100000)

    def test_during_a_checkpoint(self):
        process = self.started("saving", "checkpoint.every_steps=5", launcher=lambda np, command: ["env", f"LD_PRELOAD={os.environ['VAE_DIST_SLOW_WRITES']}", "VAE_DIST_SLOW_WRITES_MS=100", *runs.mpirun(np, command)])
        self.wait_until(lambda: list((self.run_path("saving") / "checkpoints").glob(".tmp_step_*")), HANGS_S, "the start of a checkpoint")
        self.signal_rank(process, 1, signal.SIGUSR1)
        self.check_stopped(process, "saving")

    def test_during_an_evaluation(self):
        # 100 images with 200 draws each take about a second.
        process = self.started("evaluating", "data.validation={file: shapes.h5, dataset: imgs, rows: [100, 200]}", "evaluate.every_epochs=1", "evaluate.importance_samples=200",
                               "evaluate.batch=10")
        self.wait_for_step(process, "evaluating", 5)
        self.signal_rank(process, 0, signal.SIGUSR1)
        self.assertLess(self.check_stopped(process, "evaluating"), 100000)

    def test_term_to_mpirun_ends_all_in_seconds_and_the_last_checkpoint_loads(self):
        process = self.started("terminated")
        self.wait_for_step(process, "terminated", 12)
        ranks = process.ranks()
        process.terminate()
        self.assertNotIn(self.wait_for_end(process), (0, STOPPED))
        self.wait_until_gone(ranks.values())
        saved = self.checkpoints("terminated")[-1]
        done = self.train("terminated", *STEPS, f"train.steps={saved + 3}", np=2)
        self.assertIn(f"from {saved} to {saved + 3}", done.stderr)

    @staticmethod
    def patient(timeout_s):
        """A launcher: mpirun that sends TERM after `timeout_s` seconds, and KILL after twice that time."""
        return lambda np, command: ["env", *(f"{name}={value}" for name, value in runs.patient(timeout_s).items()), *runs.mpirun(np, command)]

    def assert_no_litter(self, name):
        self.assertFalse((self.run_path(name) / "lock.json").exists())
        self.assertFalse((self.folder / "runs" / f"{name}.prometheus.json").exists())

    def test_ctrl_c_and_term_to_a_plain_mpirun_save_where_there_is_time(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                name = f"asked_by_{number.name}"
                process = self.started(name, "checkpoint.every_steps=0", "metrics.port=0", launcher=self.patient(60))
                self.wait_for_step(process, name, 3)
                self.assertIn("mpirun kills the ranks 120 s later", process.said())
                ranks = process.ranks()
                process.send_signal(number)
                # mpirun itself always waits for the full timeout, and returns 1.
                self.wait_until_gone(ranks.values())
                self.assertEqual(self.checkpoints(name), [self.last_step(name)])
                self.assertFalse(list((self.run_path(name) / "errors").iterdir()))
                self.assert_no_litter(name)

    def test_ctrl_c_to_a_plain_mpirun_during_what_is_slower_leaves_a_message_and_no_litter(self):
        # This evaluation never ends.
        process = self.started("slow", "checkpoint.every_steps=3", "metrics.port=0", "data.validation={file: shapes.h5, dataset: imgs, rows: [100, 200]}", "evaluate.every_epochs=1",
                               "evaluate.importance_samples=1000000000", launcher=self.patient(10))
        self.wait_for_step(process, "slow", 3)
        self.wait_until(lambda: self.checkpoints("slow") == [3] and (self.folder / "runs" / "slow.prometheus.json").exists(), HANGS_S, "a checkpoint")
        ranks = process.ranks()
        process.send_signal(signal.SIGINT)
        self.assertNotIn(self.wait_for_end(process), (0, STOPPED))
        self.wait_until_gone(ranks.values())
        self.assertRegex(process.said(), r"mpirun ends this run \(Ctrl-C, .*kills its ranks after 20 s.*The newest checkpoint is runs/slow/checkpoints/step_00000003.*launcher/vae_launch")
        self.assert_no_litter("slow")

    def test_ctrl_c_to_the_program_alone(self):
        process = self.started("alone", np=None)
        self.wait_for_step(process, "alone", 3)
        self.assertRegex(process.said(), r"Ctrl-C +stops after the current step with a checkpoint; a second Ctrl-C ends the run at once")
        process.send_signal(signal.SIGINT)
        self.check_stopped(process, "alone")

    def test_a_continued_process_is_not_asked_to_stop(self):
        process = self.started("continued", np=1)
        self.wait_for_step(process, "continued", 3)
        self.signal_rank(process, 0, signal.SIGSTOP)
        self.signal_rank(process, 0, signal.SIGCONT)
        self.wait_for_step(process, "continued", self.last_step("continued") + 5)
        self.signal_rank(process, 0, signal.SIGUSR1)
        self.check_stopped(process, "continued")


if __name__ == "__main__":
    unittest.main()
