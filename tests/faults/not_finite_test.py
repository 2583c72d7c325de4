"""NaN in one rank's gradient, in a forward pass or in the data, and a flipped bit in one rank's weights. (tests/step/skipped_step_test.cpp
and failure_test check that a skipped step changes nothing, for each cause and kind of batch norm.)"""
import json
import os
import re
import unittest

import h5py
import numpy

import runs
from comparing import read_safetensors
from launched import Launched, drawn, record

RANKS = 4
SETTINGS = ["train.steps=10", "distributed.replicas=4", "checkpoint.every_steps=1", "checkpoint.keep=20"]


class Faulty(Launched):
    """Starts the program with an injected fault (faults.cpp)."""

    def faulty(self, name, fault, *overrides, np=RANKS):
        with open(self.folder / f"{name}.txt", "w") as output:
            process = self.start("train", "--config", "run.yaml", f"run.name={name}", *runs.SMALL, *SETTINGS, *overrides, np=np, output=output, program=os.environ["VAE_DIST_FAULTY"],
                                 launcher=lambda np, command: ["env", f"VAE_DIST_FAULT={fault}", *runs.mpirun(np, command)])
        self.addCleanup(self.end, process)
        process.said = (self.folder / f"{name}.txt").read_text
        return self.wait_for_end(process), process.said()

    def state(self, name, step):
        return [(self.checkpoint(name, step) / file).read_bytes() for file in ("weights.safetensors", "optimizer.safetensors")]


class OneRanksNaN(Faulty):
    def test_skips_the_step_on_all_ranks_and_leaves_nothing(self):
        random = drawn("NaN in one rank")
        injected = 0
        for kind in ("nan_gradient", "nan_forward"):
            for rank in (0, random.randrange(1, RANKS)):
                with self.subTest(kind=kind, rank=rank):
                    bad = random.randrange(3, 9)
                    name = f"{kind}_{rank}"
                    code, said = self.faulty(name, f"{kind} rank={rank} step={bad} times=1")
                    self.assertEqual(code, 0, said)
                    self.assertEqual([step for step, entry in sorted(self.steps(name).items()) if entry["skipped"]], [bad])
                    self.assertIn(f"step {bad} was skipped on all ranks", said)
                    # Weights, batch-norm statistics, moments and their count are those of the previous step. Each checkpoint checks that the ranks
                    # agree.
                    self.assertEqual(self.state(name, bad), self.state(name, bad - 1))
                    before, after = (json.loads((self.checkpoint(name, step) / "state.json").read_text()) for step in (bad - 1, bad))
                    self.assertEqual((after["optimizer_step"], after["skipped_steps"]), (before["optimizer_step"], 1))
                    self.assertNotEqual(self.state(name, bad + 1), self.state(name, bad))
                    self.assertTrue(all(numpy.isfinite(tensor).all() for tensor in read_safetensors(self.checkpoint(name, 10) / "weights.safetensors").values()))
                    injected += 1
        record("NaN in one rank's gradient or forward pass", injected, "the step was skipped on all ranks, state untouched bit for bit", 1)

    def test_that_goes_on_ends_the_run_naming_the_samples(self):
        code, said = self.faulty("always", "nan_forward rank=2 step=4 times=100", "train.max_skipped_steps=3", "train.steps=100")
        self.assertEqual(code, 3, said)
        named = re.search(r"3 steps in a row were skipped .*, the last with loss -?nan .* The data.train samples of the last step were ([\d, ]+)\.", said)
        self.assertEqual(len(set(named[1].split(", "))), 16)


class FlippedBit(Faulty):
    def test_in_one_ranks_weights_is_found_and_named_at_the_next_checkpoint(self):
        random = drawn("a flipped bit")
        for rank in (random.randrange(1, RANKS), 0):
            with self.subTest(rank=rank):
                name = f"flipped_{rank}"
                code, said = self.faulty(name, f"flip_bit rank={rank} step={random.randrange(2, 6)} times=1", "checkpoint.every_steps=5", "checkpoint.keep=5", "train.steps=20")
                self.assertEqual(code, 3, said)
                self.assertRegex(said, rf"the ranks differ in their weights and optimizer state after step 5 \(nothing was saved\): ranks [\d, ]+ have \w+, but rank {rank} has \w+")
                self.assertEqual(self.checkpoints(name), [])
        record("one bit flipped in one rank's weights", 2, "the rank was named at the next checkpoint, nothing was saved", 5)


class NaNInTheData(Launched):
    def test_ends_the_run_with_the_samples_index_wherever_it_is_read(self):
        bad = drawn("NaN in the data").randrange(200)
        with h5py.File(self.folder / "shapes.h5") as file, h5py.File(self.folder / "nan.h5", "w") as out:
            images = file["imgs"][:].astype("float32") / 255
            images[bad, 3, 4] = numpy.nan
            out.create_dataset("imgs", data=images, chunks=(8, 16, 16))
        for cache in ("memory", "stream"):
            with self.subTest(cache):
                code, said = self.launched(f"data_{cache}", "data.train.file=nan.h5", "data.train.scale=1", f"data.cache={cache}", "train.steps=100000", np=2)
                self.assertEqual(code, 2, said)
                self.assertRegex(said, rf"vae_dist: .*nan.h5, dataset 'imgs': row {bad} holds a value that is not a finite number \(value 52 of the sample\)")
                self.assertIn("vae_launch: refused", said)
        record("NaN in the data", 2, "the run ended with the sample's index", None)


if __name__ == "__main__":
    unittest.main()
