"""A run on a pattern of many small files, each of which holds one sample."""
import json
import shutil
import unittest

import h5py
import numpy as np

import runs

COUNT = 1100  # more than a run keeps by name


class ManyFiles(runs.RunFolder):
    COMMON = ["data.train={file: many/*.h5, dataset: x, layout: HW}", "data.normalize=standardize", "data.cache=stream", "model.name=mlp_vae", "model.hidden_dims=[8]"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.folder / "many").mkdir()
        cls.values = np.random.default_rng(5).standard_normal((COUNT, 4, 6)).astype("<f4")
        for index, sample in enumerate(cls.values):
            cls.write(index, sample)

    @classmethod
    def write(cls, index, sample):
        with h5py.File(cls.folder / "many" / f"sample_{index}.h5", "w") as file:
            file["x"] = sample

    def test_they_train_stop_and_go_on_by_their_pattern(self):
        self.train("many", *self.COMMON, "train.steps=3", np=2)
        kept = (self.folder / "runs" / "many" / "config.yaml").read_text()
        self.assertIn(str(self.folder / "many" / "*.h5"), kept)
        self.assertNotIn("sample_", kept)
        state = json.loads((self.checkpoint("many", 3) / "state.json").read_text())
        self.assertRegex(state["dataset_fingerprint"], "^names-[0-9a-f]{16}$")
        found = json.loads(state["normalisation"])
        np.testing.assert_allclose([found["shift"][0], 1 / found["factor"][0]], [self.values.astype(np.float64).mean(), self.values.astype(np.float64).std()], rtol=1e-9)

        # In another folder, with another number of ranks: names below the folder, shapes and attributes count.
        shutil.move(self.folder / "many", self.folder / "moved")
        self.train("many", *self.COMMON, "data.train.file=moved/*.h5", "train.steps=6", np=1)
        self.program("evaluate", "--checkpoint", "runs/many", "--json", "figures.json", check=True)
        shutil.move(self.folder / "moved", self.folder / "many")
        self.assertEqual(json.loads((self.folder / "figures.json").read_text())["samples"], COUNT)

        self.write(COUNT, self.values[0])
        done = self.train("many", *self.COMMON, "train.steps=9", check=False)
        (self.folder / "many" / f"sample_{COUNT}.h5").unlink()
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, "data.train is not the dataset that this run was started with .fingerprint names-")

    def test_a_file_of_another_shape_is_named(self):
        self.write(777, self.values[777, :3])
        for normalize, code in (("standardize", 2), ("none", None)):  # looked at before the first step, and when it is read
            with self.subTest(normalize):
                done = self.train(f"odd_{normalize}", *self.COMMON, f"data.normalize={normalize}", "train.epochs=1", "train.steps=null", np=2, check=False)
                self.assertNotEqual(done.returncode, 0)
                if code:
                    self.assertEqual(done.returncode, code, done.stderr)
                self.assertRegex(done.stderr, r"the files do not hold the same kind of images: .*sample_0\.h5:/x is \[4, 6\] float32, but .*sample_777\.h5:/x is \[3, 6\] float32")
        self.write(777, self.values[777])

    def test_a_pattern_that_matches_nothing_is_said(self):
        done = self.train("none", *self.COMMON, "data.train.file=absent/*.h5", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("As a pattern it matches no file", done.stderr)


if __name__ == "__main__":
    unittest.main()
