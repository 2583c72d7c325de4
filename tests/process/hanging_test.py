"""A run whose ranks wait for a lost rank ends and names that rank, and exactly one message is not marked as a consequence of another."""
import os
import signal
import subprocess

from deadline import HANGS_S
from network import Network
from ranks import is_alive, signal_all
from runs import SMALL, RunFolder

TIMEOUT_S = 5


class HangingRun(RunFolder):
    def start_ranks(self, *arguments, **options):
        # A file, because a daemon on a lost host would keep a pipe open forever.
        with open(self.folder / "output.txt", "w") as output:
            process = self.start(*arguments, output=output, **options)
        self.addCleanup(self.end, process)
        return process

    def run_until_step_10(self, name, np, **options):
        process = self.start_ranks("train", "--config", "run.yaml", f"run.name={name}", *SMALL, "train.global_batch=18", "train.steps=100000",
                                   f"distributed.timeout_s={TIMEOUT_S}", np=np, **options)
        log = self.run_path(name) / "metrics.jsonl"
        self.wait_until(lambda: process.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= 10), HANGS_S, "step 10")
        if process.poll() is not None:
            self.fail("the run ended too early:\n" + self.output())
        return process

    def output(self):
        return (self.folder / "output.txt").read_text()

    def end(self, process):
        signal_all(process.ranks().values())
        process.kill()
        process.wait()

    def output_when_all_are_gone(self, process, ranks):
        """Waits until the launcher and the given ranks have exited, and returns the output."""
        try:
            process.wait(timeout=HANGS_S)
        except subprocess.TimeoutExpired:
            self.fail(f"not gone within {HANGS_S} s:\n" + self.output())
        self.wait_until(lambda: not any(is_alive(pid) for pid in ranks), HANGS_S, "the end of all ranks")
        return self.output()

    def check_one_message_is_no_consequence(self, output):
        said = [line for line in output.splitlines() if line.startswith("vae_dist: rank")]
        self.assertEqual(len([line for line in said if "as a consequence" not in line]), 1, output)
        return next(line for line in said if "as a consequence" not in line)


class StoppedRank(HangingRun):
    def test_it_is_named_and_all_are_gone(self):
        process = self.run_until_step_10("stopped", 3)
        ranks = process.ranks()
        self.assertEqual(sorted(ranks), [0, 1, 2])
        os.kill(ranks[1], signal.SIGSTOP)
        output = self.output_when_all_are_gone(process, ranks.values())
        self.assertEqual(process.returncode, 4, output)
        message = self.check_one_message_is_no_consequence(output)
        self.assertIn("rank 1 is not responding", message)
        self.assertNotIn("rank 2 is", message)
        # The last collectives are in the message and in the error file.
        error = (self.run_path("stopped") / "errors" / "rank_0.txt").read_text()
        for told in (output, error):
            self.assertIn("the last collectives of this rank:", told)
            self.assertRegex(told, r"#\d+ gradients: (statistics|bucket \d), \d+ bytes: under way for \d")
        self.assertIn("rank 1 is not responding", error)

    def test_on_another_host_it_is_named_and_all_are_gone(self):
        with Network(2) as network:
            process = self.run_until_step_10("stopped_host", [1, 2], launcher=network.mpirun)
            ranks = process.ranks()
            self.assertEqual(sorted(ranks), [0, 1, 2])
            namespaces = {rank: os.readlink(f"/proc/{pid}/ns/net") for rank, pid in ranks.items()}
            self.assertNotEqual(namespaces[0], namespaces[1])
            self.assertEqual(namespaces[1], namespaces[2])
            os.kill(ranks[2], signal.SIGSTOP)
            output = self.output_when_all_are_gone(process, ranks.values())
        self.assertEqual(process.returncode, 4, output)
        self.assertIn("rank 2 is not responding", self.check_one_message_is_no_consequence(output))

    def test_every_rank_ends_when_a_host_is_cut_from_the_network_and_the_lost_one_is_named(self):
        with Network(2) as network:
            process = self.run_until_step_10("cut", [2, 1], launcher=network.mpirun)
            ranks = process.ranks()
            self.assertEqual(sorted(ranks), [0, 1, 2])
            network.cut(2)
            # Open MPI's mpirun itself keeps waiting for its daemon on the lost host, but the ranks must exit.
            self.wait_until(lambda: not any(is_alive(pid) for pid in ranks.values()), HANGS_S, "the end of all ranks")
            errors = {path.name: path.read_text() for path in (self.run_path("cut") / "errors").iterdir()}
        self.assertIn("rank 2 is not responding", errors["rank_0.txt"])
        self.assertNotIn("rank 1 is", errors["rank_0.txt"])
        # The cut-off rank reports both others.
        self.assertIn("rank 0 is not responding; rank 1 is not responding", errors["rank_2.txt"])


class FailingRank(HangingRun):
    def test_one_that_throws_inside_backward_says_so_and_all_are_gone(self):
        for np in (2, 4):
            with self.subTest(np=np):
                process = self.start_ranks(np=np, program=os.environ["VAE_DIST_BACKWARD_FAILURE"])
                self.wait_until(lambda: process.poll() is not None or len(process.ranks()) == np, HANGS_S, "the start of all ranks")
                ranks = process.ranks()
                output = self.output_when_all_are_gone(process, ranks.values())
                self.assertEqual(process.returncode, 3, output)
                message = self.check_one_message_is_no_consequence(output)
                self.assertIn("rank 1: thrown inside the backward pass of step 5", message)

    def test_nccl_that_fails_while_the_host_waits_ends_all_at_once_with_its_own_words(self):
        program = os.environ["VAE_DIST_NCCL_FAILURE"]
        if not program:
            self.skipTest("not run: this build has no NCCL")
        # Every rank meets a broken connection, or only one of them does.
        for which, speaker in (("one", 1), ("all", 0)):
            with self.subTest(which=which):
                process = self.start_ranks(which, np=3, program=program)
                self.wait_until(lambda: process.poll() is not None or len(process.ranks()) == 3, HANGS_S, "the start of all ranks")
                output = self.output_when_all_are_gone(process, process.ranks().values())
                self.assertEqual(process.returncode, 3, output)
                message = self.check_one_message_is_no_consequence(output)
                self.assertIn(f"rank {speaker}: NCCL has failed while this rank waited for the GPU: unhandled system error; NCCL's last message: socket closed by remote peer", message)


del HangingRun  # otherwise unittest would run it as a test case
