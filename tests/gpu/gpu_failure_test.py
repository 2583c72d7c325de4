"""A run on a GPU whose ranks fail while the communicator is live: no process is left behind with a kernel that waits for a lost rank."""
import os
import signal
import unittest

from deadline import HANGS_S
from gpu_runs import ON_GPU, GpuRunFolder
from ranks import is_alive
from runs import SMALL

TIMEOUT_S = 5


class LiveCommunicator(GpuRunFolder):
    def signal_one(self, name, rank, signal_number, np, *overrides):
        """Sends a signal to one rank after ten steps. Returns mpirun's exit code and output once all ranks have exited."""
        process = self.start("train", "--config", "run.yaml", f"run.name={name}", *SMALL, *ON_GPU, "train.steps=1000000", *overrides, np=np)
        try:
            log = self.run_path(name) / "metrics.jsonl"
            self.wait_until(lambda: process.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= 10), HANGS_S, "step 10")
            if process.poll() is not None:
                self.fail("the run ended before the signal:\n" + process.communicate()[0])
            ranks = process.ranks()
            self.assertEqual(sorted(ranks), list(range(np)))
            os.kill(ranks[rank], signal_number)
            output, _ = process.communicate(timeout=HANGS_S)
            self.wait_until(lambda: not any(is_alive(pid) for pid in ranks.values()), HANGS_S, "the end of every rank")
            return process.returncode, output
        finally:
            process.kill()
            process.communicate()

    def assert_kill_of_a_rank_ends_all_and_the_run_goes_on(self, rank):
        name = f"killed_{rank}"
        code, output = self.signal_one(name, rank, signal.SIGKILL, 2, "checkpoint.every_steps=4")
        self.assertEqual(code, 128 + signal.SIGKILL, output)
        reached = int(self.checkpoint(name).name.removeprefix("step_"))
        done = self.train_on_gpu(name, "checkpoint.every_steps=4", "distributed.replicas=2", f"train.steps={reached + 4}", np=2)
        self.assertIn(f"from {reached} to {reached + 4}", done.stderr)

    def test_kill_of_the_first_rank_ends_all_and_the_run_goes_on_from_its_checkpoint(self):
        self.assert_kill_of_a_rank_ends_all_and_the_run_goes_on(0)

    def test_kill_of_the_second_rank_ends_all_and_the_run_goes_on_from_its_checkpoint(self):
        self.assert_kill_of_a_rank_ends_all_and_the_run_goes_on(1)

    def test_a_stopped_rank_is_named_and_all_are_gone(self):
        code, output = self.signal_one("stopped", 1, signal.SIGSTOP, 3, "train.global_batch=18", f"distributed.timeout_s={TIMEOUT_S}")
        self.assertEqual(code, 4, output)
        said = [line for line in output.splitlines() if "did not end within" in line]
        self.assertIn("rank 1 is not responding", said[0])
        self.assertNotIn("rank 2 is", said[0])

    def test_term_of_one_rank_ends_all_with_a_checkpoint(self):
        code, output = self.signal_one("terminated", 1, signal.SIGTERM, 2)
        self.assertEqual(code, 75, output)
        self.assertEqual(self.checkpoint("terminated").name, f"step_{max(self.steps('terminated')):08d}")
        self.assertFalse(list((self.run_path("terminated") / "errors").iterdir()))


if __name__ == "__main__":
    unittest.main()
