"""Files whose chunks went through a filter of a plugin (blosc, Zstandard, bitshuffle, as the Python package hdf5plugin ships them) are read where HDF5_PLUGIN_PATH
names the plugins' folder, and refused by the filter's name where it does not."""
import unittest

import h5py
import numpy as np

import runs

try:
    import hdf5plugin  # registers its filters with h5py
except ImportError:
    hdf5plugin = None


@unittest.skipUnless(hdf5plugin, "not run: the Python package hdf5plugin is not installed")
class PluginFilters(runs.RunFolder):
    WITH, WITHOUT = {"HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH if hdf5plugin else ""}, {"HDF5_PLUGIN_PATH": "/nowhere"}
    NUMBERS = {"blosc": 32001, "zstd": 32015, "bitshuffle": 32008}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.default_rng(5)
        cls.fields = np.round(random.standard_normal((90, 2, 6, 7)).cumsum(-1)).astype("<f4")
        cls.bytes = random.integers(0, 64, (90, 12, 1)).repeat(9, 2).astype("u1")
        for name, how in {"blosc": hdf5plugin.Blosc(), "zstd": hdf5plugin.Zstd(), "bitshuffle": hdf5plugin.Bitshuffle()}.items():
            with h5py.File(cls.folder / f"{name}.h5", "w") as file:
                file.create_dataset("x", data=cls.fields, chunks=(16, 2, 6, 7), **how)
                file.create_dataset("bytes", data=cls.bytes, chunks=(16, 12, 9), **how)
            with h5py.File(cls.folder / f"{name}.h5") as file:
                for dataset in file.values():
                    assert dataset.id.get_chunk_info(0).filter_mask == 0, "the filter was left out when the file was written"
                    assert dataset.id.get_storage_size() < dataset.nbytes, "nothing was compressed"
        with h5py.File(cls.folder / "gzip.h5", "w") as file:
            file.create_dataset("x", data=cls.fields, chunks=(16, 2, 6, 7), compression="gzip")

    def test_the_values_are_those_that_were_written(self):
        for name in self.NUMBERS:
            with self.subTest(filter=name):
                self.program("data", "convert", f"{name}.h5", f"{name}_out.h5", "--dataset", "bytes", env=self.WITH, check=True)
                with h5py.File(self.folder / f"{name}_out.h5") as file:
                    np.testing.assert_array_equal(file["bytes"][...], self.bytes)

    def test_training_is_that_of_the_same_values_in_gzip(self):
        how = ["data.normalize=standardize", "distributed.reproducible=true", "train.steps=8", "data.cache=stream", "data.order=global", "data.shuffle_window_chunks=2"]
        losses = {}
        for name in ("gzip", *self.NUMBERS):
            self.train(name, *how, f"data.train={{file: {name}.h5, dataset: x, layout: NCHW}}", env=self.WITH, np=2)
            losses[name] = self.losses(name)
        self.assertEqual(len(losses["gzip"]), 8)
        for name in self.NUMBERS:
            with self.subTest(filter=name):
                self.assertEqual(losses[name], losses["gzip"])

    def test_without_the_plugin_the_filter_is_named_with_what_to_set(self):
        for name, number in self.NUMBERS.items():
            for command in (["data", "convert", f"{name}.h5", "refused.h5", "--dataset", "bytes"],
                            ["train", "--config", "run.yaml", "run.name=refused", *runs.SMALL, f"data.train={{file: {name}.h5, dataset: bytes}}", "--dry-run"]):
                with self.subTest(filter=name, command=command[0]):
                    done = self.program(*command, env=self.WITHOUT)
                    self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                    self.assertIn(f"({number}), which is not installed", done.stderr)
                    self.assertIn("set HDF5_PLUGIN_PATH to the plugin's folder", done.stderr)


if __name__ == "__main__":
    unittest.main()
