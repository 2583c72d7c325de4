"""`vae_dist evaluate` on data that are arrays: figures by channel, in the file's units, equal numpy's of the values that `reconstruct` and `sample` write; and configs/fields.yaml beside PCA."""
import json
import unittest

import h5py
import numpy as np

import runs

SIZE, TRAINING, HELD_OUT, LATENT, BINS = 16, 1800, 200, 32, 50
NAMES = ["t0_fields/density", "t0_fields/pressure"]


def shells(size):
    """The shell of every wave vector of numpy's FFT of a square."""
    waves = np.fft.fftfreq(size, 1 / size)
    return np.rint(np.hypot(*np.meshgrid(waves, waves))).astype(int)


def power(fields):
    """[channel, shell] of fields [sample, channel, height, width]."""
    squares = (np.abs(np.fft.fft2(fields)) ** 2 / SIZE**4).mean(0)
    return np.stack([squares[:, shells(SIZE) == k].mean(1) for k in range(SIZE // 2 + 1)], 1)


def separation(first, second):
    first, second = first / first.sum(), second / second.sum()
    some = first + second > 0
    return 0.5 * ((first - second)[some] ** 2 / (first + second)[some]).sum()


class ChannelFigures(runs.RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.folder / "data").mkdir()
        cls.program("data", "make-fields", "data/fields.h5", "--count", 400, "--frames", 5, "--size", f"{SIZE},{SIZE}", "--correlation-time", 1, "--mean", "7,300", "--deviation", "0.5,25", check=True)
        # The shipped configuration, with fewer points and components.
        cls.program("train", "--config", runs.SOURCE / "configs" / "fields.yaml", f"model.latent_dim={LATENT}", f"data.train.rows=[0, {TRAINING}]", f"data.validation.rows=[{TRAINING}, {TRAINING + HELD_OUT}]",
                    "train.schedule.warmup_steps=100", "train.epochs=150", "evaluate.every_epochs=0", "pictures.every_epochs=0", "metrics.port=null", "distributed.device=cpu", "distributed.threads_per_rank=1",
                    "evaluate.batch=64", check=True)
        with h5py.File(cls.folder / "data" / "fields.h5") as file:
            rows = np.stack([file[name][:].reshape(-1, SIZE, SIZE) for name in NAMES], 1).astype(np.float64)
        cls.training, cls.data = rows[:TRAINING], rows[TRAINING:]

    def evaluate(self, run, *options, np=None):
        """The JSON, its text and what is printed."""
        done = self.program("evaluate", "--checkpoint", f"runs/{run}", "--coverage", "0", "--threads", "1", "--json", "out.json", "--overwrite", *options, np=np, check=True)
        text = (self.folder / "out.json").read_text()
        return json.loads(text), text, done.stdout

    def written(self, verb, run, names, *options):
        self.program(verb, "--checkpoint", f"runs/{run}", "--out", "out.h5", "--overwrite", *options, check=True)
        with h5py.File(self.folder / "out.h5") as file:
            return np.stack([file[name][:] for name in names], 1).astype(np.float64)

    def check_histograms(self, figures, data, drawn, spaced=lambda x: x):
        edges = np.array(figures["edges"])
        self.assertEqual(len(edges), BINS + 1)
        np.testing.assert_allclose(edges[[0, -1]], [data.min(), data.max()], rtol=1e-5, atol=1e-6 * np.ptp(data))  # normalised values are float32
        np.testing.assert_allclose(np.diff(spaced(edges)), np.ptp(spaced(edges)) / BINS, rtol=1e-4)
        inner = edges.copy()
        inner[[0, -1]] += [-1e-5 * np.ptp(data), 1e-5 * np.ptp(data)]
        of_data, of_drawn = (np.histogram(values, np.concatenate([[-np.inf], inner, [np.inf]]))[0] for values in (data, drawn))
        # A value beside an edge may be rounded over it.
        bound = 5 / data.size + 2e-4
        np.testing.assert_allclose(figures["data"], of_data[1:-1] / data.size, atol=bound)
        np.testing.assert_allclose(figures["samples"], of_drawn[1:-1] / drawn.size, atol=bound)
        np.testing.assert_allclose([figures["samples_below"], figures["samples_above"]], of_drawn[[0, -1]] / drawn.size, atol=bound)
        self.assertAlmostEqual(figures["separation_power"], separation(of_data, of_drawn), delta=0.01)

    def test_figures_are_those_of_what_reconstruct_and_sample_write_with_the_same_bits_at_any_number_of_ranks(self):
        figures, text, printed = self.evaluate("fields")
        for ranks in (2, 4):
            self.assertEqual(self.evaluate("fields", np=ranks)[1], text)
        channels = figures["channels"]
        self.assertEqual([channel["name"] for channel in channels], NAMES)
        self.assertNotIn("totals", figures)
        for name in NAMES:
            self.assertIn(name, printed)
        self.assertEqual(figures["compared_samples"], "draws of p(x|z)")
        self.assertIn("the prior's samples (draws of p(x|z)) from the data", printed)

        back = self.written("reconstruct", "fields", [f"reconstructions/{name}" for name in NAMES], "--rows", f"0:{HELD_OUT}")
        drawn = self.written("sample", "fields", [f"samples/{name}" for name in NAMES], "--count", HELD_OUT, "--seed", "1265", "--values", "sample")
        error = back - self.data
        of_channels = lambda key: np.array([channel[key] for channel in channels])  # noqa: E731
        np.testing.assert_allclose(of_channels("rmse"), np.sqrt((error**2).mean((0, 2, 3))), rtol=1e-5)
        np.testing.assert_allclose(of_channels("vrmse"), np.sqrt((error**2).mean((2, 3)) / (self.data.var((2, 3)) + 1e-7)).mean(0), rtol=1e-5)
        for key, fields in [("power_of_data", self.data), ("power_of_reconstructions", back), ("power_of_errors", error)]:
            np.testing.assert_allclose(of_channels(key), power(fields), rtol=1e-4, atol=1e-8)
        for c, channel in enumerate(channels):
            self.check_histograms(channel["values"], self.data[:, c], drawn[:, c])
            self.assertLess(channel["values"]["separation_power_of_halves"], 0.01)

    def test_reconstructions_have_the_power_that_pca_leaves(self):
        """With as many components: where PCA keeps 90 % of the power, so does the model; above, its errors have no more power than PCA's, to 5 %. Its reconstructions have the power of the
        known optimum's, which keeps the share 1 - sigma^2 / l of a component of variance l (the posterior mean of probabilistic PCA: Tipping, Bishop 1999, section 3.3), to 15 %."""
        mean, deviation = self.training.mean((0, 2, 3), keepdims=True), self.training.std((0, 2, 3), keepdims=True)
        training, held_out = (((fields - mean) / deviation).reshape(len(fields), -1) for fields in (self.training, self.data))
        variances, directions = np.linalg.eigh(np.cov(training.T))
        noise, variances, directions = variances[:-LATENT].mean(), variances[-LATENT:], directions[:, -LATENT:]
        code = (held_out - training.mean(0)) @ directions
        fields = lambda code: (code @ directions.T + training.mean(0)).reshape(self.data.shape) * deviation + mean  # noqa: E731
        whole, kept, left, best = (power(each) for each in (self.data, fields(code), fields(code) - self.data, fields(code * (1 - noise / variances))))
        kept_shells = 0
        for c, channel in enumerate(self.evaluate("fields")[0]["channels"]):
            for k in range(1, SIZE // 2 + 1):
                with self.subTest(channel=channel["name"], shell=k):
                    if abs(kept[c, k] / whole[c, k] - 1) < 0.1:
                        kept_shells += 1
                        self.assertLess(abs(channel["power_ratio"][k] - 1), 0.1)
                    else:
                        self.assertLess(channel["power_of_errors"][k], 1.05 * left[c, k])
                    self.assertLess(abs(channel["power_of_reconstructions"][k] / best[c, k] - 1), 0.15)
        self.assertGreater(kept_shells, 0)
        self.assertLess(kept_shells, SIZE)

    def test_vectors_have_histograms_of_their_values_and_totals(self):
        random = np.random.default_rng(4)
        for values in (100, 7):
            showers = random.gamma(0.5, 100, (96, values)).astype("<f4")
            with h5py.File(self.folder / "showers.h5", "w") as file:
                file["showers"] = showers
            name = f"vectors{values}"
            self.train(name, "data.train={file: showers.h5, dataset: showers, layout: NV}", "data.normalize=standardize", "data.transform=[log1p]", "model.name=mlp_vae", "train.steps=20", "evaluate.batch=32")
            figures, text, printed = self.evaluate(name)
            self.assertEqual(self.evaluate(name, np=2)[1], text)
            self.assertIn("sum of a sample", printed)
            self.assertIn("(means of p(x|z))", printed)  # a squared error knows no noise
            self.assertNotIn("VRMSE", printed)
            self.assertNotIn("waves along a side", printed)
            channels = figures["channels"]
            self.assertEqual([channel["name"] for channel in channels], ["showers"] if values == 100 else [f"showers[{v}]" for v in range(7)])
            back = self.written("reconstruct", name, ["reconstructions"], "--rows", "0:96")[:, 0]
            drawn = self.written("sample", name, ["samples"], "--count", 96, "--seed", "1265")[:, 0]
            groups = [slice(None)] if values == 100 else list(range(7))
            for channel, group in zip(channels, groups, strict=True):
                self.assertAlmostEqual(channel["rmse"] / np.sqrt(((back - showers)[:, group] ** 2).mean()), 1, places=4)
                self.assertFalse({"vrmse", "power_of_data"} & channel.keys())
                self.check_histograms(channel["values"], showers[:, group], drawn[:, group], np.log1p)
            self.check_histograms(figures["totals"], showers.sum(1, dtype=np.float64), drawn.sum(1))

    def test_draws_have_the_noise_that_means_lack(self):
        """Vectors of known noise: the samples cannot be told from the data, as little as one half of these from the other; the same samples without the noise can."""
        random = np.random.default_rng(5)
        x = 20 + 5 * (random.standard_normal((800, 3)) @ random.standard_normal((3, 70)) * 0.4 + random.standard_normal((800, 70)))
        with h5py.File(self.folder / "noisy.h5", "w") as file:
            file["x"] = x.astype("<f4")
            file["x"].attrs["units"] = "GeV"
        self.train("noisy", "data.train={file: noisy.h5, dataset: x, layout: NV, rows: [0, 600]}", "data.validation={file: noisy.h5, dataset: x, layout: NV, rows: [600, 800]}", "data.normalize=standardize",
                   "model.name=mlp_vae", "model.hidden_dims=[]", "model.latent_dim=4", "objective.reduction=sum", "objective.variance=learned", "objective.kld_weight={rule: elbo}", "train.global_batch=60",
                   "train.optimizer.learning_rate=0.01", "train.epochs=40", "train.steps=400")
        figures, _, printed = self.evaluate("noisy")
        channel, = figures["channels"]
        self.assertEqual(channel["units"], "GeV")
        self.assertRegex(printed, r"x\[0\] .*GeV|x .*GeV")
        values = channel["values"]
        of_means = self.written("sample", "noisy", ["samples"], "--count", 200, "--seed", "1265")
        edges = np.concatenate([[-np.inf], values["edges"], [np.inf]])
        without_noise = separation(*(np.histogram(each, edges)[0] for each in (x[600:], of_means)))
        self.assertGreater(without_noise, 0.1)
        self.assertLess(values["separation_power"], max(3 * values["separation_power_of_halves"], 0.01))
        self.assertGreater(without_noise, 10 * values["separation_power"])

    def test_samples_have_the_names_of_the_training_data_also_without_a_normalisation(self):
        random = np.random.default_rng(6)
        with h5py.File(self.folder / "two.h5", "w") as file:
            file["first"], file["second"] = random.random((2, 40, 16, 16)).astype("<f4")
        self.train("two", "data.train={file: two.h5, dataset: [first, second], layout: NHW}", "train.steps=2")
        pictures = []
        for name in ("named", "again", "numbered"):
            if name == "numbered":  # where the data are no longer there, channels are numbers
                (self.folder / "two.h5").rename(self.folder / "moved.h5")
            self.program("sample", "--checkpoint", "runs/two", "--count", "2", "--out", f"{name}.png", check=True)
            pictures.append((self.folder / f"{name}.png").read_bytes())
        self.assertEqual(pictures[0], pictures[1])
        self.assertNotEqual(pictures[0], pictures[2])

    def test_plain_pictures_show_them_when_asked(self):
        for name, model in (("pictures", "vanilla_vae"), ("decoder", "decoder_only")):
            self.train(name, f"model.name={model}", "train.steps=5", "objective.reduction=sum")
            figures, _, printed = self.evaluate(name)
            self.assertNotIn("imgs  ", printed)
            channel, = figures["channels"]
            self.assertEqual(("rmse" in channel, "power_of_reconstructions" in channel), (name == "pictures",) * 2)
            self.assertEqual(len(channel["power_of_data"]), 9)
            printed = self.evaluate(name, "--channels")[2]
            self.assertIn("S^2", printed)
            self.assertEqual("VRMSE" in printed, name == "pictures")
            if name == "pictures":
                self.assertAlmostEqual(channel["rmse"], 255 * figures["mse"] ** 0.5, delta=1e-4)


if __name__ == "__main__":
    unittest.main()
