"""Counts are learned as they are stored, while the encoder sees their logarithms."""
import json
import re
import sys
import unittest

import h5py
import numpy as np

import runs

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402


class CountRuns(runs.RunFolder):
    """Cells of two kinds, as AnnData stores counts: by rows, sparse."""

    COMMON = ["data.train={file: cells.h5ad, dataset: X, rows: [0, 160]}", "data.validation={file: cells.h5ad, dataset: X, rows: [160, 200]}", "model.name=mlp_vae", "model.hidden_dims=[16]",
              "objective.reduction=sum", "train.global_batch=32", "train.optimizer.learning_rate=0.01", "data.normalize=none"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.default_rng(6)
        cls.kind = random.integers(0, 2, 200)
        profile = random.gamma(0.5, 1, (2, 40))
        depth = random.uniform(50, 400, 200)
        cls.counts = counts = random.poisson(profile[cls.kind] / profile.sum(1)[cls.kind, None] * depth[:, None]).astype("<f4")
        with h5py.File(cls.folder / "cells.h5ad", "w") as file:
            file["X/data"], file["X/indices"], file["X/indptr"] = counts[counts != 0], np.nonzero(counts)[1].astype("<i4"), np.concatenate([[0], np.cumsum((counts != 0).sum(1))])
            file["X"].attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": counts.shape})

    def test_they_train_with_each_likelihood(self):
        for likelihood in ("poisson", "negative_binomial", "zero_inflated_negative_binomial"):
            with self.subTest(likelihood):
                self.train(likelihood, *self.COMMON, f"objective.likelihood={likelihood}", "data.encoder_transform=log1p", "train.steps=150", "train.epochs=30", "evaluate.every_epochs=30")
                losses = self.losses(likelihood)
                self.assertLess(np.mean(losses[-5:]), 0.9 * losses[0])
                self.program("evaluate", "--checkpoint", f"runs/{likelihood}", "--importance-samples", "16", "--json", "counts.json", "--overwrite", check=True)
                figures = json.loads((self.folder / "counts.json").read_text())
                self.assertGreaterEqual(figures["log_p_nats"][-1]["nats"], figures["elbo_nats"] - 1)
                self.assertEqual(figures["compared_samples"], "draws of p(x|z)")
                # Each draw has the total of a sample of the data, not objective.generated_total, 10000.
                self.assertLess(figures["totals"]["samples_above"], 0.3)
                self.assertLess(figures["totals"]["separation_power"], 0.8)
                self.program("reconstruct", "--checkpoint", f"runs/{likelihood}", "--rows", "0:40", "--out", "back.h5", "--overwrite", check=True)
                self.program("sample", "--checkpoint", f"runs/{likelihood}", "--count", "30", "--values", "sample", "--out", "drawn.h5", "--overwrite", check=True)
                with h5py.File(self.folder / "back.h5") as back, h5py.File(self.folder / "drawn.h5") as drawn:
                    originals, reconstructions, samples = back["originals"][...], back["reconstructions"][...], drawn["samples"][...]
                np.testing.assert_array_equal(originals, self.counts[160:])
                said = self.program("weights", "export", "--checkpoint", f"runs/{likelihood}", "--out", "counts.safetensors", "--overwrite", check=True).stdout
                self.assertIn("softmax", said)
                self.assertEqual(json.loads(safetensors_file.read(self.folder / "counts.safetensors")[1]["encoder_transform"]), ["log1p"])
                if likelihood != "zero_inflated_negative_binomial":
                    np.testing.assert_allclose(reconstructions.sum(1), originals.sum(1), rtol=1e-4)  # each has its sample's total
                np.testing.assert_array_equal(samples, np.round(samples))
                self.assertGreater(samples.sum(), 0)

    def test_the_encoder_alone_sees_the_transform(self):
        """The same bits at other numbers of ranks; and with it, other ones than without it."""
        common = [*self.COMMON, "objective.likelihood=negative_binomial", "train.steps=12", "distributed.reproducible=true", "distributed.replicas=4"]
        for name, ranks, overrides in (("one", 1, ["data.encoder_transform=log1p"]), ("four", 4, ["data.encoder_transform=log1p"]), ("raw", 1, [])):
            self.train(name, *common, *overrides, np=ranks)
        weights = {name: (self.checkpoint(name) / "weights.safetensors").read_bytes() for name in ("one", "four", "raw")}
        self.assertEqual(weights["one"], weights["four"])
        self.assertNotEqual(weights["one"], weights["raw"])

    def test_counts_that_are_changed_are_refused(self):
        for overrides, words in ((["data.normalize=standardize"], "needs counts as they are stored"), (["data.transform=log1p"], "needs counts as they are stored"),
                                 (["data.encoder_transform=square"], "data.encoder_transform holds 'square'")):
            done = self.train("refused", *self.COMMON, "objective.likelihood=poisson", *overrides, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)

    def test_values_without_an_encoder_transform_are_refused_at_the_start(self):
        """The logarithm of a count of 0 would be infinite in what the encoder sees; the row is that of the file."""
        for overrides in ([], ["data.cache=stream"]):
            done = self.train("refused", *self.COMMON, "objective.likelihood=poisson", "data.encoder_transform=log", *overrides, np=2, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            row = re.search(r"cells\.h5ad.*: row (\d+) holds a value that data\.encoder_transform cannot be applied to: choose another one \(log1p takes", done.stderr)
            self.assertTrue(row, done.stderr)
            self.assertEqual(self.counts[int(row[1])].min(), 0)


if __name__ == "__main__":
    unittest.main()
