"""`vae_dist interpolate` and `traverse`, and the traversals of training, compared with the same model in PyTorch."""
import sys
import unittest

import h5py
import numpy
import torch

import runs
from png_files import is_png

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402
from vanilla_vae_reference import VanillaVAE  # noqa: E402


class Walks(runs.RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("run", "objective.kld_weight.weight=0.00002", "train.steps=120", "pictures.every_epochs=100", "pictures.traversals=3")
        cls.train("points", "model.name=autoencoder", "train.steps=20")
        cls.train("decoder", "model.name=decoder_only", "objective.reduction=sum", "train.steps=2")
        cls.program("weights", "export", "--checkpoint", "runs/run", "--out", "run.safetensors", check=True)
        cls.model = VanillaVAE(1, (16, 16), latent_dim=4, hidden_dims=[8, 16])
        cls.model.load_state_dict(safetensors_file.read(cls.folder / "run.safetensors")[0])
        cls.model.eval()
        with h5py.File(cls.folder / "shapes.h5") as file, torch.no_grad():
            cls.images = torch.from_numpy(file["imgs"][:]).reshape(-1, 1, 16, 16) / 255
            cls.mu, cls.log_var = cls.model.encode(cls.images)

    def datasets(self, verb, *options, run="run"):
        self.program(verb, "--checkpoint", f"runs/{run}", "--out", "out.h5", "--overwrite", *options, check=True)
        with h5py.File(self.folder / "out.h5") as file:
            return {name: file[name][:] for name in file}

    def expect_decoded(self, images, z):
        with torch.no_grad():
            expected = self.model.decode(torch.as_tensor(z, dtype=torch.float32).reshape(-1, 4)).numpy()
        numpy.testing.assert_allclose(images.reshape(expected.shape), expected, rtol=0, atol=1e-5)

    def expect_refused(self, verb, arguments, says, run="run"):
        with self.subTest(verb=verb, arguments=arguments):
            done = self.program(verb, "--checkpoint", f"runs/{run}", "--out", "refused.png", *arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(says, done.stderr)
            self.assertFalse((self.folder / "refused.png").exists())


class Interpolate(Walks):
    def test_a_line_leads_from_one_reconstruction_to_the_other(self):
        walks = self.datasets("interpolate", "--pairs", "3:9,12:40,7:7", "--steps", "5")
        self.assertEqual(walks["interpolations"].shape, (3, 5, 1, 16, 16))
        for pair, (first, last) in enumerate([(3, 9), (12, 40), (7, 7)]):
            numpy.testing.assert_allclose(walks["originals"][pair], self.images[[first, last]], atol=1e-6)
            expected = torch.stack([self.mu[first] + t * (self.mu[last] - self.mu[first]) for t in (0, 0.25, 0.5, 0.75, 1)])
            numpy.testing.assert_allclose(walks["z"][pair], expected, rtol=0, atol=1e-5)
        self.expect_decoded(walks["interpolations"], walks["z"])
        ends = self.datasets("reconstruct", "--rows", "3:10")["reconstructions"]
        numpy.testing.assert_allclose(walks["interpolations"][0, 0], ends[0], atol=1e-6)
        numpy.testing.assert_allclose(walks["interpolations"][0, -1], ends[-1], atol=1e-6)

    def test_a_spherical_path_turns_evenly(self):
        walks = self.datasets("interpolate", "--pairs", "3:9", "--steps", "5", "--spherical")
        z = walks["z"][0].astype(float)
        numpy.testing.assert_allclose(z[[0, -1]], self.mu[[3, 9]], rtol=0, atol=1e-5)
        # Shoemake's formula for vectors of any lengths, written out.
        a, b = z[0], z[-1]
        angle = numpy.arccos(a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b))
        for i, t in enumerate((0, 0.25, 0.5, 0.75, 1)):
            numpy.testing.assert_allclose(z[i], (numpy.sin((1 - t) * angle) * a + numpy.sin(t * angle) * b) / numpy.sin(angle), rtol=0, atol=1e-5)
        self.assertGreater(abs(z[2] - (a + b) / 2).max(), 1e-3, "the line would do as well")
        self.expect_decoded(walks["interpolations"], walks["z"])

    def test_rows_are_taken_in_pairs(self):
        rows, pairs = self.datasets("interpolate", "--rows", "10:14"), self.datasets("interpolate", "--pairs", "10:11,12:13")
        for name in pairs:
            numpy.testing.assert_array_equal(rows[name], pairs[name])
        self.program("interpolate", "--checkpoint", "runs/run", "--out", "walks.png", np=2, check=True)
        self.assertTrue(is_png(self.folder / "walks.png"))

    def test_wrong_pairs_are_refused(self):
        for pairs, says in [("3", "FROM:TO"), ("3:x", "FROM:TO"), ("3:9;4:5", "FROM:TO"), ("-1:4", "FROM:TO"), ("3:200", "the last is row 199")]:
            self.expect_refused("interpolate", [f"--pairs={pairs}"], says)
        self.expect_refused("interpolate", ["--rows", "0:3"], "even number")
        self.expect_refused("interpolate", ["--rows", "0:202"], "there are 200 images")
        self.expect_refused("interpolate", ["--rows", "0:4", "--pairs", "0:1"], "excludes")
        self.expect_refused("interpolate", ["--steps", "1"], "--steps")
        self.expect_refused("interpolate", [], "decoder_only", run="decoder")


class Traverse(Walks):
    def test_one_dimension_of_the_code_changes_in_a_row(self):
        walks = self.datasets("traverse", "--row", "7", "--dimensions", "3", "--steps", "5", "--range", "2")
        numpy.testing.assert_allclose(walks["places"], [-2, -1, 0, 1, 2])
        z = self.mu[7].repeat(3, 5, 1)
        for row, dimension in enumerate(walks["dimensions"]):
            numpy.testing.assert_allclose(walks["values"][row], [-2, -1, 0, 1, 2])
            z[row, :, dimension] = torch.tensor([-2.0, -1, 0, 1, 2])
        self.expect_decoded(walks["traversals"], z)

    def test_the_dimensions_with_the_largest_kl_come_first(self):
        walks = self.datasets("traverse")
        kld = (0.5 * (self.mu ** 2 + self.log_var.exp() - 1 - self.log_var)).mean(0).numpy()
        self.assertEqual(walks["dimensions"].tolist(), numpy.argsort(-kld).tolist())
        numpy.testing.assert_allclose(walks["kld_nats"], numpy.sort(kld)[::-1], rtol=1e-4)

    def test_quantiles_are_those_of_the_codes(self):
        # For codes without variance, numpy computes the same quantiles.
        walks = self.datasets("traverse", "--quantiles", "0.1", "--steps", "3", run="points")
        numpy.testing.assert_allclose(walks["places"], [0.1, 0.5, 0.9], rtol=1e-6)
        self.program("embed", "--checkpoint", "runs/points", "--out", "codes.h5", check=True)
        with h5py.File(self.folder / "codes.h5") as file:
            codes = file["mu"][:].astype(float)
        numpy.testing.assert_allclose(walks["values"], numpy.quantile(codes, [0.1, 0.5, 0.9], axis=0).T[walks["dimensions"]], rtol=1e-5, atol=1e-6)
        numpy.testing.assert_allclose(walks["variance"], numpy.sort(codes.var(0))[::-1], rtol=1e-4)
        # With a posterior the quantiles are those of draws, which are wider than those of the means.
        widths = {run: numpy.ptp(self.datasets("traverse", "--quantiles", "0.05", run=run)["values"], axis=1) for run in ("run", "points")}
        self.assertTrue((widths["run"] > 0).all())

    def test_wrong_options_are_refused(self):
        self.expect_refused("traverse", ["--row", "200"], "the last is row 199")
        self.expect_refused("traverse", ["--quantiles", "0.6"], "--quantiles")
        self.expect_refused("traverse", ["--range", "2", "--quantiles", "0.1"], "excludes")
        self.expect_refused("traverse", ["--range", "2"], "autoencoder", run="points")
        self.expect_refused("traverse", [], "decoder_only", run="decoder")

    def test_training_leaves_a_grid_where_it_is_asked_to(self):
        self.assertTrue(is_png(self.run_path("run") / "pictures" / "traversals_00000120.png"))
        self.program("traverse", "--checkpoint", "runs/points", "--out", "points.png", check=True)
        self.assertTrue(is_png(self.folder / "points.png"))


class Channels(runs.RunFolder):
    """Images with any number of channels can be trained on, are drawn, and appear in the report."""

    def test_every_number_of_channels_is_drawn(self):
        random = numpy.random.default_rng(4)
        for channels in (4, 7):
            with h5py.File(self.folder / f"of_{channels}.h5", "w") as file:
                file["imgs"] = random.integers(0, 256, (48, 16, 16, channels), dtype=numpy.uint8)
            self.train(f"of_{channels}", f"data.train.file=of_{channels}.h5", "data.train.layout=NHWC", "train.steps=6", "pictures.every_epochs=1", "pictures.traversals=2", "pictures.samples=9")
            # One after each of the two epochs, of which the second is the end.
            for kind in ("samples", "reconstructions", "traversals"):
                for step in (3, 6):
                    self.assertTrue(is_png(self.run_path(f"of_{channels}") / "pictures" / f"{kind}_{step:08d}.png"), kind)
            self.assertEqual((self.run_path(f"of_{channels}") / "report.html").read_text().count("data:image/png"), 6)
        for verb, arguments in {"sample": [], "reconstruct": [], "interpolate": ["--pairs", "0:1"], "traverse": []}.items():
            self.program(verb, "--checkpoint", "runs/of_7", "--out", f"{verb}.png", *arguments, check=True)
            self.assertTrue(is_png(self.folder / f"{verb}.png"), verb)
        self.program("data", "info", "of_4.h5", "--dataset", "imgs", "--layout", "NHWC", "--out", "info.png", check=True)
        self.assertTrue(is_png(self.folder / "info.png"))


if __name__ == "__main__":
    unittest.main()
