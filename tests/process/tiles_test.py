"""`vae_dist reconstruct` of models that were trained on crops: whole samples, put together from tiles, are what the same model makes of a file that holds the tiles as samples."""
import itertools
import unittest

import h5py
import numpy as np

import runs


def stretches(space, size):
    """Along one axis: where each tile begins, and the values of the sample for which it counts: those whose nearest middle of a tile is its own."""
    firsts = [min(first, space - size) for first in range(0, space, size)]
    middles = [first + (size - 1) / 2 for first in firsts]
    nearest = [min(range(len(firsts)), key=lambda t: (abs(middles[t] - i), t)) for i in range(space)]
    return [(first, [i for i, t in enumerate(nearest) if t == number]) for number, first in enumerate(firsts)]


def tiles(space, size):
    """(slices of the tile, slices of where it counts in the sample, the same in the tile)."""
    for parts in itertools.product(*map(stretches, space, size)):
        yield (tuple(slice(first, first + length) for (first, _), length in zip(parts, size)), tuple(slice(kept[0], kept[-1] + 1) for _, kept in parts),
               tuple(slice(kept[0] - first, kept[-1] + 1 - first) for first, kept in parts))


class Tiles(runs.RunFolder):
    ROWS = 12

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = np.random.default_rng(31)

    def smooth(self, *shape):
        """Values of which no two tiles are alike."""
        return self.random.standard_normal(shape).cumsum(-1) * 20 + 100

    def write(self, name, datasets, attributes=None, **options):
        with h5py.File(self.folder / name, "w") as file:
            for path, values in datasets.items():
                file.create_dataset(path, data=values, **(options if path in ("x", "u", "v") else {}))
                file[path].attrs.update((attributes or {}).get(path, {}))

    def back(self, run, *arguments):
        self.program("reconstruct", "--checkpoint", f"runs/{run}", "--out", "back.h5", "--overwrite", *arguments, check=True)
        out = {}
        with h5py.File(self.folder / "back.h5") as file:
            file.visititems(lambda name, item: out.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None)
        return out

    def check(self, run, space, size, datasets, place_of_space, told=None, attributes=None, stored=None, tolerance=1e-6):
        """datasets: name -> [N, axes...] of the file; place_of_space: name -> position of its first axis of space behind N."""
        whole = self.back(run)
        parts = list(tiles(space, size))
        self.assertGreater(len(parts), 1)
        cut = lambda values, name, where: values[(slice(None),) * place_of_space[name] + where]  # noqa: E731
        # All tiles of the first sample, then those of the second, ...
        as_samples = {name: np.stack([cut(row, name, tile) for row in values for tile, _, _ in parts]) for name, values in datasets.items()}
        self.write("tiles.h5", {**as_samples, **{name: np.repeat(values, len(parts), 0) for name, values in (told or {}).items()}}, attributes)
        of_tiles = self.back(run, "--data", "tiles.h5", "--rows", f"0:{self.ROWS * len(parts)}")
        self.assertEqual(whole.keys(), of_tiles.keys())
        for name, values in datasets.items():
            path = f"/{name}" if len(datasets) > 1 else ""
            made, original = whole[f"reconstructions{path}"], whole[f"originals{path}"]
            self.assertEqual(made.shape, values.shape)
            np.testing.assert_allclose(original, values if stored is None else stored[name], rtol=1e-5, atol=1e-4)
            scale = np.ptp(made)
            self.assertGreater(scale, 0)
            covered = np.zeros(made.shape, int)
            for row in range(self.ROWS):
                for t, (_, kept, inside) in enumerate(parts):
                    expected = cut(of_tiles[f"reconstructions{path}"][row * len(parts) + t], name, inside)
                    np.testing.assert_allclose(cut(made[row], name, kept), expected, rtol=tolerance, atol=tolerance * scale)
                    cut(covered[row], name, kept)[...] += 1
            self.assertTrue((covered == 1).all())
        return whole

    def test_series_in_the_files_layout_and_units(self):
        x = self.smooth(self.ROWS, 23, 2).astype("<f4")
        self.write("series.h5", {"x": x}, {"x": {"units": "mV"}})
        self.train("series", "data.train={file: series.h5, dataset: x, layout: NWC}", "data.normalize=standardize", "data.random_crop=[8]", "train.steps=6", "train.global_batch=4")
        self.check("series", [23], [8], {"x": x}, {"x": 0})
        with h5py.File(self.folder / "back.h5") as file:
            self.assertEqual(file["reconstructions"].attrs["units"], "mV")  # also of a file without units: the model's are those of its training data
        # The crop in the middle, as in evaluations.
        middle = self.back("series", "--crop", "middle")["originals"]
        np.testing.assert_allclose(middle, x[:, 7:15], rtol=1e-5)

    def test_pictures_with_conditions(self):
        """Grey pictures by their scale come back in the model's range; every tile is told what its sample is."""
        x, kind, energy = self.random.integers(0, 256, (self.ROWS, 19, 16), dtype="u1"), np.arange(self.ROWS) % 3, self.random.random(self.ROWS) + 1
        told = {"kind": kind, "energy": energy}
        # Many rows a chunk: samples are not decoded alone.
        self.write("pictures.h5", {"x": x, **told}, chunks=(5, 19, 16), compression="gzip")
        self.train("pictures", "data.train={file: pictures.h5, dataset: x, layout: NHW, scale: 0.00392156862745098}", "data.train.condition=[{name: classes, dataset: kind}, {name: numbers, dataset: energy}]",
                   "data.random_crop=[8, 8]", "train.steps=6", "train.global_batch=4", "train.optimizer.learning_rate=0.05")
        whole = self.back("pictures")
        parts = list(tiles([19, 16], [8, 8]))
        self.assertEqual(whole["reconstructions"].shape, (self.ROWS, 1, 19, 16))
        np.testing.assert_allclose(whole["originals"][:, 0], x / 255, atol=1e-6)
        made = []
        for shift in (0, 1):  # of the rows' conditions
            self.write("tiles.h5", {"x": np.stack([row[tile] for row in x for tile, _, _ in parts]), **{name: np.repeat(np.roll(values, shift), len(parts), 0) for name, values in told.items()}})
            made.append(self.back("pictures", "--data", "tiles.h5", "--rows", f"0:{self.ROWS * len(parts)}")["reconstructions"])
        for row, (t, (_, kept, inside)) in itertools.product(range(self.ROWS), enumerate(parts)):
            np.testing.assert_allclose(whole["reconstructions"][row, 0][kept], made[0][row * len(parts) + t, 0][inside], atol=1e-6)
        self.assertGreater(np.abs(made[0] - made[1]).max(), 1e-4, "other conditions make other pictures")
        done = self.program("reconstruct", "--checkpoint", "runs/pictures", "--out", "tiles.png", "--overwrite", check=True)
        self.assertIn("in tiles of 1x8x8", done.stdout)
        self.program("reconstruct", "--checkpoint", "runs/pictures", "--crop", "middle", "--latent", "sample", "--out", "middle.png", check=True)

    def test_volumes_of_two_datasets_with_missing_values(self):
        u, v = self.smooth(self.ROWS, 7, 8, 9).astype("<f4"), (self.smooth(self.ROWS, 9, 7, 8, 2) * 10).astype("<i2")
        gone = self.random.random(u.shape) < 0.1
        u[gone] = np.nan
        v[self.random.random(v.shape) < 0.1] = -9999
        attributes = {"v": {"_FillValue": np.int16(-9999)}}
        # Chunks of parts of a sample; the second one's axes are in another order.
        v = np.ascontiguousarray(v.transpose(0, 2, 3, 1, 4))  # D H W C
        self.write("volumes.h5", {"u": u, "v": v}, attributes)
        self.train("volumes", "data.train={file: volumes.h5, dataset: [u, v], layout: NDHW(C)}", "data.normalize=standardize", "data.missing=mask", "data.random_crop=[4, 6, 5]", "model.name=resnet_vae",
                   "train.steps=6", "train.global_batch=4")
        stored = {"u": u, "v": np.where(v == -9999, np.nan, v.astype("f8"))}
        whole = self.check("volumes", [7, 8, 9], [4, 6, 5], {"u": u, "v": v}, {"u": 0, "v": 0}, attributes=attributes, stored=stored, tolerance=2e-5)
        np.testing.assert_array_equal(np.isnan(whole["originals/u"]), gone)
        self.assertTrue(np.isfinite(whole["reconstructions/u"]).all())
        done = self.program("reconstruct", "--checkpoint", "runs/volumes", "--rows", "0:2", "--latent", "sample", "--out", "volumes.png", check=True)
        self.assertNotIn("nan", done.stdout)

    def test_samples_of_another_size_and_models_of_whole_samples(self):
        self.train("whole", "train.steps=2")
        done = self.program("reconstruct", "--checkpoint", "runs/whole", "--crop", "tiles", "--out", "whole.h5")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("was trained on whole samples", done.stderr)
        self.train("cropped", "data.random_crop=[8, 8]", "train.steps=2")
        x = self.random.integers(0, 255, (self.ROWS, 11, 30), dtype="u1")
        self.write("wide.h5", {"imgs": x})
        wide = self.back("cropped", "--data", "wide.h5")
        np.testing.assert_allclose(wide["originals"][:, 0], x / 255, atol=1e-6)
        self.assertEqual(wide["reconstructions"].shape, (self.ROWS, 1, 11, 30))


if __name__ == "__main__":
    unittest.main()
