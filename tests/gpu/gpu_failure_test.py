"""A failing run on a GPU ends with a live communicator: nobody is left with a kernel that waits for a rank which is gone."""
import os
import signal
import time
import unittest

from gpu_runs import ON_GPU, GpuRunFolder
from ranks import is_alive
from runs import SMALL

# Promised are 5 s, and 3 more for NCCL to give up; a loaded machine gets three times that.
ALL_GONE_S = 3 * (5 + 3)
TIMEOUT_S = 5


class LiveCommunicator(GpuRunFolder):
    def signal_one(self, name, rank, signal_number, np, *overrides):
        """Sends the signal to one rank after ten steps. Returns mpirun's exit code, the output, and the seconds until all ranks were gone."""
        process = self.start("train", "--config", "run.yaml", f"run.name={name}", *SMALL, *ON_GPU, "train.steps=1000000", *overrides, np=np)
        try:
            log = self.run_path(name) / "metrics.jsonl"
            self.wait_until(lambda: process.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= 10), 300, "step 10")
            if process.poll() is not None:
                self.fail("it ended by itself:\n" + process.communicate()[0])
            ranks = process.ranks()
            self.assertEqual(sorted(ranks), list(range(np)))
            signalled = time.monotonic()
            os.kill(ranks[rank], signal_number)
            output, _ = process.communicate(timeout=TIMEOUT_S + 2 * ALL_GONE_S)
            self.wait_until(lambda: not any(is_alive(pid) for pid in ranks.values()), 60, "the end of every rank")
            return process.returncode, output, time.monotonic() - signalled
        finally:
            process.kill()
            process.communicate()

    def test_kill_of_any_rank_ends_all_and_the_run_goes_on_from_its_checkpoint(self):
        for rank in (0, 1):
            with self.subTest(rank=rank):
                name = f"killed_{rank}"
                code, output, seconds = self.signal_one(name, rank, signal.SIGKILL, 2, "checkpoint.every_steps=4")
                self.assertEqual(code, 128 + signal.SIGKILL, output)
                self.assertLess(seconds, ALL_GONE_S)
                reached = int(self.checkpoint(name).name.removeprefix("step_"))
                done = self.train_on_gpu(name, "checkpoint.every_steps=4", "distributed.replicas=2", f"train.steps={reached + 4}", np=2)
                self.assertIn(f"from {reached} to {reached + 4}", done.stderr)

    def test_a_stopped_rank_is_named_and_all_are_gone(self):
        code, output, seconds = self.signal_one("stopped", 1, signal.SIGSTOP, 3, "train.global_batch=18", f"distributed.timeout_s={TIMEOUT_S}")
        self.assertEqual(code, 4, output)
        self.assertGreaterEqual(seconds, TIMEOUT_S)
        self.assertLess(seconds, TIMEOUT_S + ALL_GONE_S)
        said = [line for line in output.splitlines() if "did not end within" in line]
        self.assertIn("rank 1 is not responding", said[0])
        self.assertNotIn("rank 2 is", said[0])

    def test_term_of_one_rank_ends_all_with_a_checkpoint(self):
        code, output, _ = self.signal_one("terminated", 1, signal.SIGTERM, 2)
        self.assertEqual(code, 75, output)
        self.assertEqual(self.checkpoint("terminated").name, f"step_{max(self.steps('terminated')):08d}")
        self.assertFalse(list((self.run_path("terminated") / "errors").iterdir()))


if __name__ == "__main__":
    unittest.main()
