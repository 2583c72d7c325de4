"""`vae_dist evaluate`, `embed` and `compare`: their figures agree with numpy, and have the same bits at any number of ranks."""
import json
import math
import unittest

import h5py
import numpy

import runs
from png_files import is_png

# 150 samples in blocks of 32 do not divide evenly among any number of ranks.
BLOCKS = "evaluate.batch=32"
ROWS = ["--rows", "25:175"]


class Models(runs.RunFolder):
    """A variational autoencoder, an autoencoder and a decoder-only model, trained on 200 grey pictures of 16x16."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("vae", BLOCKS, "objective.kld_weight.weight=0.00002", "train.steps=150")
        cls.train("points", BLOCKS, "model.name=autoencoder", "train.steps=40")
        cls.train("decoder", BLOCKS, "model.name=decoder_only", "objective.reduction=sum", "train.steps=5")

    def evaluate(self, run, *options, np=None):
        """The JSON of an evaluation, and the printed output."""
        done = self.program("evaluate", "--checkpoint", f"runs/{run}", "--json", "figures.json", "--overwrite", *options, np=np, check=True)
        return json.loads((self.folder / "figures.json").read_text()), done.stdout

    def datasets(self, verb, *options, np=None):
        """The datasets of the .h5 file written by a verb, by path."""
        self.program(verb, *options, "--out", "out.h5", "--overwrite", np=np, check=True)
        found = {}
        with h5py.File(self.folder / "out.h5") as file:
            file.visititems(lambda name, item: found.__setitem__(name, item[:]) if isinstance(item, h5py.Dataset) else None)
        return found


class DataOption(runs.RunFolder):
    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]

    def test_a_named_file_is_read_as_the_run_reads_its_data(self):
        """With the run's dataset and scale: 12-bit values, and another dataset of images in the same file."""
        random = numpy.random.default_rng(1)
        with h5py.File(self.folder / "two.h5", "w") as file:
            file["a/pixels"] = random.integers(0, 4096, (64, 16, 16), dtype=numpy.uint16)
            file["b/pixels"] = random.integers(0, 256, (64, 16, 16), dtype=numpy.uint8)
        keys = ["data.train.dataset=a/pixels", f"data.train.scale={1 / 4095}"]
        self.train("of_two", "data.train.file=two.h5", *keys, "train.steps=2")
        (self.folder / "two.h5").rename(self.folder / "moved.h5")
        self.program("evaluate", "--checkpoint", "runs/of_two", "--data", "moved.h5", "--json", "moved.json", check=True)
        (self.folder / "moved.h5").rename(self.folder / "two.h5")
        self.program("evaluate", "--checkpoint", "runs/of_two", "--json", "own.json", check=True)
        own, moved = (json.loads((self.folder / f"{name}.json").read_text()) for name in ("own", "moved"))
        self.assertEqual(own["mse"], moved["mse"])
        self.assertGreater(own["mean_image_mse"], 0.05, "the values fill [0, 1]")
        # A file without that dataset says itself what it holds.
        self.program("evaluate", "--checkpoint", "runs/of_two", "--data", "shapes.h5", check=True)


