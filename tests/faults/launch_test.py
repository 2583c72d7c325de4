"""vae_launch: the commands it starts, when it restarts, and how it ends."""
import contextlib
import json
import os
import signal
import subprocess
import unittest

import runs
from deadline import HANGS_S
from launched import LAUNCHER, STEPS, Launched
from ranks import is_alive

SHORT = ["train.steps=12", "checkpoint.every_steps=5"]


class Ends(Launched):
    def test_a_run_that_gets_to_its_end_is_started_once(self):
        code, said = self.launched("whole", *SHORT, np=2)
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r"vae_launch: mpirun .*-np 2 --host localhost:2 .*bound_rank.py .* --config run.yaml run.name=whole")
        self.assertIn("vae_launch: done (exit code 0, 1 start)", said)
        self.assertEqual(self.checkpoints("whole")[-1], 12)
        self.assertFalse((self.run_path("whole") / "lock.json").exists())

    def test_plain_mpirun_does_the_same(self):
        self.train("plain", *STEPS, *SHORT, "distributed.reproducible=true", np=2)
        code, said = self.launched("launched", *SHORT, "distributed.reproducible=true", np=2)
        self.assertEqual(code, 0, said)
        self.assertEqual(self.weights("launched", 12), self.weights("plain", 12))

    def test_bad_input_ends_it_with_2_at_once(self):
        for overrides, words in ((["train.global_bach=4"], "did you mean"), (["data.train.file=none.h5"], "none.h5"), (["distributed.replicas=5"], "not divisible")):
            with self.subTest(overrides):
                code, said = self.launched("refused", *SHORT, *overrides, np=2)
                self.assertEqual(code, 2, said)
                self.assertIn(words, said)
                self.assertLessEqual(said.count("vae_launch: mpirun "), 1)

    def test_auto_takes_as_many_ranks_as_divide_the_replicas(self):
        for replicas, options, expected in ((6, ["--hosts", "localhost:4"], 3), (4, ["--hosts", "localhost:3"], 2), (3, ["--np", "auto", "--hosts", "localhost:2"], 1)):
            with self.subTest(replicas=replicas, options=options):
                code, said = self.launched(f"auto_{replicas}", "train.steps=2", f"distributed.replicas={replicas}", "train.global_batch=48", options=options)
                self.assertEqual(code, 0, said)
                self.assertIn(f" -np {expected} ", said)

    def test_it_asks_for_the_arguments_of_a_training(self):
        for words in ([], ["--"], ["--", "evaluate", "--config", "x"], ["--np", "0", "--", "--config", "run.yaml"], ["--hosts", "a:b", "--", "--config", "run.yaml"],
                      ["--program", "none", "--", "--config", "run.yaml"]):
            with self.subTest(words):
                done = subprocess.run([LAUNCHER, "--program", runs.BINARY, *words], cwd=self.folder, capture_output=True, text=True, timeout=HANGS_S, check=False)
                self.assertEqual(done.returncode, 2, done.stderr)


class Restarts(Launched):
    @staticmethod
    def kill_all(process, number):
        """Kills all ranks: a single one that is left would save the last step."""
        ranks = process.ranks()
        for pid in ranks.values():
            os.kill(pid, signal.SIGSTOP)
        for pid in ranks.values():
            os.kill(pid, number)
            with contextlib.suppress(ProcessLookupError):  # SIGKILL does not wait until a process goes on
                os.kill(pid, signal.SIGCONT)

    def test_killed_ranks_are_started_again_from_the_last_checkpoint(self):
        process = self.launch("killed", "train.steps=400", np=2)
        self.wait_for_step(process, "killed", 14)
        os.kill(process.ranks()[1], signal.SIGKILL)
        self.assertEqual(self.wait_for_end(process), 0, process.said())
        said = process.said()
        self.assertRegex(said, r"start 1: ranks on localhost \(2\): exit code 3 after \d+ s, step \d+, began with rank 1; starting again in 1 s")
        self.assertIn("vae_launch: done (exit code 0, 2 starts)", said)
        self.assertEqual([record["step"] for record in self.log("killed") if "loss" in record], list(range(1, 401)))
        self.assertEqual(json.loads((self.run_path("killed") / "environment.json").read_text())["restarts"], 1)

    def test_before_the_first_checkpoint_it_begins_anew_with_the_same_replicas_and_counts(self):
        process = self.launch("early", "train.steps=400", "checkpoint.every_steps=0", np=2)  # the first start must not reach the end before it is killed
        self.wait_for_step(process, "early", 2)
        self.kill_all(process, signal.SIGKILL)
        self.assertEqual(self.wait_for_end(process), 0, process.said())
        second = [line for line in process.said().splitlines() if line.startswith("vae_launch: mpirun ")][1]
        self.assertIn("distributed.replicas=2", second, process.said())
        self.assertEqual(json.loads((self.run_path("early") / "environment.json").read_text())["restarts"], 1)

    def test_k_restarts_without_progress_end_it_with_3_and_say_what_happened_rank_by_rank(self):
        process = self.launch("hopeless", "train.steps=100000", "checkpoint.every_steps=0", np=2, options=["--max-restarts", 1, "--first-pause", 0.1])
        for start in (1, 2):
            self.wait_until(lambda: process.poll() is not None or (self.starts(process) == start and "step 5/" in process.said().rpartition("vae_launch: mpirun ")[2]), HANGS_S, "a start")
            self.kill_all(process, signal.SIGSEGV if start == 1 else signal.SIGKILL)
            self.wait_until(lambda: process.poll() is not None or self.starts(process) > start, HANGS_S, "the next start")
        self.assertEqual(self.wait_for_end(process), 3, process.said())
        said = process.said()
        self.assertIn("1 restarts without a new checkpoint (--max-restarts) (exit code 3, 2 starts)", said)
        self.assertRegex(said, r"rank [01] \(localhost\): was killed by SIGKILL")
        for rank in (0, 1):
            self.assertIn(f"rank {rank} (localhost): ", said)

    def test_the_same_error_at_the_same_step_twice_ends_it(self):
        # All steps are skipped, so each start fails at the same step with the same samples.
        code, said = self.launched("same", "train.steps=100000", "train.skip_step_above_norm=1e-12", "train.max_skipped_steps=4", np=2, options=["--first-pause", 0.1])
        self.assertEqual(code, 3, said)
        self.assertEqual(said.count("vae_launch: mpirun "), 2)
        self.assertIn("the same error at the same step (4) twice", said)
        self.assertIn("rank 0 (localhost): 4 steps in a row were skipped", said)

    def test_the_file_for_prometheus_is_removed_after_a_crash(self):
        process = self.launch("scraped", "train.steps=100000", "metrics.port=0", "checkpoint.every_steps=0", np=2, options=["--max-restarts", 0])
        file = self.folder / "runs" / "scraped.prometheus.json"
        self.wait_for_step(process, "scraped", 3)
        self.assertTrue(file.exists())
        os.kill(process.ranks()[0], signal.SIGKILL)
        self.assertEqual(self.wait_for_end(process), 3, process.said())
        self.assertFalse(file.exists())


class Launchers(Launched):
    def test_one_that_is_killed_leaves_no_rank_behind(self):
        process = self.launch("orphans", "train.steps=100000", np=2)
        self.wait_for_step(process, "orphans", 2)
        ranks = process.ranks()
        self.assertEqual(len(ranks), 2)
        process.kill()
        process.wait()
        self.wait_until_gone(ranks.values())
        self.assertFalse(any(is_alive(pid) for pid in ranks.values()))


if __name__ == "__main__":
    unittest.main()
