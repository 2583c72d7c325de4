"""Values that the file says are missing: refused by default; with data.missing: mask, no loss counts them and the model sees where they are."""
import json
import sys
import unittest

import h5py
import numpy as np

import runs

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402


class MissingValues(runs.RunFolder):
    MASKED = ["data.normalize=standardize", "data.missing=mask", "train.steps=20", "train.epochs=9", "train.global_batch=8"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.default_rng(8)
        cls.values = np.round(random.standard_normal((40, 2, 6, 8)).cumsum(3) * 100 + 500).astype("<f4")
        cls.missing = random.random(cls.values.shape) < np.linspace(0, 0.6, 40)[:, None, None, None]
        cls.missing[3] = True  # of one sample nothing is known
        with h5py.File(cls.folder / "fields.h5", "w") as file:
            file["nan"] = np.where(cls.missing, np.nan, cls.values)
            file["marked"] = np.where(cls.missing, -9999, cls.values).astype("<i2")
            file["marked"].attrs["_FillValue"] = np.int16(-9999)

    def data(self, name, rows="[0, 32]"):
        return f"data.train={{file: fields.h5, dataset: {name}, layout: NCHW, rows: {rows}}}"

    def test_without_a_mask_they_are_refused_by_sample(self):
        for name, words in (("nan", "holds a value that is not a finite number"), ("marked", "holds -9999 (value")):
            done = self.train("refused", self.data(name), "data.normalize=standardize", "train.steps=1", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)
            self.assertRegex(done.stderr, r"row \d+")

    def test_a_marker_is_as_good_as_nan(self):
        weights = []
        for name in ("nan", "marked"):
            self.train(name, self.data(name), *self.MASKED, np=2)
            weights.append((self.checkpoint(name) / "weights.safetensors").read_bytes())
        self.assertEqual(*weights)
        tensors, _ = safetensors_file.read(self.checkpoint("nan") / "weights.safetensors")
        self.assertEqual(tensors["encoder.0.0.weight"].shape[1], 4)  # two channels, and where they are observed
        numbers = json.loads(json.loads((self.checkpoint("nan") / "state.json").read_text())["normalisation"])
        known = np.where(self.missing, np.nan, self.values.astype("<f8"))[:32]
        np.testing.assert_allclose(numbers["shift"], np.nanmean(known, (0, 2, 3)), rtol=1e-9)
        np.testing.assert_allclose(1 / np.array(numbers["factor"]), np.nanstd(known, (0, 2, 3)), rtol=1e-9)

    def test_errors_are_means_over_what_is_observed(self):
        """The evaluation's figures from the written reconstructions: each sample's mean over its own observed values."""
        for likelihood in ("gaussian", "laplace"):
            with self.subTest(likelihood):
                self.train(f"mean_{likelihood}", self.data("nan"), *self.MASKED, "data.validation={file: fields.h5, dataset: nan, layout: NCHW, rows: [32, 40]}",
                           f"objective.likelihood={likelihood}", "model.name=autoencoder")
                self.program("evaluate", "--checkpoint", f"runs/mean_{likelihood}", "--json", "figures.json", "--overwrite", check=True)
                self.program("reconstruct", "--checkpoint", f"runs/mean_{likelihood}", "--rows", "0:8", "--out", "back.h5", "--overwrite", check=True)
                figures = json.loads((self.folder / "figures.json").read_text())
                numbers = json.loads(json.loads((self.checkpoint(f"mean_{likelihood}") / "state.json").read_text())["normalisation"])
                with h5py.File(self.folder / "back.h5") as file:
                    originals, back = file["originals"][...].astype("<f8"), file["reconstructions"][...].astype("<f8")
                np.testing.assert_array_equal(np.isnan(originals), self.missing[32:])
                np.testing.assert_allclose(originals[~self.missing[32:]], self.values[32:][~self.missing[32:]], rtol=1e-5)
                errors = (originals - back) * np.array(numbers["factor"])[:, None, None]
                mse = np.nanmean(errors.reshape(8, -1) ** 2, 1).mean()
                self.assertAlmostEqual(figures["mse"] / mse, 1, delta=1e-3)
                nats = np.abs(errors) + np.log(2)  # Laplace's, b = 1
                wanted = mse if likelihood == "gaussian" else np.nanmean(nats.reshape(8, -1), 1).mean()
                self.assertAlmostEqual(figures["loss"] / wanted, 1, delta=1e-3)

    def test_what_stands_in_a_missing_place_is_never_read(self):
        """Two files that differ in hidden values alone give the same run; one more observed value gives another."""
        with h5py.File(self.folder / "hidden.h5", "w") as file:
            other = self.missing.copy()
            other[5, 0, 0, 0] = ~other[5, 0, 0, 0]
            file["less"] = np.where(other, np.nan, self.values)
        self.train("reference", self.data("nan"), *self.MASKED)
        self.train("less", self.data("less").replace("fields.h5", "hidden.h5"), *self.MASKED)
        self.assertNotEqual(self.losses("reference"), self.losses("less"))
        self.assertTrue(all(np.isfinite(self.losses("reference"))))

    def test_exported_weights_say_that_values_may_be_missing(self):
        self.train("exported", self.data("nan"), *self.MASKED, "data.transform=[none, asinh]")
        self.program("weights", "export", "--checkpoint", "runs/exported", "--out", "exported.safetensors", check=True)
        _, metadata = safetensors_file.read(self.folder / "exported.safetensors")
        self.assertEqual(metadata["missing"], "mask")
        self.assertEqual(json.loads(metadata["normalisation"])["transform"], ["none", "asinh"])

    def test_bounds_count_observed_values(self):
        self.train("bound", self.data("nan"), *self.MASKED, "objective.reduction=sum", "objective.variance=learned")
        self.program("evaluate", "--checkpoint", "runs/bound", "--split", "train", "--importance-samples", "4", "--json", "bound.json", "--overwrite", check=True)
        figures = json.loads((self.folder / "bound.json").read_text())
        observed = (~self.missing[:32]).sum() / 32
        self.assertAlmostEqual(figures["bits_per_dim"], -figures["elbo_nats"] / (observed * np.log(2)), delta=1e-6 * abs(figures["bits_per_dim"]))
        self.assertGreaterEqual(figures["log_p_nats"][-1]["nats"], figures["elbo_nats"] - 1)

    def test_sparse_rows_have_no_missing_values(self):
        with h5py.File(self.folder / "cells.h5", "w") as file:
            file["X/data"], file["X/indices"], file["X/indptr"] = np.ones(4, "<f4"), np.zeros(4, "<i4"), np.arange(5)
            file["X"].attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (4, 3)})
        done = self.train("sparse", "data.train={file: cells.h5, dataset: X}", "data.normalize=standardize", "data.missing=mask", "model.name=mlp_vae", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("sparse rows, which cannot have missing values", done.stderr)


if __name__ == "__main__":
    unittest.main()
