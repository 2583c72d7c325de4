"""Conditional models: what they are told in training, in evaluations and by the verbs; conditions that are swapped show."""
import json
import sys
import unittest

import h5py
import numpy as np

import runs

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402

ROWS = 200


class Conditions(runs.RunFolder):
    """x = a curve whose height is the energy and whose sign is the kind, so that a model that is told both has little left to learn."""

    TOLD = "data.train.condition=[{name: numbers, dataset: truth/energy, transform: log}, {name: classes, dataset: kind}]"
    DATA = ["data.train={file: told.h5, dataset: x, layout: NV, rows: [0, 160]}", "data.validation={file: told.h5, dataset: x, layout: NV, rows: [160, 200]}",
            "data.normalize=standardize", "model.name=mlp_vae", "model.hidden_dims=[32]", "model.latent_dim=2", "model.activation=silu", "objective.reduction=sum",
            "objective.variance=learned", "train.global_batch=40", "train.optimizer.learning_rate=0.01"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.default_rng(4)
        cls.energy, cls.kind = np.exp(random.uniform(0, 3, ROWS)), random.integers(0, 2, ROWS)
        shape = np.sin(np.arange(12) / 2) + 2
        cls.x = (np.where(cls.kind == 1, 1, -1) * cls.energy)[:, None] * shape + 0.05 * random.standard_normal((ROWS, 12))
        with h5py.File(cls.folder / "told.h5", "w") as file:
            file["x"], file["truth/energy"], file["kind"] = cls.x.astype("<f4"), cls.energy[:, None], cls.kind.astype("<i8")
            file["kind"].attrs["names"] = ["down", "up"]
        cls.done = cls.train("told", cls.TOLD, *cls.DATA, "train.steps=400", "train.epochs=200", "evaluate.every_epochs=50", "pictures.every_epochs=100", "pictures.samples=4",
                             "pictures.reconstructions=4", np=2)

    def refusal(self, *arguments):
        done = self.program(*arguments)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_training_says_what_it_is_told(self):
        self.assertIn("energy (a number), kind (2 classes)", self.done.stdout + self.done.stderr)
        state = json.loads((self.checkpoint("told") / "state.json").read_text())
        energy, kind = json.loads(state["conditions"])
        logs = np.log(self.energy[:160])
        np.testing.assert_allclose([energy["shift"][0], 1 / energy["factor"][0]], [logs.mean(), logs.std()], rtol=1e-9)
        self.assertEqual((kind["labels"], kind["names"]), ([0, 1], ["down", "up"]))
        pictures = {path.name.split("_")[0] for path in (self.folder / "runs/told/pictures").iterdir()}
        self.assertEqual(pictures, {"samples", "reconstructions"})

    def test_likelihoods_are_said_to_be_conditional(self):
        done = self.program("evaluate", "--checkpoint", "runs/told", "--importance-samples", "4", "--json", "told.json", "--overwrite", check=True)
        self.assertIn("log p(x|y), K = 4 ", done.stdout)
        self.assertIn("ELBO of log p(x|y) ", done.stdout)
        self.assertNotIn("log p(x),", done.stdout)
        self.assertTrue(json.loads((self.folder / "told.json").read_text())["conditional"])

    def test_exported_weights_say_what_they_are_told(self):
        done = self.program("weights", "export", "--checkpoint", "runs/told", "--out", "told.safetensors", check=True)
        self.assertIn("its vectors are (f(stored) - shift) * factor", done.stdout)
        _, metadata = safetensors_file.read(self.folder / "told.safetensors")
        self.assertEqual(metadata["normalize"], "standardize")
        self.assertNotIn("missing", metadata)
        normalisation = json.loads(metadata["normalisation"])
        known = self.x[:160].astype("<f4").astype("f8")
        np.testing.assert_allclose(normalisation["shift"], known.mean(0), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(normalisation["factor"], 1 / known.std(0), rtol=1e-6)
        self.assertEqual((normalisation["transform"], [dataset["name"].lstrip("/") for dataset in normalisation["datasets"]]), (["none"], ["x"]))
        energy, kind = json.loads(metadata["conditions"])
        self.assertEqual((energy["kind"], energy["dataset"], energy["transform"]), ("numbers", "truth/energy", "log"))
        self.assertEqual((kind["kind"], kind["dataset"], kind["labels"], kind["names"]), ("classes", "kind", [0, 1], ["down", "up"]))

    def sums(self, *condition, name="drawn"):
        self.program("sample", "--checkpoint", "runs/told", "--count", "50", *condition, "--out", f"{name}.h5", "--overwrite", check=True)
        with h5py.File(self.folder / f"{name}.h5") as file:
            return file["samples"][...].sum(1)

    def test_samples_answer_to_the_condition(self):
        whole = (np.sin(np.arange(12) / 2) + 2).sum()
        for energy, kind, sign in ((3, "up", 1), (3, "down", -1), (15, "1", 1)):
            with self.subTest(energy=energy, kind=kind):
                found = self.sums("--condition", f"energy={energy},kind={kind}")
                self.assertAlmostEqual(found.mean(), sign * energy * whole, delta=0.25 * energy * whole)
        rows = self.sums("--condition-rows", "0:10", "--split", "train")
        self.assertGreater(np.corrcoef(rows[:10], self.x[:10].sum(1))[0, 1], 0.95)
        np.testing.assert_array_less(0.9, np.corrcoef(rows[:10], rows[10:20])[0, 1])

    def test_swapped_conditions_show(self):
        """The file's own conditions explain the rows; those of other rows do not: log p(x|y) falls, and the reconstructions go wrong."""
        swapped = self.folder / "swapped.h5"
        with h5py.File(swapped, "w") as file:
            file["x"], file["truth/energy"], file["kind"] = self.x[160:].astype("<f4"), self.energy[160:][::-1, None], self.kind[160:][::-1].astype("<i8")
            file["kind"].attrs["names"] = ["down", "up"]
        found = {}
        for name, data in (("own", ["--split", "validation"]), ("swapped", ["--data", "swapped.h5"])):
            self.program("evaluate", "--checkpoint", "runs/told", *data, "--importance-samples", "64", "--json", f"{name}.json", "--overwrite", check=True)
            found[name] = json.loads((self.folder / f"{name}.json").read_text())
        self.assertGreater(found["own"]["log_p_nats"][-1]["nats"], found["swapped"]["log_p_nats"][-1]["nats"] + 5)
        self.assertLess(found["own"]["mse"], 0.2 * found["swapped"]["mse"])

    def test_evaluation_is_the_same_at_any_number_of_ranks(self):
        found = []
        for np_ in (1, 4):
            self.program("evaluate", "--checkpoint", "runs/told", "--importance-samples", "8", "--json", "ranks.json", "--overwrite", np=np_, check=True)
            found.append((self.folder / "ranks.json").read_bytes())
        self.assertEqual(*found)

    def test_walks_are_decoded_under_the_rows_conditions_or_the_written_one(self):
        up, down = int(np.argmax(self.kind[160:] == 1)), int(np.argmax(self.kind[160:] == 0))
        self.program("interpolate", "--checkpoint", "runs/told", "--pairs", f"{up}:{down}", "--out", "walk.h5", "--overwrite", check=True)
        self.program("reconstruct", "--checkpoint", "runs/told", "--out", "back.h5", "--overwrite", check=True)
        with h5py.File(self.folder / "walk.h5") as walk, h5py.File(self.folder / "back.h5") as back:
            np.testing.assert_allclose(walk["interpolations"][0, [0, -1]], back["reconstructions"][...][[up, down]], rtol=1e-4, atol=1e-3)
        for verb, name in ((["interpolate", "--pairs", f"{up}:{down}"], "interpolations"), (["traverse", "--row", str(down)], "traversals")):
            self.program(*verb, "--checkpoint", "runs/told", "--condition", "energy=10,kind=up", "--out", "fixed.h5", "--overwrite", check=True)
            with h5py.File(self.folder / "fixed.h5") as file:
                self.assertTrue((file[name][...].sum(-1) > 0).all())
        self.program("traverse", "--checkpoint", "runs/told", "--row", str(down), "--out", "own.h5", "--overwrite", check=True)
        with h5py.File(self.folder / "own.h5") as file:
            self.assertTrue((file["traversals"][...].sum(-1) < 0).all())

    def test_what_is_wrong_is_said(self):
        for condition, words in (
                ("energy=3", "'kind' is missing"), ("energy=3,kind=left", "there is no class 'left'; the classes are down, up"), ("energy=x,kind=up", "'x' is not a number"),
                ("energy=3,kind=up,mass=1", "there is no condition 'mass'"), ("energy=-3,kind=up", "no number that the condition's transform (log) can take"), ("energy", "has no '='")):
            with self.subTest(condition):
                self.assertIn(words, self.refusal("sample", "--checkpoint", "runs/told", "--condition", condition, "--out", "no.h5"))
        self.assertIn("is conditional: say under which energy (a number), kind (2 classes)", self.refusal("sample", "--checkpoint", "runs/told", "--out", "no.h5"))
        with h5py.File(self.folder / "bad.h5", "w") as file:
            file["x"], file["few"] = self.x.astype("<f4"), np.zeros(7)
            file["truth/energy"] = np.where(np.arange(ROWS) == 33, 0, self.energy)
            file["kind"], file["half"], file["unknown"] = np.where(np.arange(ROWS) == 170, 5, self.kind), self.kind / 2 + 0.25, np.where(np.arange(ROWS) == 3, -1, self.kind)
        data = [key.replace("told.h5", "bad.h5") for key in self.DATA]
        for condition, words in (
                ("{name: numbers, dataset: truth/energy, transform: log}", "row 33 of truth/energy (data.train.condition) holds 0"),
                ("{name: classes, dataset: kind}", "row 170 of kind (data.train.condition) holds 5. The classes of the condition are 0 to 1"),
                ("{name: classes, dataset: half}", "which is no class (a whole number). For a quantity write name: numbers"),
                ("{name: classes, dataset: unknown}", "row 3 of unknown (data.train.condition) holds -1, which usually says that a sample has no class"),
                ("{name: numbers, dataset: few}", "has shape [7]"), ("{name: numbers}", "names no dataset"), ("{name: numbers, dataset: absent}", "absent")):
            with self.subTest(condition):
                done = self.train("refused", f"data.train.condition=[{condition}]", *data, "train.steps=1", check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(words, done.stderr)
        done = self.train("refused", self.TOLD, *self.DATA, "model.name=decoder_only", "model.hidden_dims=[32, 64]", check=False)
        self.assertIn("model.name is decoder_only, which takes no condition", done.stderr)


if __name__ == "__main__":
    unittest.main()
