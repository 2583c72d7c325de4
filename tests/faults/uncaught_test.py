"""A rank from which an exception escapes where nothing can catch it ends all ranks as a failing rank does: with exit code 3, its message, a file in errors/, and the last step saved."""
import os
import re

import runs
from deadline import HANGS_S
from launched import Launched
from ranks import is_alive

FAULTY = os.environ["VAE_DIST_FAULTY"]
SETTINGS = ["model.hidden_dims=[32, 64]", "train.global_batch=40", "distributed.replicas=2", "checkpoint.every_steps=0", "train.steps=100000"]
PLANTED = {"deleter": "planted in a deleter", "thread": "planted in a thread"}
STEP = 7


class Uncaught(Launched):
    def run_with(self, kind, np):
        """Returns the run's name and its output once the launcher and all ranks have ended."""
        name = f"{kind}_{np}"
        said = self.folder / f"{name}.txt"
        with open(said, "w") as output:
            process = self.start("train", "--config", "run.yaml", f"run.name={name}", *runs.SMALL, *SETTINGS, np=np, program=FAULTY, output=output,
                                 env={"VAE_DIST_FAULT": f"{kind} rank={(np or 1) - 1} step={STEP} times=1"})
        process.said = said.read_text
        self.addCleanup(self.end, process)
        ranks = {}
        def all_started():
            ranks.update(process.ranks())
            return process.poll() is not None or len(ranks) == np
        if np:
            self.wait_until(all_started, HANGS_S, "the start of all ranks")
        self.assertEqual(self.wait_for_end(process), 3, process.said())
        self.wait_until(lambda: not any(is_alive(pid) for pid in ranks.values()), HANGS_S, "the end of all ranks")
        return name, process.said()

    def check_error_file(self, name, rank, planted):
        file = (self.run_path(name) / "errors" / f"rank_{rank}.txt").read_text()
        self.assertIn(planted, file)
        self.assertIn("The exception escaped where nothing can catch it", file)

    def test_one_of_two_ranks_ends_both_and_the_last_step_is_saved(self):
        for kind, planted in PLANTED.items():
            with self.subTest(kind=kind):
                name, said = self.run_with(kind, 2)
                messages = re.findall(r"^vae_dist: rank .*", said, re.MULTILINE)
                self.assertEqual([message for message in messages if "as a consequence" not in message], [f"vae_dist: rank 1: {planted}"], said)
                self.check_error_file(name, 1, planted)
                saved = re.search(r"saved the last step before the failure, (\d+)", said)
                self.assertTrue(saved, said)
                self.assertEqual(int(saved[1]), STEP - 1)
                self.assertEqual(self.checkpoints(name), [STEP - 1])

    def test_a_single_process_says_so_too(self):
        for kind, planted in PLANTED.items():
            with self.subTest(kind=kind):
                name, said = self.run_with(kind, None)
                self.assertEqual(re.findall(r"^vae_dist: .*", said, re.MULTILINE), [f"vae_dist: {planted}"], said)
                self.check_error_file(name, 0, planted)