class LatentStatistics(Models):
    """What a latent diffusion model asks for: mean and deviation of the code, against numpy on what `embed` writes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("spatial", BLOCKS, "model.name=resnet_vae", "model.latent=spatial", "model.latent_dim=3", "model.hidden_dims=[4, 8]", "train.steps=5")

    def compared(self, run, channels):
        """The JSON at 1 and 2 ranks has the same bytes and agrees with numpy. Returns its statistics and the printed output."""
        written = {}
        for np in (None, 1, 2):
            figures, said = self.evaluate(run, *ROWS, "--latent-statistics", "--coverage", "0", np=np)
            written[np] = (self.folder / "figures.json").read_bytes()
        self.assertEqual(len(set(written.values())), 1)
        codes = self.datasets("embed", "--checkpoint", f"runs/{run}", *ROWS)
        mu = codes["mu"].astype(numpy.float64)
        variance = numpy.exp(codes["log_var"].astype(numpy.float64)) if "log_var" in codes else numpy.zeros_like(mu)
        ours = figures["latent_statistics"]
        self.assertEqual(ours["rows"], len(mu))
        by_channel = [array.reshape(len(mu), channels, -1).transpose(1, 0, 2).reshape(channels, -1).T for array in (mu, variance)]
        for name, (values, noise) in {"dimensions": (mu, variance), "channels": by_channel}.items():
            numpy.testing.assert_allclose(ours[name]["mean"], values.mean(axis=0), rtol=1e-9, atol=1e-12)
            numpy.testing.assert_allclose(ours[name]["deviation_of_mean"], values.std(axis=0), rtol=1e-9)
            numpy.testing.assert_allclose(ours[name]["deviation"], numpy.sqrt(values.var(axis=0) + noise.mean(axis=0)), rtol=1e-9)
        # Shifted and scaled, drawn codes have mean 0 and deviation 1.
        drawn = mu + numpy.sqrt(variance) * numpy.random.default_rng(1).standard_normal((200, *mu.shape))
        scaled = (drawn - ours["shift"]) * ours["scaling_factor"]
        self.assertAlmostEqual(scaled.mean(), 0, delta=0.02)
        self.assertAlmostEqual(scaled.std(), 1, delta=0.02)
        return ours, said

    def test_of_a_flat_latent(self):
        ours, said = self.compared("vae", channels=4)
        self.assertEqual(ours["channels"], ours["dimensions"])
        self.assertRegex(said, r"code +mean \S+, deviation \S+: shift \S+, scaling factor \S+")

    def test_of_a_spatial_latent_by_channel(self):
        ours, said = self.compared("spatial", channels=3)
        self.assertEqual(len(ours["channels"]["mean"]), 3)
        self.assertGreater(len(ours["dimensions"]["mean"]), 3)
        self.assertRegex(said, r"code by channel +\S+ ± \S+, \S+ ± \S+, \S+ ± \S+\n")

    def test_of_points(self):
        ours, _ = self.compared("points", channels=4)
        self.assertEqual(ours["dimensions"]["deviation"], ours["dimensions"]["deviation_of_mean"])

    def test_are_absent_unless_asked_for_and_need_an_encoder(self):
        self.assertNotIn("latent_statistics", self.evaluate("vae", "--coverage", "0")[0])
        refused = self.program("evaluate", "--checkpoint", "runs/decoder", "--latent-statistics")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--latent-statistics", refused.stderr)


class TotalCorrelation(Models):
    """Against the posteriors of all training rows, which numpy computes from what `embed` writes."""

    def test_it_is_that_of_the_mean_of_all_posteriors_at_any_number_of_ranks(self):
        written = {}
        for np in (1, 2, 4):
            self.evaluate("vae", *ROWS, "--coverage", "0", "--total-correlation", np=np)
            written[np] = (self.folder / "figures.json").read_bytes()
        self.assertEqual(len(set(written.values())), 1)
        parts = json.loads(written[1])["aggregate_posterior"]
        codes = self.datasets("embed", "--checkpoint", "runs/vae", "--split", "train")
        mu, log_var = codes["mu"].astype(float), codes["log_var"].astype(float)
        self.assertEqual((parts["rows"], parts["codes"]), (len(mu), len(mu)))
        # Other draws of the same posteriors: the means over codes differ by their standard errors.
        z = mu + numpy.exp(log_var / 2) * numpy.random.default_rng(1).standard_normal(mu.shape)
        log_q = -0.5 * ((z[:, None] - mu) ** 2 / numpy.exp(log_var) + log_var + math.log(2 * math.pi))
        whole, dimensions = numpy.log(numpy.exp(log_q.sum(2)).mean(1)), numpy.log(numpy.exp(log_q).mean(1)).sum(1)
        own, prior = log_q.sum(2).diagonal(), -0.5 * (z**2 + math.log(2 * math.pi)).sum(1)
        for name, values in (("total_correlation", whole - dimensions), ("mutual_information", own - whole), ("dimension_wise_kl", dimensions - prior)):
            self.assertLess(abs(parts[name] - values.mean()), 8 * values.std() / math.sqrt(len(values)) + 1e-3, name)
        self.assertGreater(parts["mutual_information"], 0.01)

    def test_the_training_rows_are_read_as_they_are_stored_whatever_is_evaluated(self):
        with h5py.File(self.folder / "shapes.h5") as file, h5py.File(self.folder / "floats.h5", "w") as other:
            other["imgs"] = (file["imgs"][:] / 255).astype("float32")
        found = [self.evaluate("vae", "--coverage", "0", "--total-correlation", *data)[0]["aggregate_posterior"] for data in ([], ["--data", "floats.h5"])]
        self.assertEqual(found[0], found[1])

    def test_it_is_told_if_asked_for_or_if_the_objective_has_it(self):
        figures, printed = self.evaluate("vae", "--coverage", "0")
        self.assertNotIn("aggregate_posterior", figures)
        self.assertNotIn("total correlation", printed)
        self.train("told", BLOCKS, "train.steps=3", "objective.regularisers=[{name: tc, weight: 2}]")
        figures, printed = self.evaluate("told", "--coverage", "0")
        self.assertIn("aggregate_posterior", figures)
        self.assertRegex(printed, r"total correlation +-?[\d.e-]+ nats, against the posteriors of \d+ training rows\n")
        refused = self.program("evaluate", "--checkpoint", "runs/points", "--total-correlation")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--total-correlation needs a variational model", refused.stderr)


class Evaluate(Models):
    def test_any_number_of_ranks_writes_the_same_bytes(self):
        written = {}
        for np in (None, 1, 2, 3, 4):
            self.evaluate("vae", *ROWS, "--importance-samples", "5", "--coverage", "40", np=np)
            written[np] = (self.folder / "figures.json").read_bytes()
        self.assertEqual(len(set(written.values())), 1, {np: hash(content) for np, content in written.items()})
        figures = json.loads(written[4])
        self.assertEqual((figures["samples"], figures["first_sample"], figures["step"]), (150, 25, 150))
        for name in ("loss", "mse", "elbo_nats", "log_p_nats", "prior_samples", "disentanglement"):
            self.assertIn(name, figures)

    def test_its_figures_are_those_of_the_codes_and_reconstructions(self):
        figures, _ = self.evaluate("vae", *ROWS, "--coverage", "0")
        codes = self.datasets("embed", "--checkpoint", "runs/vae", *ROWS)
        mu, log_var = codes["mu"].astype(float), codes["log_var"].astype(float)
        kld = 0.5 * (mu ** 2 + numpy.exp(log_var) - 1 - log_var)
        numpy.testing.assert_allclose(figures["kld_per_dimension_nats"], kld.mean(0), rtol=1e-6)
        self.assertAlmostEqual(figures["kld_nats"], kld.sum(1).mean(), delta=1e-6 * figures["kld_nats"])
        self.assertGreater(figures["kld_nats"], 0.5, "the model learned nothing to be measured")
        numpy.testing.assert_allclose(figures["latent_variance"], mu.var(0), rtol=1e-5, atol=1e-9)
        self.assertEqual(figures["active_units"], (mu.var(0) > 0.01).sum())

        pictures = self.datasets("reconstruct", "--checkpoint", "runs/vae", *ROWS)
        originals, reconstructions = pictures["originals"].astype(float), pictures["reconstructions"].astype(float)
        mse, mean_image_mse = numpy.square(originals - reconstructions).mean(), originals.var(0).mean()
        self.assertAlmostEqual(figures["mse"], mse, delta=1e-5 * mse)
        self.assertAlmostEqual(figures["psnr_db"], -10 * math.log10(mse), delta=1e-4)
        self.assertAlmostEqual(figures["mean_image_mse"], mean_image_mse, delta=1e-6 * mean_image_mse)

        # M_N of the run: 0.00002 at batch 64, for G = 16.
        self.assertAlmostEqual(figures["kld_weight"], 0.00002 * 16 / 64, delta=1e-12)
        self.assertAlmostEqual(figures["loss"], figures["reconstruction"] + figures["kld_weight"] * figures["kld_nats"], delta=1e-9)
        # sigma is 1, D is 256.
        elbo = -256 * (figures["reconstruction"] / 2 + 0.5 * math.log(2 * math.pi)) - figures["kld_nats"]
        self.assertAlmostEqual(figures["elbo_nats"], elbo, delta=1e-9 * abs(elbo))
        self.assertAlmostEqual(figures["bits_per_dim"], -elbo / (256 * math.log(2)) + 8, delta=1e-9)

    def test_it_says_what_trainings_last_evaluation_said(self):
        self.train("scheduled", BLOCKS, "train.steps=50", "objective.beta={schedule: linear, from: 0, to: 1, steps: 100}", "evaluate.importance_samples=3", "objective.kld_weight={rule: batch_over_dataset}",
                   "data.train.rows=[0, 160]")
        logged = [record for record in self.log("scheduled") if "evaluated" in record][-1]
        figures, _ = self.evaluate("scheduled", "--coverage", "0", np=2)
        self.assertEqual((figures["kld_weight"], figures["beta"]), (16 / 160, 0.49), "of the last step")
        self.assertEqual(figures["samples"], logged["samples"])
        # Training keeps weights in the memory format that suits convolutions best, which may change the last digits of float32.
        for name, logged_as in [("loss", "evaluation_loss"), ("mse", "evaluation_mse"), ("elbo_nats", "elbo_nats"), ("mean_image_mse", "mean_image_mse"), ("effective_samples", "effective_samples")]:
            self.assertAlmostEqual(figures[name], logged[logged_as], delta=1e-6 * abs(logged[logged_as]), msg=name)

    def test_more_draws_raise_the_bound(self):
        figures, _ = self.evaluate("vae", *ROWS, "--importance-samples", "64", "--coverage", "0")
        bounds = {estimate["draws"]: estimate["nats"] for estimate in figures["log_p_nats"]}
        self.assertEqual(sorted(bounds), [1, 4, 16, 64])
        self.assertLess(figures["elbo_nats"], bounds[64])
        self.assertLess(bounds[1], bounds[64])

    def test_samples_of_the_prior_stand_beside_real_images(self):
        figures, said = self.evaluate("vae", "--coverage", "1000")
        quality = figures["prior_samples"]
        self.assertEqual(quality["samples"], 100, "each of the 200 images is on one side")
        for kind in ("pixels", "random_embedding"):
            self.assertGreaterEqual(quality[kind]["real_coverage"], 0.6)
            self.assertLessEqual(quality[kind]["coverage"], 1)
        self.assertIn("100 against as many real images", said)
        self.assertNotIn("prior_samples", self.evaluate("vae", "--coverage", "0")[0])

    def test_factors_are_scored_and_labels_are_none(self):
        scores = self.evaluate("vae", "--coverage", "0")[0]["disentanglement"]
        self.assertEqual(scores["dataset"], "latents/classes")
        with h5py.File(self.folder / "shapes.h5") as file:
            names, images = list(file["latents/classes"].attrs["names"]), file["imgs"][:]
        self.assertEqual(scores["factors"], names)
        for score in ("beta_vae", "factor_vae", "mig", "sap"):
            self.assertTrue(0 <= scores[score] <= 1, (score, scores[score]))
        self.assertGreater(scores["beta_vae"], 1 / len(names))
        with h5py.File(self.folder / "labelled.h5", "w") as file:
            file["imgs"], file["labels"] = images, numpy.arange(len(images)) % 10
        self.assertNotIn("disentanglement", self.evaluate("vae", "--data", "labelled.h5", "--coverage", "0")[0])

    def test_the_table_has_units_and_leaves_out_what_does_not_exist(self):
        figures, said = self.evaluate("vae", *ROWS, "--importance-samples", "4")
        self.assertIn("at the fixed sigma 1 (objective.sigma): not a tuned likelihood", said)
        self.assertEqual(figures["fixed_sigma"], 1)
        for words in ("runs/vae/checkpoints/step_00000150: vanilla_vae, step 150", "M_N", "squared error per value", "nats per sample", "bits/dim", "log p(x), K = 4", " dB", "of 4 (variance",
                      "coverage", "BetaVAE"):
            self.assertIn(words, said)
        figures, said = self.evaluate("points", *ROWS)
        self.assertIn("mse", figures)
        for words in ("KL", "ELBO", "log p", "active"):
            self.assertNotIn(words, said)
        figures, said = self.evaluate("decoder", *ROWS)
        self.assertIn("log_p_nats", figures)
        for words in ("MSE  ", "KL", "ELBO", "BetaVAE"):
            self.assertNotIn(words, said)

    def test_without_data_the_runs_validation_data_are_taken(self):
        self.train("parts", BLOCKS, "train.steps=2", "data.train.rows=[0, 160]", "data.validation.file=shapes.h5", "data.validation.dataset=imgs", "data.validation.rows=[160, 200]")
        self.train("held_out", BLOCKS, "train.steps=2", "data.validation.fraction=0.1")
        for run, sizes in (("parts", (40, 160)), ("held_out", (20, 180))):
            with self.subTest(run):
                self.assertEqual(self.evaluate(run, "--coverage", "0")[0]["samples"], sizes[0])
                self.assertEqual(self.evaluate(run, "--coverage", "0", "--split", "train")[0]["samples"], sizes[1])

    def test_what_is_wrong_is_told_once_for_all_ranks(self):
        self.program("data", "make-shapes", "larger.h5", "--count", "8", "--size", "20", "--channels", "1", check=True)
        for arguments, says in [(["--rows", "0:201"], "--rows 0:201: there are 200 images"), (["--rows", "5"], "give A:B"), (["--data", "larger.h5"], "is for images 1x16x16"),
                                (["--split", "validation"], "no validation data"), (["--data", "shapes.h5", "--split", "train"], "cannot be combined with --data"),
                                (["--data", "absent.h5"], "absent.h5")]:
            with self.subTest(arguments):
                done = self.program("evaluate", "--checkpoint", "runs/vae", *arguments, np=2)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertEqual(done.stderr.count("vae_dist: "), 1, done.stderr)


class Embed(Models):
    def test_any_number_of_ranks_writes_the_same_codes_with_what_the_file_says_of_the_images(self):
        alone = self.datasets("embed", "--checkpoint", "runs/vae", *ROWS)
        self.assertEqual((alone["mu"].shape, alone["mu"].dtype, alone["log_var"].shape), ((150, 4), numpy.float32, (150, 4)))
        with h5py.File(self.folder / "shapes.h5") as file:
            for name in ("latents/classes", "latents/values"):
                numpy.testing.assert_array_equal(alone[name], file[name][25:175])
            names = list(file["latents/classes"].attrs["names"])
        with h5py.File(self.folder / "out.h5") as file:
            self.assertEqual(list(file["latents/classes"].attrs["names"]), names)
            self.assertTrue(numpy.issubdtype(file["latents/classes"].dtype, numpy.integer))
        for np in (2, 3):
            shared = self.datasets("embed", "--checkpoint", "runs/vae", *ROWS, np=np)
            self.assertEqual(sorted(shared), sorted(alone))
            for name, values in alone.items():
                numpy.testing.assert_array_equal(shared[name], values)
        self.assertEqual([path.name for path in self.folder.glob("*partial*")], [])

    def test_labels_keep_their_type_and_every_digit_and_can_be_chosen(self):
        labels = {"objid": numpy.arange(1237648720693755918, 1237648720693755918 + 200), "hash": numpy.uint64(2**64 - 200) + numpy.arange(200, dtype=numpy.uint64),
                  "redshift": numpy.where(numpy.arange(200) % 3 == 0, numpy.nan, 0.25).astype(">f4"), "good": numpy.arange(200) % 2 == 0}
        with h5py.File(self.folder / "labelled.h5", "w") as file, h5py.File(self.folder / "shapes.h5") as shapes:
            file["imgs"] = shapes["imgs"][...]
            for name, values in labels.items():
                file[name] = values
        embed = ["embed", "--checkpoint", "runs/vae", "--data", "labelled.h5"]
        written = self.datasets(*embed, "--rows", "10:180")
        self.assertEqual(sorted(written), sorted(["mu", "log_var", *labels]))
        for name, values in labels.items():
            self.assertEqual(written[name].dtype, values.dtype)
            numpy.testing.assert_array_equal(written[name], values[10:180])
        self.assertEqual(sorted(self.datasets(*embed, "--labels", "none")), ["log_var", "mu"])
        self.assertEqual(sorted(self.datasets(*embed, "--labels", "redshift,objid")), ["log_var", "mu", "objid", "redshift"])
        done = self.program(*embed, "--out", "other.h5", "--labels", "redshif")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("--labels redshif: the file has no such dataset", done.stderr)

    def test_a_codes_row_is_its_images_own(self):
        some, all_of_them = (self.datasets("embed", "--checkpoint", "runs/vae", *rows)["mu"] for rows in (["--rows", "100:103"], []))
        self.assertEqual(all_of_them.shape, (200, 4))
        numpy.testing.assert_allclose(some, all_of_them[100:103], rtol=1e-5, atol=1e-6)
        self.assertGreater(abs(some[0] - some[1]).max(), 1e-3)

    def test_points_have_no_variance_and_a_decoder_no_codes(self):
        self.assertNotIn("log_var", self.datasets("embed", "--checkpoint", "runs/points"))
        for out, run, says in [("codes.h5", "decoder", "decoder_only"), ("codes.png", "vae", ".h5")]:
            done = self.program("embed", "--checkpoint", f"runs/{run}", "--out", out)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(says, done.stderr)


class Compare(Models):
    RUNS = ["runs/vae", "runs/points", "runs/decoder"]

    def test_it_evaluates_each_as_evaluate_does(self):
        done = self.program("compare", *self.RUNS, *ROWS, "--json", "all.json", "--out", "compared.png", np=2, check=True)
        compared = json.loads((self.folder / "all.json").read_text())
        for run, figures in zip(("vae", "points", "decoder"), compared):
            alone, _ = self.evaluate(run, *ROWS, "--coverage", "0")
            self.assertGreater(figures.pop("parameters"), 1000)
            self.assertEqual(figures, alone)
        lines = done.stdout.splitlines()
        # The losses are different quantities and the bounds are not tuned, so the output also shows comparable figures.
        self.assertIn("loss and reconstruction are not comparable", done.stdout)
        self.assertIn("  vae: squared error per value + 5e-06 * KL\n  points: squared error per value\n  decoder: nats per sample\n", done.stdout)
        self.assertIn("not tuned likelihoods where sigma is fixed: vae (1)", done.stdout)
        header = lines[1].split()
        self.assertEqual(float(lines[2].split()[header.index("reconstruction")]), float(f"{compared[0]['reconstruction']:.4g}"))
        self.assertEqual(header[:4], ["run", "model", "step", "parameters"])
        self.assertEqual([line.split()[0] for line in lines[2:5]], ["vae", "points", "decoder"])
        self.assertEqual(lines[3].split()[header.index("KL/nats")], "-", "an autoencoder has no KL")
        self.assertEqual(float(lines[3].split()[header.index("MSE")]), float(f"{compared[1]['mse']:.4g}"))
        self.assertTrue(is_png(self.folder / "compared.png"))

    def test_its_picture_shows_the_same_inputs_by_each(self):
        pictures = self.datasets("compare", *self.RUNS, *ROWS, "--count", "5", "--seed", "3")
        self.assertEqual(sorted(pictures), sorted(["inputs", "vae/reconstructions", "vae/samples", "points/reconstructions", "points/samples", "decoder/samples"]))
        with h5py.File(self.folder / "shapes.h5") as file:
            numpy.testing.assert_allclose(pictures["inputs"].squeeze(), file["imgs"][25:30].reshape(5, 16, 16) / 255.0, atol=1e-6)
        alone = self.datasets("sample", "--checkpoint", "runs/vae", "--count", "5", "--seed", "3")
        numpy.testing.assert_allclose(pictures["vae/samples"], alone["samples"], atol=1e-6)

    def test_checkpoints_of_one_run_are_told_apart(self):
        self.train("twice", BLOCKS, "train.steps=4", "checkpoint.every_steps=2")
        done = self.program("compare", *(self.checkpoint("twice", step) for step in (2, 4)), "--rows", "0:40", check=True)
        self.assertIn("twice step 2 ", done.stdout)
        self.assertIn("twice step 4 ", done.stdout)
        self.assertNotIn("not comparable", done.stdout)

    def test_runs_of_one_name_have_labels_of_their_own(self):
        self.train("same", BLOCKS, "train.steps=4", "checkpoint.every_steps=2")
        self.train("same", BLOCKS, "train.steps=4", "run.directory=elsewhere")
        pictures = self.datasets("compare", "runs/same", "runs/same@2", "elsewhere/same", "runs/same", "--rows", "0:40", "--count", "2")
        for label in ("same step 2", "runs/same step 4", "elsewhere/same step 4", "runs/same step 4 (2)"):
            self.assertIn(f"{label}/samples", pictures)
        self.assertEqual(len([name for name in pictures if name.endswith("/samples")]), 4)


if __name__ == "__main__":
    unittest.main()
