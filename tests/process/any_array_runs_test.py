"""Runs on series, volumes and vectors: the same bits at any number of ranks and through stops, with statistics, crops and flips; likelihoods of the file's values."""
import json
import sys
import unittest

import h5py
import numpy as np
import torch

import runs

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402

STEPS = 12


class AnyArrayRuns(runs.RunFolder):
    """R = 4, batches of 2 samples, epochs of 5 steps."""

    COMMON = ["distributed.reproducible=true", "distributed.replicas=4", "train.global_batch=8", "checkpoint.every_steps=6", "checkpoint.keep=9",
              "evaluate.every_epochs=1", "evaluate.importance_samples=4", "objective.reduction=sum"]
    # Series of two channels with conditions, volumes of two datasets with missing values, sparse vectors.
    KINDS = {
        "series": ["data.train={file: series.h5, dataset: x, layout: NWC, rows: [0, 40]}", "data.validation={file: series.h5, dataset: x, layout: NWC, rows: [40, 50]}",
                   "data.normalize=standardize", "data.transform=[asinh, none]", "data.flip=[W]", "model.name=vanilla_vae",
                   "data.train.condition=[{name: numbers, dataset: energy, transform: log}, {name: classes, dataset: kind}]"],
        "volumes": ["data.train={file: volumes.h5, dataset: [density, pressure], layout: NNDHW, rows: [0, 40]}", "data.validation.fraction=0.2",
                    "data.normalize=min_max", "data.random_crop=[4, 6, 5]", "data.flip=[D, H]", "model.name=resnet_vae", "data.cache=stream", "data.missing=mask"],
        "vectors": ["data.train={file: cells.h5, dataset: X, rows: [0, 40]}", "data.validation={file: cells.h5, dataset: X, rows: [40, 50]}",
                    "data.normalize=standardize", "data.transform=[log1p]", "model.name=mlp_vae", "model.hidden_dims=[]", "data.cache=stream", "data.shuffle_window_chunks=2"],
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.default_rng(22)
        with h5py.File(cls.folder / "series.h5", "w") as file:
            cls.series = (np.cumsum(random.standard_normal((50, 21, 2)), 1) * [300, 0.01] + [5, 1000]).astype("<f4")
            file["x"] = cls.series
            file["energy"], file["kind"] = np.exp(random.standard_normal(50)), random.integers(0, 3, 50)
        with h5py.File(cls.folder / "volumes.h5", "w") as file:
            for name, kind in (("density", "<f4"), ("pressure", "<i2")):
                values = random.standard_normal((5, 10, 7, 8, 9)).cumsum(2) * 50
                values[random.random(values.shape) < 0.2] = np.nan if name == "density" else -9999
                cls.pressure = values.astype(kind)
                file.create_dataset(name, data=cls.pressure, chunks=(1, 1, 3, 4, 5), compression="gzip")
            file["pressure"].attrs["_FillValue"] = np.int16(-9999)
        cls.cells = counts = random.poisson(0.5, (50, 30)).astype("<f4")
        with h5py.File(cls.folder / "cells.h5", "w") as file:
            file.create_dataset("X/data", data=counts[counts != 0], chunks=(40,), compression="gzip")
            file.create_dataset("X/indices", data=np.nonzero(counts)[1].astype("<i4"))
            file.create_dataset("X/indptr", data=np.concatenate([[0], np.cumsum((counts != 0).sum(1))]))
            file["X"].attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": counts.shape})

    def run_kind(self, kind, name, *overrides, np, steps=STEPS):
        return self.train(name, *self.COMMON, *self.KINDS[kind], f"train.steps={steps}", *overrides, np=np)

    def result(self, name):
        """Everything that must be equal: weights and optimizer at both checkpoints, every loss, every evaluation."""
        files = [(self.checkpoint(name, step) / file).read_bytes() for step in (6, STEPS) for file in ("weights.safetensors", "optimizer.safetensors")]
        times = ("step_seconds", "samples_per_second", "data_wait_seconds", "allreduce_wait_seconds")
        return files, [{key: value for key, value in record.items() if key not in times} for record in self.log(name) if "ranks" not in record]

    def test_the_same_bits_at_every_number_of_ranks_and_through_a_resume_with_others(self):
        for kind in self.KINDS:
            self.run_kind(kind, f"{kind}1", np=1)
            wanted = self.result(f"{kind}1")
            self.assertTrue(all(np.isfinite(record["loss"]) for record in wanted[1] if "loss" in record))
            state = json.loads((self.checkpoint(f"{kind}1", STEPS) / "state.json").read_text())
            for ranks in (2, 4):
                with self.subTest(kind=kind, np=ranks):
                    self.run_kind(kind, f"{kind}{ranks}", np=ranks)
                    files, records = self.result(f"{kind}{ranks}")
                    self.assertEqual(records, wanted[1])
                    self.assertEqual(files, wanted[0])
                    self.assertEqual(json.loads((self.checkpoint(f"{kind}{ranks}", STEPS) / "state.json").read_text())["normalisation"], state["normalisation"])
            with self.subTest(kind=kind, moved=True):
                self.run_kind(kind, f"{kind}_moved", np=4, steps=7)
                self.run_kind(kind, f"{kind}_moved", np=2)
                files, records = self.result(f"{kind}_moved")
                self.assertEqual(files, wanted[0])
                self.assertEqual([record for record in records if "loss" in record], [record for record in wanted[1] if "loss" in record])
            memory = self.KINDS[kind] + ["data.cache=memory"]
            if kind == "volumes":  # windows are drawn by sample and epoch, wherever the samples lie
                with self.subTest(kind=kind, memory=True):
                    self.train("in_memory", *self.COMMON, *memory, f"train.steps={STEPS}", "data.shuffle_window_chunks=0", np=2)
                    self.assertEqual(self.result("in_memory"), wanted)

    def test_what_comes_back_is_as_the_file_stores_it(self):
        """In the file's units and axes, one dataset for each that the channels come from; pictures of every kind are drawn."""
        random = np.random.default_rng(5)
        scalar, vector = (random.standard_normal((4, 6, 7, 9)) * 40 + 300).astype("<f4"), np.exp(random.standard_normal((4, 6, 7, 9, 2))).astype("<f8")
        with h5py.File(self.folder / "well.h5", "w") as file:
            file["t0_fields/temperature"], file["t1_fields/velocity"] = scalar, vector
        for kind, overrides, shown in (
                ("well", ["data.train={file: well.h5, dataset: [t0_fields/temperature, t1_fields/velocity], layout: NNHW(C)}", "data.transform=[none, log, log]"], {"t0_fields/temperature": scalar.reshape(24, 7, 9), "t1_fields/velocity": vector.reshape(24, 7, 9, 2)}),
                ("one_series", ["data.train={file: series.h5, dataset: x, layout: NWC}", "data.transform=asinh"], None),
                ("one_volume", ["data.train={file: volumes.h5, dataset: pressure, layout: NNDHW}", "data.missing=mask"], None),
                ("one_vector", ["data.train={file: cells.h5, dataset: X}", "model.name=mlp_vae"], None)):
            with self.subTest(kind):
                done = self.train(kind, *overrides, "data.normalize=standardize", "train.steps=3", "train.epochs=1", "pictures.every_epochs=1", "pictures.samples=8", "pictures.reconstructions=8", "pictures.traversals=2")
                self.assertNotIn("no pictures", done.stderr)
                self.program("reconstruct", "--checkpoint", f"runs/{kind}", "--rows", "0:24", "--out", f"{kind}_back.h5", "--overwrite", check=True)
                self.program("sample", "--checkpoint", f"runs/{kind}", "--count", "5", "--out", f"{kind}_drawn.h5", "--overwrite", check=True)
                self.program("interpolate", "--checkpoint", f"runs/{kind}", "--pairs", "0:1", "--out", f"{kind}_walk.h5", "--overwrite", check=True)
                for verb in (["reconstruct", "--rows", "0:8"], ["sample"], ["traverse", "--row", "0"], ["interpolate", "--pairs", "0:3"]):
                    self.program(verb[0], "--checkpoint", f"runs/{kind}", *verb[1:], "--out", f"{kind}.png", "--overwrite", check=True)
                with h5py.File(self.folder / f"{kind}_back.h5") as file, h5py.File(self.folder / f"{kind}_drawn.h5") as drawn, h5py.File(self.folder / f"{kind}_walk.h5") as walk:
                    if shown is None:
                        wanted = {"one_series": self.series, "one_volume": self.pressure.reshape(-1, 7, 8, 9), "one_vector": self.cells}[kind][:24]
                        wanted = np.where(wanted == -9999, np.nan, wanted)
                        np.testing.assert_allclose(file["originals"][...], wanted, rtol=2e-4, atol=1e-2 if kind == "one_volume" else 1e-4)
                        self.assertEqual(file["reconstructions"].shape, wanted.shape)
                        self.assertEqual(drawn["samples"].shape, (5, *wanted.shape[1:]))
                        self.assertEqual(walk["interpolations"].shape[2:], wanted.shape[1:])
                    else:
                        for name, values in shown.items():
                            np.testing.assert_allclose(file["originals"][name][...], values, rtol=1e-4, atol=1e-3)
                            self.assertEqual(file["reconstructions"][name].shape, values.shape)
                            self.assertEqual(drawn["samples"][name].shape, (5, *values.shape[1:]))
                            self.assertEqual(walk["originals"][name].shape, (1, 2, *values.shape[1:]))

    def test_the_likelihood_is_that_of_the_files_values(self):
        """A linear VAE for standardised series, and the same distribution as a model of the raw values: x_raw = s x + m turns sigma into s sigma."""
        with h5py.File(self.folder / "one.h5", "w") as file:
            raw = (np.random.default_rng(3).standard_normal((60, 20)) * 12.5 + 70).astype("<f4")
            file["x"] = raw
        common = ["data.train={file: one.h5, dataset: x, layout: NW, rows: [0, 48]}", "data.validation={file: one.h5, dataset: x, layout: NW, rows: [48, 60]}", "model.name=mlp_vae", "model.hidden_dims=[]", "model.output=identity", "objective.reduction=sum"]
        self.train("standard", *common, "data.normalize=standardize", "objective.sigma=0.8", "train.steps=8")
        tensors, _ = safetensors_file.read(self.checkpoint("standard") / "weights.safetensors")
        numbers = json.loads(json.loads((self.checkpoint("standard") / "state.json").read_text())["normalisation"])
        mean, deviation = numbers["shift"][0], 1 / numbers["factor"][0]
        np.testing.assert_allclose([mean, deviation], [raw[:48].astype(np.float64).mean(), raw[:48].astype(np.float64).std()], rtol=1e-12)
        for name in ("fc_mu", "fc_var"):
            tensors[f"{name}.bias"] = tensors[f"{name}.bias"] - tensors[f"{name}.weight"].sum(1) * mean / deviation
            tensors[f"{name}.weight"] = tensors[f"{name}.weight"] / deviation
        for name in [name for name in tensors if name.startswith("final_layer")]:
            tensors[name] = tensors[name] * deviation + (mean if name.endswith("bias") else 0)
        torch.save(tensors, self.folder / "raw.pt")
        self.program("weights", "import", "raw.pt", "--config", "run.yaml", "run.name=raw", *runs.SMALL, *common, "data.normalize=none", f"objective.sigma={0.8 * deviation}", check=True)
        found = []
        for name in ("standard", "raw"):
            self.program("evaluate", "--checkpoint", f"runs/{name}", "--importance-samples", "16", "--json", f"{name}.json", "--overwrite", check=True)
            found.append(json.loads((self.folder / f"{name}.json").read_text()))
        for key in ("elbo_nats", "bits_per_dim"):
            self.assertAlmostEqual(found[0][key], found[1][key], delta=1e-4 * abs(found[0][key]))
        for one, other in zip(found[0]["log_p_nats"], found[1]["log_p_nats"]):
            self.assertAlmostEqual(one["nats"], other["nats"], delta=1e-4 * abs(one["nats"]))
        self.assertEqual(len(found[0]["log_p_nats"]), 3)


if __name__ == "__main__":
    unittest.main()
