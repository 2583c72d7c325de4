"""data info: the statistics of any array by channel are numpy's, and every shape is drawn."""
import json
import re
import unittest

import h5py
import numpy

import runs
from png_files import is_png, read_pixels


class Info(runs.RunFolder):
    def write(self, name, **datasets):
        with h5py.File(self.folder / name, "w") as file:
            for path, (values, options) in datasets.items():
                file.create_dataset(path.replace("__", "/"), data=values, **options)

    def info(self, name, *arguments):
        """Channel -> least, largest, mean, deviation, share of zeros, share of values that are not finite."""
        done = self.program("data", "info", name, *arguments, "--out", "info.png", "--overwrite")
        table = re.search(r"values as they are stored, .*:\n +least.*\n((?:  .*\n)+)", done.stdout)
        self.assertTrue(table, done.stdout + done.stderr)
        rows = [re.fullmatch(r"  (.*?) {2,}(\S+) +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)", line) for line in table[1].rstrip("\n").split("\n")]
        return done, {row[1]: [float(row[i]) for i in range(2, 8)] for row in rows}

    def check(self, found, values, channel_axis):
        channels = [values] if channel_axis is None else numpy.moveaxis(values, channel_axis, 0)
        self.assertEqual(len(found), len(channels))
        for (name, figures), channel in zip(found.items(), channels):
            known = channel[numpy.isfinite(channel)].astype("f8")
            expected = [known.min(), known.max(), known.mean(), known.std(), (channel == 0).mean(), 1 - len(known) / channel.size]
            numpy.testing.assert_allclose(figures, expected, rtol=2e-6, atol=1e-6 * known.std(), err_msg=name)

    def test_statistics_are_numpys_in_every_shape_and_type(self):
        random = numpy.random.default_rng(7)
        normal = random.normal(size=(60, 3, 8, 9))
        volumes = (100 * random.normal(size=(6, 5, 8, 9, 2))).astype("i2")
        vectors = numpy.where(random.random((40, 50)) < 0.7, 0, random.gamma(2, 3, (40, 50))).astype("f4")
        for name, values, layout, axis in [
                ("series", 1e6 + random.normal(size=(30, 2, 70)), "NCW", 1), ("images", normal.astype("f4"), "NCHW", 1), ("bytes", random.integers(0, 256, (70, 8, 9, 3), dtype="u1"), "NHWC", 3),
                ("volumes", volumes, "NDHWC", 4), ("vectors", vectors, "NV", None), ("inner", numpy.moveaxis(normal, 0, 2).astype(">f8"), "CHNW", 0)]:
            with self.subTest(name):
                chunks = {"chunks": (7,) + values.shape[1:], "compression": "gzip"} if layout[0] == "N" and len(values) > 7 else {}
                self.write("any.h5", values=(values, chunks))
                done, found = self.info("any.h5", "--dataset", "values", "--layout", layout)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("of all samples", done.stdout)
                self.check(found, values, axis)
                self.assertTrue(is_png(self.folder / "info.png"))

    def test_datasets_that_are_channels_keep_their_names(self):
        random = numpy.random.default_rng(8)
        density, velocity = random.gamma(3, 1, (12, 16, 16)).astype("f4"), random.normal(size=(12, 16, 16, 2)).astype("f8")
        self.write("flow.h5", t0__density=(density, {}), t1__velocity=(velocity, {}))
        done, found = self.info("flow.h5", "--dataset", "t0/density,t1/velocity", "--layout", "NHW(C)")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(found), ["density", "velocity 0", "velocity 1"])
        self.check(found, numpy.concatenate([density[..., None], velocity], -1), 3)

    def test_files_with_missing_values_are_drawn_and_counted(self):
        random = numpy.random.default_rng(10)
        for name, shape, layout, kind, marks in [("fields", (20, 2, 16, 18), "NCHW", "<f4", {}), ("volumes", (7, 6, 7, 8), "NDHW", "<i2", {"_FillValue": numpy.int16(-999)}),
                                                 ("series", (30, 40), "NW", "<f8", {"missing_value": 1e20}), ("bytes", (40, 12, 12), "NHW", "u1", {"_FillValue": numpy.uint8(255)}), ("vectors", (30, 9), "NV", "<f4", {})]:
            with self.subTest(name):
                values = (random.random(shape) * 200).astype(kind)
                gone = random.random(shape) < 0.3
                values[gone] = next(iter(marks.values())) if marks else numpy.nan
                self.write("gaps.h5", values=(values, {}))
                with h5py.File(self.folder / "gaps.h5", "a") as file:
                    file["values"].attrs.update({**marks, "units": "K"})
                done = self.program("data", "info", "gaps.h5", "--dataset", "values", "--layout", layout, "--out", "info.png", "--json", "info.json", "--overwrite", check=True)
                self.assertTrue(is_png(self.folder / "info.png"))
                self.assertIn("missing values: training refuses them", done.stdout)
                self.assertIn("(K)", done.stdout)
                channels = json.loads((self.folder / "info.json").read_text())["statistics"]["channels"]
                split = [values[:, c] for c in range(2)] if name == "fields" else [values]
                hidden = [gone[:, c] for c in range(2)] if name == "fields" else [gone]
                self.assertEqual(len(channels), len(split))
                for channel, stored, mask in zip(channels, split, hidden):
                    known = stored[~mask].astype("f8")
                    self.assertEqual((channel["missing"], channel["not_finite"]), (mask.sum(), 0) if marks else (0, mask.sum()))
                    self.assertEqual((channel["values"], channel["zeros"], channel["units"]), (stored.size, (known == 0).sum(), "K"))
                    numpy.testing.assert_allclose([channel[key] for key in ("least", "largest", "mean", "deviation")], [known.min(), known.max(), known.mean(), known.std()], rtol=1e-9)
                    self.assertEqual(sum(channel["histogram"]["counts"]), known.size)

    def test_a_gap_beyond_the_samples_of_the_statistics_is_drawn(self):
        """Of 640 MB the statistics see a part, without row 125; the picture shows every 125th row."""
        with h5py.File(self.folder / "large.h5", "w") as file:
            values = file.create_dataset("values", (2000, 400, 400), "<f2", chunks=(1, 400, 400))
            values[125] = numpy.where(numpy.arange(400) < 9, numpy.nan, 0.5)
        done = self.program("data", "info", "large.h5", "--out", "large.png", "--json", "large.json", check=True)
        found = json.loads((self.folder / "large.json").read_text())
        self.assertIn("evenly spaced samples", done.stdout)
        self.assertEqual([channel["not_finite"] for channel in found["statistics"]["channels"]], [0])
        self.assertTrue(found["read_as"]["has_missing_values"])
        self.assertIn("missing values", done.stdout)

    def test_a_gap_in_a_picture_has_a_colour_of_its_own(self):
        values = numpy.linspace(1, 2, 4 * 16 * 16).reshape(4, 16, 16).astype("f4")
        grey = []
        for gap in (False, True):
            values[1, 4:12, 4:12] = numpy.nan if gap else 1.5
            self.write("gap.h5", values=(values, {}))
            self.program("data", "info", "gap.h5", "--dataset", "values", "--layout", "NHW", "--out", "gap.png", "--overwrite", check=True)
            pixels = read_pixels(self.folder / "gap.png")
            grey.append(int((pixels[..., :3] == 160).all(-1).sum()))
        self.assertGreaterEqual(grey[1] - grey[0], 8 * 8)

    def test_json_has_what_is_printed(self):
        random = numpy.random.default_rng(11)
        images = random.integers(0, 256, (40, 8, 9, 3), dtype="u1")
        self.write("images.h5", imgs=(images, {"chunks": (5, 8, 9, 3), "compression": "gzip"}), labels=(numpy.arange(40), {}))
        done = self.program("data", "info", "images.h5", "--json", "info.json", "--overwrite", check=True)
        found = json.loads((self.folder / "info.json").read_text())
        self.assertEqual([each["path"] for each in found["datasets"]], ["imgs", "labels"])
        self.assertEqual((found["datasets"][0]["shape"], found["datasets"][0]["chunk"]), ([40, 8, 9, 3], [5, 8, 9, 3]))
        reading = found["read_as"]
        self.assertEqual((reading["samples"], reading["channels"], reading["space"], reading["layout"], reading["has_missing_values"]), (40, 3, [8, 9], "NHWC", False))
        self.assertAlmostEqual(reading["scale"], 1 / 255)
        for words in (reading["description"], f"fingerprint {reading['fingerprint']}", f"advice: {reading['advice']['reason']}", found["datasets"][0]["filters"]):
            self.assertIn(words, done.stdout)
        for c, channel in enumerate(found["statistics"]["channels"]):
            self.assertAlmostEqual(channel["mean"], images[..., c].mean(), delta=1e-9)
            bars = channel["histogram"]
            expected = numpy.histogram(images[..., c], len(bars["counts"]), (bars["from"], bars["to"]))[0]
            self.assertEqual(bars["counts"], list(expected))

    def test_the_share_of_values_that_are_not_finite_is_told_before_they_are_refused(self):
        values = numpy.random.default_rng(9).normal(size=(20, 40)).astype("f4")
        values[3, 5:9], values[7, 1] = numpy.nan, numpy.inf
        self.write("gaps.h5", values=(values, {}))
        done, found = self.info("gaps.h5", "--dataset", "values", "--layout", "NW")
        self.check(found, values[:, None], 1)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("row 7", done.stderr)  # nothing stands for an infinite value


if __name__ == "__main__":
    unittest.main()
