"""Files as laboratories write them train unconverted: an autoencoder of each explains at least as much of the held-out variance as PCA with as many components."""
import unittest

import h5py
import numpy as np

import runs

TRAINING, HELD_OUT, LATENT = 320, 80, 2


def waves(random, count, *space):
    """[count, *space]: a bump whose place and height are drawn, so that two numbers say all, but not linearly."""
    place, height = random.uniform(0.2, 0.8, count), random.uniform(0.5, 2, count)
    across = np.meshgrid(*(np.linspace(0, 1, size) for size in space), indexing="ij")
    distance = sum((axis[None] - (place if i == 0 else 1 - place).reshape(-1, *[1] * len(space))) ** 2 for i, axis in enumerate(across))
    return height.reshape(-1, *[1] * len(space)) * np.exp(-distance / 0.03)


class CommunityFiles(runs.RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = np.random.default_rng(22)

    def bumps(self, *space, channels=None):
        """[N, *space] or [N, C, *space] with channels that the same two numbers decide."""
        base = waves(self.random, TRAINING + HELD_OUT, *space)
        return base if channels is None else np.stack([base * (c + 1) + 0.1 * base**2 for c in range(channels)], 1)

    def explained(self, originals, made, scale):
        residual, total = (originals - made) / scale, (originals - originals.mean(0)) / scale
        return 1 - (residual**2).sum() / (total**2).sum()

    def check(self, name, values, source, *overrides):
        """`values`: [N, channels, positions] as numpy has them; `source`: the three lines of configuration of data.train."""
        train = ", ".join(source)
        self.train(name, f"data.train={{{train}, rows: [0, {TRAINING}]}}", f"data.validation={{{train}, rows: [{TRAINING}, {TRAINING + HELD_OUT}]}}", "data.normalize=standardize",
                   "model.name=mlp_vae", "model.hidden_dims=[48, 48]", f"model.latent_dim={LATENT}", "objective.kld_weight.rule=fixed", "objective.kld_weight.weight=1e-6",
                   "train.optimizer.learning_rate=0.004", "train.global_batch=32", "train.epochs=60", "log.every_steps=100", "pictures.every_epochs=0", *overrides)
        self.program("reconstruct", "--checkpoint", f"runs/{name}", "--rows", f"0:{HELD_OUT}", "--out", f"{name}_back.h5", "--overwrite", check=True)
        with h5py.File(self.folder / f"{name}_back.h5") as file:
            made = {}
            for kind in ("originals", "reconstructions"):
                parts = []
                (file[kind].visititems(lambda _, item: parts.append(item[...]) if isinstance(item, h5py.Dataset) else None) if isinstance(file[kind], h5py.Group) else parts.append(file[kind][...]))
                made[kind] = np.concatenate([part.reshape(HELD_OUT, -1) for part in parts], 1).astype(np.float64)
        fitted, held_out = values[:TRAINING].astype(np.float64), values[TRAINING:].astype(np.float64)
        # By channel, as data.normalize does it; in the order in which the file has the values.
        scale = np.broadcast_to(fitted.std((0, 2), keepdims=True), fitted.shape[:1] + fitted.shape[1:])[0].reshape(1, -1)
        rows, wanted = fitted.reshape(TRAINING, -1) / scale, held_out.reshape(HELD_OUT, -1) / scale
        directions = np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][:LATENT]
        by_pca = rows.mean(0) + (wanted - rows.mean(0)) @ directions.T @ directions
        np.testing.assert_allclose(np.sort(made["originals"], None), np.sort(held_out, None), rtol=1e-3, atol=1e-3 * np.abs(held_out).max())
        pca = self.explained(wanted, by_pca, 1)
        # The same rows and values in another order explain the same share; channels of other scales are weighted alike.
        order = self.order_of(made["originals"], held_out.reshape(HELD_OUT, -1))
        ours = self.explained(made["originals"][:, order] / scale, made["reconstructions"][:, order] / scale, 1)
        self.assertGreaterEqual(ours, pca, f"{name}: the autoencoder explains {ours:.4f} of the held-out variance, PCA {pca:.4f}")
        return ours, pca

    def order_of(self, made, wanted):
        """The columns of `made` in the order of `wanted`."""
        if np.allclose(made, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max()):
            return np.arange(made.shape[1])
        places = {tuple(np.round(column / np.abs(wanted).max(), 3)): i for i, column in enumerate(made.T)}
        return np.array([places[tuple(np.round(column / np.abs(wanted).max(), 3))] for column in wanted.T])

    def write(self, file, **datasets):
        with h5py.File(self.folder / file, "w") as opened:
            for name, (values, options) in datasets.items():
                opened.create_dataset(name.replace("__", "/"), data=values, **options)

    def test_the_well(self):
        """Fields with axes for trajectory and time, found by their attributes."""
        values = self.bumps(12, 10, channels=2)
        with h5py.File(self.folder / "well.hdf5", "w") as file:
            for c, name in enumerate(("density", "pressure")):
                field = file.create_dataset(f"t0_fields/{name}", data=values[:, c].reshape(8, 50, 12, 10).astype("<f4"), chunks=(1, 10, 12, 10))
                field.attrs.update({"sample_varying": True, "time_varying": True, "dim_varying": np.array([True, True])})
        self.check("well", values.reshape(len(values), 2, -1), ["file: well.hdf5", "dataset: [t0_fields/density, t0_fields/pressure]"])

    def test_flowgen_snapshots(self):
        """One file a snapshot, with a group of fields."""
        values = self.bumps(4, 5, 6, channels=3)
        (self.folder / "snapshots").mkdir()
        for i, sample in enumerate(values):
            self.write(f"snapshots/flow_{i}.h5", primes__p=(sample[0], {}), primes__u=(sample[1], {}), primes__v=(sample[2], {}))
        self.check("flowgen", values.reshape(len(values), 3, -1), ["file: snapshots/*.h5", "dataset: [primes/p, primes/u, primes/v]", "layout: DHW"])

    def test_calo_challenge(self):
        values = self.bumps(60).astype("<f8")
        self.write("calo.hdf5", showers=(values, {"compression": "gzip"}), incident_energies=(values.sum(1, keepdims=True), {}))
        self.check("calo", values[:, :, None], ["file: calo.hdf5", "dataset: showers", "layout: NV"])

    def test_ann_data(self):
        """Dense, and in compressed rows."""
        values = np.where((bumps := self.bumps(60)) > 0.3, np.round(bumps * 20), 0).astype("<f4")
        values[:, values[:TRAINING].std(0) == 0] = 0
        values = values[:, values[:TRAINING].std(0) > 0]
        with h5py.File(self.folder / "dense.h5ad", "w") as file:
            file["X"] = values
            file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        with h5py.File(self.folder / "sparse.h5ad", "w") as file:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array(values.shape)})
            group["data"], group["indices"] = values[values != 0], np.nonzero(values)[1].astype("<i4")
            group["indptr"] = np.concatenate([[0], np.cumsum((values != 0).sum(1))]).astype("<i4")
        found = [self.check(name, values[:, :, None], [f"file: {name}.h5ad", "dataset: X"]) for name in ("dense", "sparse")]
        self.assertEqual(*found)

    def test_deep_drive_md(self):
        values = (self.bumps(12, 12) > 0.4).astype("u1")
        self.write("contacts.h5", contact_map=(values, {"chunks": (1, 12, 12)}), rmsd=(np.zeros(len(values), "<f4"), {}))
        self.check("contacts", values.reshape(len(values), 1, -1), ["file: contacts.h5", "dataset: contact_map"])

    def test_matlab(self):
        """MATLAB's v7.3 files: the axes in HDF5 are reversed."""
        values = self.bumps(9, 11)
        self.write("matlab.mat", x=(np.ascontiguousarray(values.transpose(2, 1, 0)), {"chunks": (4, 3, 50), "compression": "gzip"}))
        with h5py.File(self.folder / "matlab.mat", "r+") as file:
            file["x"].attrs["MATLAB_class"] = np.bytes_("double")
        refused = self.program("data", "info", "matlab.mat")
        self.assertIn("WHN", refused.stdout + refused.stderr)
        self.check("matlab", values.reshape(len(values), 1, -1), ["file: matlab.mat", "dataset: x", "layout: WHN"])

    def test_pcam_and_galaxy10(self):
        """Colour images of bytes: channels last."""
        values = np.clip(self.bumps(10, 10, channels=3) * 40, 0, 255).astype("u1")
        stored = np.ascontiguousarray(values.transpose(0, 2, 3, 1))
        self.write("pcam.h5", x=(stored, {"chunks": (1, 10, 10, 3)}))
        self.write("galaxy.h5", images=(stored, {}), ans=(np.zeros(len(stored), "u1"), {}))
        for name, dataset in (("pcam", "x"), ("galaxy", "images")):
            self.check(name, values.reshape(len(values), 3, -1), [f"file: {name}.h5", f"dataset: {dataset}"])

    def test_usps(self):
        """Vectors in groups for training and test."""
        values = self.bumps(64).astype("<f4")
        self.write("usps.h5", train__data=(values, {}), train__target=(np.zeros(len(values), "<i8"), {}))
        self.check("usps", values[:, :, None], ["file: usps.h5", "dataset: train/data", "layout: NV"])

    def test_a_ct_series_in_signed_integers(self):
        values = np.round(self.bumps(6, 7, 8) * 900 - 1000).astype("<i2")
        self.write("ct.h5", volumes=(values, {"chunks": (1, 6, 7, 8), "shuffle": True, "compression": "gzip"}))
        self.check("ct", values.reshape(len(values), 1, -1), ["file: ct.h5", "dataset: volumes", "layout: NDHW"])


if __name__ == "__main__":
    unittest.main()
