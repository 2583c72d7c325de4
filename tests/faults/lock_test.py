"""Two runs in one run directory: the second is rejected unless the first is gone."""
import json
import os
import pathlib
import signal
import time
import unittest

import runs
from deadline import HANGS_S
from launched import STEPS, Launched, record
from ranks import signal_all

HEARTBEAT_S = 10


class RunLock(Launched):
    def go_on(self, name, steps, **options):
        return self.train(name, *STEPS, f"train.steps={steps}", np=2, check=False, **options)

    def started(self, name, job="", restart=0):
        said = self.folder / f"{name}_{restart}.txt"
        with open(said, "w") as output:
            process = self.start("train", "--config", "run.yaml", f"run.name={name}", *runs.SMALL, *STEPS, "train.steps=100000", np=2, output=output,
                                 launcher=lambda np, command: ["env", f"VAE_DIST_JOB_ID={job}", f"VAE_DIST_JOB_RESTART={restart}", *runs.mpirun(np, command)])
        process.said = said.read_text
        self.addCleanup(self.end, process)
        return process

    def killed(self, name):
        """Kills the ranks of a run, which leaves its lock behind. Returns the lock file."""
        process = self.started(name)
        self.wait_for_step(process, name, 11)
        ranks = process.ranks()
        signal_all(ranks.values())
        self.wait_for_end(process)
        self.wait_until_gone(ranks.values())
        return self.run_path(name) / "lock.json"

    def edit(self, lock, **values):
        lock.write_text(json.dumps({**json.loads(lock.read_text()), **values}))

    def test_of_two_at_once_the_second_is_refused_and_the_first_goes_on(self):
        process = self.launch("shared", "train.steps=100000", np=2)
        self.wait_for_step(process, "shared", 3)
        lock = json.loads((self.run_path("shared") / "lock.json").read_text())
        self.assertEqual(lock["pid"], process.ranks()[0])
        self.assertEqual(lock["host"], os.uname().nodename)
        stat = pathlib.Path(f"/proc/{lock['pid']}/stat").read_text().rpartition(")")[2].split()
        self.assertEqual(lock["process_start"], int(stat[19]))
        for start in (self.go_on("shared", 50).returncode, self.launched("shared", "train.steps=50", np=1)[0]):
            self.assertEqual(start, 2)
            record("a second run in the same run directory", 1, "refused, naming the first, which went on")
        refused = self.go_on("shared", 50)
        self.assertRegex(refused.stderr, rf"runs/shared is in use: process {lock['pid']} on .*, job .*, restart 0, started .* trains there \(that process is alive\)")
        self.assertIsNone(process.poll())
        reached = self.last_step("shared")
        self.wait_for_step(process, "shared", reached + 3)
        # A dry run does not count as a second run.
        self.assertEqual(self.train("shared", *STEPS, "train.steps=50", "--dry-run", np=2, check=False).returncode, 0)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.wait_for_end(process), 75, process.said())
        self.assertEqual(self.go_on("shared", self.last_step("shared") + 2).returncode, 0)

    def test_a_lock_whose_process_is_gone_is_taken_over(self):
        lock = self.killed("gone")
        pid = json.loads(lock.read_text())["pid"]
        done = self.go_on("gone", 40)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, rf"taking over the run's lock: process {pid} on .*, is no longer running")
        self.assertFalse(lock.exists())

    def test_a_number_of_a_process_that_came_again_is_not_that_process(self):
        lock = self.killed("numbers")
        self.edit(lock, pid=os.getpid())
        done = self.go_on("numbers", 40)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is no longer running", done.stderr)

    def test_the_same_job_started_once_more_takes_over_at_once_and_the_earlier_start_ends(self):
        first = self.started("taken", "a job", 1)
        self.wait_for_step(first, "taken", 12)
        ranks = first.ranks()
        for restart in (0, 1):
            done = self.go_on("taken", 100000, env={"VAE_DIST_JOB_ID": "a job", "VAE_DIST_JOB_RESTART": str(restart)})
            self.assertEqual(done.returncode, 2, done.stderr)
        second = self.started("taken", "a job", 2)
        self.wait_until(lambda: "lock from an earlier start of the same job: process" in second.said(), HANGS_S, "the lock's new owner")
        self.wait_until_gone(ranks.values())
        self.assertEqual(self.wait_for_end(first), 3, first.said())
        self.assertIn("another start of this run has taken over its lock: process", first.said())
        os.kill(second.ranks()[1], signal.SIGUSR1)
        self.assertEqual(self.wait_for_end(second), 75, second.said())

    def test_a_lock_of_another_host_is_stale_after_three_missed_heartbeats(self):
        lock = self.killed("elsewhere")
        self.edit(lock, host="another")
        started = time.monotonic()
        done = self.go_on("elsewhere", 40)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"lock.json is held by process \d+ on another, .*\. Waiting for its heartbeat for up to 30 s")
        self.assertRegex(done.stderr, r"on another, .*, has missed 3 heartbeats")
        self.assertGreater(time.monotonic() - started, 2 * HEARTBEAT_S)


if __name__ == "__main__":
    unittest.main()
