"""A run whose step runs out of memory reports the needs of a replica and a larger R that fits."""
import pathlib
import re
import resource
import subprocess
import time
import unittest

from deadline import HANGS_S
from runs import BINARY, SMALL, RunFolder, mpirun

MIB = 1 << 20
# Address space beyond a small run's: threads reserve some, and a step of the large batch takes over 2 GB. After as many of its tensors
# as fit, of whatever replica, at least 60 MB are left, so that what fails is a tensor.
ROOM = 800 * MIB

# A tensor of [1024, 32, 64, 64] floats takes 537 MB, and a step keeps several of them.
LARGE = ["model.hidden_dims=[32]", "train.global_batch=1024", "train.optimizer.learning_rate=0", "train.steps=2", "evaluate.batch=16"]


class OutOfMemory(RunFolder):
    IMAGES = ["--count", "1024", "--size", "64", "--channels", "1"]

    def address_space_of_a_small_run(self):
        """The peak address space of a small run, in bytes."""
        with open(self.folder / "small.txt", "w") as output:
            process = self.start("train", "--config", "run.yaml", "run.name=small", "checkpoint.resume=never", f"run.directory={self.id()}", *SMALL, "train.steps=60", output=output)
        largest = 0
        while process.poll() is None:
            try:
                found = re.search(r"VmPeak:\s+(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text())
            except OSError:
                found = None
            largest = max(largest, 1024 * int(found[1]) if found else 0)
            time.sleep(0.01)
        self.assertEqual(process.returncode, 0, (self.folder / "small.txt").read_text())
        return largest

    def limited(self, limit, name, *overrides, np=None):
        command = ["prlimit", f"--as={limit}", BINARY, "train", "--config", "run.yaml", f"run.name={name}", *SMALL, *LARGE, *overrides]
        return subprocess.run(mpirun(np, command), cwd=self.folder, text=True, capture_output=True, timeout=HANGS_S, stdin=subprocess.DEVNULL)

    def test_says_what_a_replica_needs_and_its_proposal_goes(self):
        self.assertEqual(resource.getrlimit(resource.RLIMIT_AS), (resource.RLIM_INFINITY, resource.RLIM_INFINITY), "this test sets a limit of its own")
        limit = self.address_space_of_a_small_run() + ROOM
        replicas, proposals = 1, []
        while True:
            done = self.limited(limit, f"of_{replicas}", f"distributed.replicas={replicas}")
            # If the steps barely fit, later work (a checkpoint's thread, an evaluation) may still run out of memory.
            if done.returncode == 0 or "step 2/2" in done.stderr:
                break
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertRegex(done.stderr, r"vae_dist: out of memory: .*\nThe model takes \S+ .B with its gradients and optimizer; a replica of \d+ samples (needs more beside it than the|does not fit beside it)")
            self.assertIn(f"a replica of {1024 // replicas} samples", done.stderr)
            proposal = re.search(r"distributed\.replicas=(\d+) \(R is (\d+) now\) makes replicas of (\d+) samples", done.stderr)
            self.assertTrue(proposal, done.stderr)
            self.assertEqual([int(number) for number in proposal.groups()], [2 * replicas, replicas, 512 // replicas])
            replicas *= 2
            proposals.append(replicas)
        self.assertGreaterEqual(len(proposals), 1, "the first R fitted: no step ran out of memory")
        replicas *= 2  # the last R may have barely fitted
        done = self.limited(limit, "evaluated", f"distributed.replicas={replicas}", "evaluate.batch=1024")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertRegex(done.stderr, r"vae_dist: out of memory in an evaluation: .*\nevaluate\.batch=512 \(now 1024\)")
        # The steps are not lost; only the evaluation is left to do.
        self.assertEqual(self.checkpoint("evaluated").name, "step_00000002")
        steps = self.steps("evaluated")
        self.limited(limit, "evaluated", f"distributed.replicas={replicas}", "evaluate.batch=16").check_returncode()
        self.assertEqual(self.steps("evaluated"), steps)
        self.assertEqual([record["step"] for record in self.log("evaluated") if "evaluated" in record], [2])
        self.assertIn("nothing left to do", self.limited(limit, "evaluated", f"distributed.replicas={replicas}", "evaluate.batch=16").stderr)

    def test_pictures_that_do_not_fit_cost_the_pictures(self):
        limit = self.address_space_of_a_small_run() + ROOM
        done = self.limited(limit, "no_pictures", "train.global_batch=64", "pictures.every_epochs=1", "pictures.samples=300000000", "pictures.reconstructions=4")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"no pictures at step 2: samples: ")
        self.assertEqual([path.name for path in (self.run_path("no_pictures") / "pictures").iterdir()], ["reconstructions_00000002.png"])

    def test_a_rank_of_several_says_it_and_ends_all(self):
        small, said = self.address_space_of_a_small_run(), []
        # What is left beside the largest tensors that fit may be less than the stack of a thread. Such an end is also told, and with
        # another limit something else is left.
        for limit in range(small + ROOM, small + ROOM + 500 * MIB, 100 * MIB):
            name = f"two_ranks_{len(said)}"
            done = self.limited(limit, name, np=2)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertRegex(done.stderr, r"vae_dist: rank [01]: (out of memory: |.*a thread cannot be started)")
            said.append(done.stderr)
            if re.search(r"rank [01]: out of memory: ", done.stderr):
                break
        self.assertIn("distributed.replicas=4 (R is 2 now)", said[-1])
        self.assertTrue(any("out of memory" in path.read_text() for path in (self.run_path(name) / "errors").iterdir()))

    def test_a_model_that_does_not_fit_is_told_from_a_step(self):
        limit = self.address_space_of_a_small_run() + ROOM
        done = self.limited(limit, "large_model", "model.name=mlp_vae", "model.hidden_dims=[20000, 20000]")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertRegex(done.stderr, r"vae_dist: out of memory: .*\nThe model does not fit")


if __name__ == "__main__":
    unittest.main()
