"""A model with a codebook, from training to the verbs: each vector's code is the nearest one, and what needs a prior over codes is refused."""
import sys
import unittest

import h5py
import numpy

import runs

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402

GROUPS, WIDTH, PLACES, CODES = 2, 3, 16, 24
QUANTIZED = ["model.codes.kind=vector_quantized", f"model.codes.size={CODES}", "model.codes.restart_after=20"]
SPATIAL = ["model.name=resnet_vae", "model.latent=spatial", f"model.latent_dim={GROUPS * WIDTH}", "model.hidden_dims=[8, 8, 16]", "model.blocks=1", "model.attention_at=[]",
           f"model.codes.groups={GROUPS}"]


class VectorQuantized(runs.RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.printed = cls.train("codes", *SPATIAL, *QUANTIZED, "train.steps=150", "train.optimizer.learning_rate=0.003", "pictures.every_epochs=100", "pictures.traversals=2", "evaluate.every_epochs=100",
                                "data.train.rows=[0, 160]", "data.validation={file: shapes.h5, dataset: imgs, rows: [160, 200]}", np=2).stderr
        cls.tensors = safetensors_file.read(cls.checkpoint("codes") / "weights.safetensors")[0]
        cls.codebook = cls.tensors["codes.codebook"].numpy()

    def datasets(self, verb, *options):
        self.program(verb, "--checkpoint", "runs/codes", "--out", "out.h5", "--overwrite", *options, check=True)
        with h5py.File(self.folder / "out.h5") as file:
            return {name: file[name][:] for name in file}

    def test_it_learns_and_uses_its_codes(self):
        evaluated = [record for record in self.log("codes") if "evaluated" in record][-1]
        self.assertLess(evaluated["evaluation_mse"], 0.5 * evaluated["mean_image_mse"])
        self.assertIn("commitment", evaluated)
        steps = self.steps("codes")
        self.assertGreater(steps[150]["codes_used"], CODES / 2)
        self.assertLessEqual(steps[150]["codes_used"], CODES)
        for record in steps.values():
            self.assertLessEqual(record["code_perplexity"], record["codes_used"] * (1 + 1e-5))
            self.assertAlmostEqual(record["loss"], record["reconstruction_loss"] + 0.25 * record["commitment"], delta=1e-5 * record["loss"])
        self.assertIn(f"one of {CODES} codes for each vector", self.printed.split("\n\n")[0])
        self.assertNotIn("conv_var.weight", self.tensors)

    def test_embed_writes_the_nearest_code_of_each_vector(self):
        embedded = self.datasets("embed", "--data", "shapes.h5", "--labels", "none")
        self.assertEqual(embedded["codes"].dtype, numpy.int64)
        vectors = embedded["mu"].reshape(-1, GROUPS, WIDTH, PLACES).transpose(0, 1, 3, 2).reshape(-1, WIDTH)
        distances = ((vectors[:, None] - self.codebook[None]) ** 2).sum(2)
        nearest = distances.argmin(1)
        codes = embedded["codes"].reshape(-1)
        self.assertEqual(embedded["codes"].shape, (200, GROUPS * PLACES))
        # In single precision a vector in the middle of two codes may fall on either side.
        numpy.testing.assert_allclose(distances[range(len(codes)), codes], distances[range(len(codes)), nearest], rtol=1e-4, atol=1e-6)
        self.assertGreater((codes == nearest).mean(), 0.999)

    def test_a_traversal_walks_over_codes_and_passes_the_reconstruction(self):
        walks = self.datasets("traverse", "--row", "5", "--data", "shapes.h5", "--dimensions", GROUPS * PLACES, "--steps", CODES)
        own = self.datasets("embed", "--data", "shapes.h5", "--labels", "none", "--rows", "5:6")["codes"][0]
        reconstruction = self.datasets("reconstruct", "--data", "shapes.h5", "--rows", "5:6")["reconstructions"][0]
        self.assertEqual(sorted(walks["dimensions"]), list(range(GROUPS * PLACES)))
        self.assertTrue((numpy.diff(walks["entropy_nats"]) <= 1e-12).all())
        for vector, values, images in zip(walks["dimensions"], walks["values"], walks["traversals"]):
            self.assertEqual(sorted(values), list(range(CODES)))
            numpy.testing.assert_allclose(images[list(values).index(own[vector])], reconstruction, rtol=0, atol=1e-5)
            self.assertGreater(abs(images - reconstruction).max(), 1e-3)
        self.refused(["traverse", "--range", "2", "--out", "a.png"], "codes")

    def refused(self, arguments, says):
        done = self.program(*arguments, "--checkpoint", "runs/codes")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(says, done.stderr)

    def test_samples_are_refused_and_all_else_works(self):
        self.refused(["sample", "--out", "a.png"], "decode to noise")
        for verb, options in (("interpolate", ["--pairs", "1:2", "--out", "a.png"]), ("evaluate", ["--json", "a.json"]), ("report", []), ("traverse", ["--out", "b.png"])):
            with self.subTest(verb):
                self.program(verb, *(["runs/codes"] if verb == "report" else ["--checkpoint", "runs/codes"]), *options, check=True)
        self.program("compare", "runs/codes", "--out", "c.png", check=True)
        names = {path.name.split("_")[0] for path in (self.run_path("codes") / "pictures").iterdir()}
        self.assertEqual(names, {"reconstructions", "traversals"})

    def test_its_weights_leave_and_come_back(self):
        self.program("weights", "export", "--checkpoint", "runs/codes", "--out", "out.safetensors", check=True)
        exported = safetensors_file.read(self.folder / "out.safetensors")[0]
        for name in ("codebook", "counts", "sums", "unused_steps"):
            self.assertTrue(exported[f"codes.{name}"].equal(self.tensors[f"codes.{name}"]), name)

    def test_frozen_codes_stay_where_they_are(self):
        def codes_after(steps, *settings):
            self.train("frozen", *SPATIAL, *QUANTIZED, f"train.steps={steps}", "train.freeze=[codes]", *settings)
            return safetensors_file.read(self.checkpoint("frozen") / "weights.safetensors")[0]["codes.codebook"]
        self.assertTrue(codes_after(2).equal(codes_after(6)))
        self.assertNotIn("code_perplexity", self.steps("frozen")[6], "a step counts no frozen codes")

    def test_what_does_not_fit_is_refused(self):
        self.assert_refused(((["model.name=decoder_only", "objective.reduction=sum", *QUANTIZED], "model.codes"),
                             (["model.codes.size=8"], "model.codes.kind is vector_quantized"),
                             ([*QUANTIZED, "model.codes.groups=3"], "model.codes.groups"),
                             ([*QUANTIZED, "objective.beta.value=2"], "objective.beta.value"),
                             ([*QUANTIZED, "objective.regularisers=[{name: tc}]"], "tc")))
        other = self.train("codes", *SPATIAL, *QUANTIZED, "model.codes.decay=0.5", "train.steps=200", check=False)
        self.assertEqual(other.returncode, 2)
        self.assertIn("model.codes.decay", other.stderr)


if __name__ == "__main__":
    unittest.main()
