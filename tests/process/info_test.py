"""data info: the statistics of any array by channel are numpy's, and every shape is drawn."""
import re
import unittest

import h5py
import numpy

import runs
from png_files import is_png


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

    def test_the_share_of_values_that_are_not_finite_is_told_before_they_are_refused(self):
        values = numpy.random.default_rng(9).normal(size=(20, 40)).astype("f4")
        values[3, 5:9], values[7, 1] = numpy.nan, numpy.inf
        self.write("gaps.h5", values=(values, {}))
        done, found = self.info("gaps.h5", "--dataset", "values", "--layout", "NW")
        self.check(found, values[:, None], 1)
        self.assertIn("row 3", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
