"""The fields of `data make-fields` have the statistics that their files state, recomputed here with numpy's FFT. Bounds are five standard deviations of each
estimate, and statistics that are nearly right are told from right."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

from deadline import HANGS_S
from runs import BINARY

SIGMAS = 5.0
TRAJECTORIES = 400
MEANS, DEVIATIONS = {"rho": 1.0, "T": 300.0, "u": -2.0}, {"rho": 0.5, "T": 25.0, "u": 4.0}
CORRELATION, CORRELATION_TIME, SLOPE, KNEE = 0.4, 2.0, 3.0, 2.0


def program(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], text=True, capture_output=True, timeout=HANGS_S)


def power(size, slope, knee):
    """p(k) for the modes in the order of numpy's FFT."""
    squared = sum(axis**2 for axis in np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in size), indexing="ij"))
    p = np.where(squared > 0, (1 + squared / knee**2) ** (-slope / 2), 0.0)
    return p / p.sum()


class GaussianFields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)

    def made(self, name, *options):
        done = program("data", "make-fields", self.folder / name, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.folder / name

    def known(self, size):
        """(units of the deviation [channel, trajectory, time, space...], their Fourier amplitudes, p) of a file with these points."""
        sizes = ",".join(map(str, size))
        names, numbers = ",".join(MEANS), [",".join(map(str, each.values())) for each in (MEANS, DEVIATIONS)]
        file = self.folder / f"{sizes}.h5"
        if not file.exists():
            self.made(file.name, "--count", TRAJECTORIES, "--frames", 3, "--size", sizes, "--channels", names, "--mean", numbers[0], "--deviation", numbers[1],
                      "--correlation", CORRELATION, "--slope", SLOPE, "--knee", KNEE, "--correlation-time", CORRELATION_TIME, "--seed", 7)
        with h5py.File(file) as f:
            raw = np.stack([f[f"t0_fields/{name}"][:].astype(np.float64) for name in MEANS])
        self.assertEqual(raw.shape, (3, TRAJECTORIES, 3, *size))
        shaped = [np.array(list(each.values())).reshape(3, *[1] * (raw.ndim - 1)) for each in (MEANS, DEVIATIONS)]
        unit = (raw - shaped[0]) / shaped[1]
        return unit, np.fft.fftn(unit, axes=range(3, unit.ndim)) / np.prod(size), power(size, SLOPE, KNEE)

    def white(self, size):
        """The fields divided by the root of their spectrum: independent normal numbers, [channel, trajectory, time, point], and how many of them are independent."""
        _, amplitudes, p = self.known(size)
        points = p.size
        flat = np.divide(amplitudes, np.sqrt(p), where=p > 0, out=np.zeros_like(amplitudes))
        whole = np.fft.ifftn(flat, axes=range(3, flat.ndim))
        self.assertLess(np.abs(whole.imag).max(), 1e-9)
        # One mode of all is missing, so that the variance would be 1 - 1 / points.
        return (whole.real * np.sqrt(points) / np.sqrt(1 - 1 / points)).reshape(3, TRAJECTORIES, 3, points), TRAJECTORIES * (points - 1)

    SIZES = [(48,), (12, 20), (6, 8, 10)]

    def test_each_frame_has_the_mean(self):
        for size in self.SIZES:
            unit = self.known(size)[0]
            with self.subTest(size=size):
                np.testing.assert_allclose(unit.mean(tuple(range(3, unit.ndim))), 0, atol=2e-6)

    def shells(self, size, slope, knee):
        """The largest deviation of power from p(k) over shells of |k|, in standard deviations, for any channel and frame."""
        _, amplitudes, _ = self.known(size)
        p = power(size, slope, knee)
        length = np.sqrt(sum(axis**2 for axis in np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in size), indexing="ij")))
        measured = (np.abs(amplitudes) ** 2).mean(1)
        largest = 0.0
        for shell in range(1, int(length.max()) + 1):
            inside = (length > shell - 0.5) & (length <= shell + 0.5)
            if not inside.any():
                continue
            ratios = measured[..., inside] / p[inside]
            # k and -k are one complex number, whose squared length varies by its mean; a mode that is its own mirror image is one real number.
            # In both cases the mean over the shell varies as if each mode were a real number.
            largest = max(largest, np.abs(ratios.mean(-1) - 1).max() / np.sqrt(2 / (TRAJECTORIES * inside.sum())))
        return largest

    def test_power_is_that_of_the_stated_spectrum_and_of_no_near_one(self):
        for size in self.SIZES:
            with self.subTest(size=size):
                self.assertLess(self.shells(size, SLOPE, KNEE), SIGMAS)
                self.assertGreater(self.shells(size, SLOPE * 1.1, KNEE), SIGMAS)
                self.assertGreater(self.shells(size, SLOPE, KNEE * 1.1), SIGMAS)

    def test_values_are_normal_with_the_variance(self):
        for size in self.SIZES:
            white, count = self.white(size)
            for moment, wanted, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
                with self.subTest(size=size, moment=moment):
                    np.testing.assert_allclose((white**moment).mean((1, 3)), wanted, atol=SIGMAS * np.sqrt(variance / count))

    def test_channels_are_correlated_as_stated(self):
        for size in self.SIZES:
            white, count = self.white(size)
            for c, d in [(0, 1), (0, 2), (1, 2)]:
                with self.subTest(size=size, channels=(c, d)):
                    np.testing.assert_allclose((white[c] * white[d]).mean((0, 2)), CORRELATION, atol=SIGMAS * np.sqrt((1 + CORRELATION**2) / count))

    def test_frames_are_correlated_as_stated(self):
        for size in self.SIZES:
            white, count = self.white(size)
            for t, u in [(0, 1), (1, 2), (0, 2)]:
                r = np.exp(-(u - t) / CORRELATION_TIME)
                with self.subTest(size=size, frames=(t, u)):
                    np.testing.assert_allclose((white[:, :, t] * white[:, :, u]).mean((1, 2)), r, atol=SIGMAS * np.sqrt((1 + r**2) / count))
                    # Between channels both correlations multiply.
                    both = r * CORRELATION
                    self.assertAlmostEqual((white[0, :, t] * white[1, :, u]).mean(), both, delta=SIGMAS * np.sqrt((1 + both**2) / count))
        white, count = self.white((48,))
        self.assertLess(abs((white[:, 1:] * white[:, :-1]).mean()), SIGMAS / np.sqrt(count))  # trajectories are independent

    def test_opposite_sides_are_neighbours(self):
        for size in self.SIZES:
            unit, _, p = self.known(size)
            for axis, length in enumerate(size):
                covariance = np.fft.fftn(p).real
                same, beside, far = (covariance.take(at, axis=axis) for at in (0, 1, length // 2))
                # The variance of a mean of products of normal numbers (Isserlis 1918), along the two sides and over trajectories.
                bound = SIGMAS * np.sqrt((same**2 + beside**2).mean() / TRAJECTORIES)
                first, last = (unit[:, :, 0].take(at, axis=2 + axis) for at in (0, length - 1))
                with self.subTest(size=size, axis=axis):
                    self.assertGreater(beside.flat[0] - far.flat[0], bound)
                    for products in first * last:  # of each channel
                        self.assertAlmostEqual(products.mean(), beside.flat[0], delta=bound)

    def test_the_file_is_in_the_format_of_the_well(self):
        self.known((6, 8, 10))
        with h5py.File(self.folder / "6,8,10.h5") as f:
            self.assertEqual((f.attrs["n_spatial_dims"], f.attrs["n_trajectories"], f.attrs["grid_type"]), (3, TRAJECTORIES, "cartesian"))
            self.assertEqual({name: f.attrs[name] for name in f.attrs["simulation_parameters"]},
                             {"slope": SLOPE, "knee": KNEE, "correlation": CORRELATION, "correlation_time": CORRELATION_TIME})
            self.assertEqual(list(f["dimensions"].attrs["spatial_dims"]), ["x", "y", "z"])
            np.testing.assert_array_equal(f["dimensions/time"][:], [0, 1, 2])
            np.testing.assert_allclose(f["dimensions/y"][:], np.arange(8) / 8)
            self.assertEqual(list(f["t0_fields"].attrs["field_names"]), list(MEANS))
            self.assertEqual(len(f["t1_fields"].attrs["field_names"]), 0)
            for name in MEANS:
                field = f[f"t0_fields/{name}"]
                self.assertEqual((field.dtype, field.chunks), (np.float32, None))
                self.assertEqual((field.attrs["mean"], field.attrs["deviation"]), (MEANS[name], DEVIATIONS[name]))
                for flag in ("sample_varying", "time_varying"):
                    self.assertIs(type(field.attrs[flag]), np.bool_)
                    self.assertTrue(field.attrs[flag])
                self.assertEqual((field.attrs["dim_varying"].dtype, field.attrs["dim_varying"].tolist()), (bool, [True] * 3))
            side = f["boundary_conditions/x_periodic"]
            self.assertEqual((side.attrs["bc_type"], list(side.attrs["associated_dims"])), ("PERIODIC", ["x"]))
            self.assertEqual(side["mask"][:].tolist(), [1, 0, 0, 0, 0, 1])
            raw = np.stack([f[f"t0_fields/{name}"][:] for name in MEANS], 2).astype(np.float64)
        # The attributes say what the axes are, so that the layout need not be given.
        read = self.folder / "read.bin"
        datasets = [option for name in MEANS for option in ("--dataset", f"t0_fields/{name}")]
        done = subprocess.run([os.environ["VAE_DIST_DECODED_IMAGES"], "--plain", "nothing", *datasets, read, self.folder / "6,8,10.h5"], text=True, capture_output=True, timeout=HANGS_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        np.testing.assert_array_equal(np.fromfile(read), raw.ravel())

    def test_values_do_not_depend_on_threads_compression_or_the_number_of_trajectories(self):
        options = ["--frames", 130, "--size", "10,6"]
        first_five = [*options, "--count", 5, "--seed", 3]
        one = self.made("one.h5", *first_five, "--threads", 1)
        self.assertEqual(one.read_bytes(), self.made("three.h5", *first_five, "--threads", 3).read_bytes())
        packed, many = self.made("packed.h5", *first_five, "--compress", "gzip:4"), self.made("many.h5", *options, "--count", 7, "--seed", 3)
        self.assertEqual(packed.read_bytes(), self.made("packed_3.h5", *first_five, "--compress", "gzip:4", "--threads", 3).read_bytes())
        other = self.made("other.h5", *options, "--count", 5, "--seed", 4)
        with h5py.File(one) as a, h5py.File(packed) as b, h5py.File(many) as c, h5py.File(other) as d:
            for name in ("t0_fields/density", "t0_fields/pressure"):
                np.testing.assert_array_equal(a[name], b[name])
                np.testing.assert_array_equal(a[name], c[name][:5])
                self.assertLess(np.mean(a[name][:] == d[name][:]), 0.01)
                self.assertEqual((b[name].chunks, b[name].compression, b[name].shuffle), ((1, 64, 10, 6), "gzip", True))

    def test_options_out_of_range_are_refused_before_anything_is_written(self):
        before = sorted(self.folder.iterdir())
        for options, said in [(["--count", 0], "count is 0"), (["--frames", 0], "frames is 0"), (["--size", "4,4,4,4"], "size has 4 numbers"), (["--size", "8,1"], "size has 1"),
                              (["--size", "99999,99999"], "fewer"), (["--channels", "a,b,a"], "a name twice"), (["--channels", "a/b"], "'a/b'"), (["--mean", "1,2,3"], "mean has 3 values"),
                              (["--deviation", "0"], "deviation is 0"), (["--correlation", "1.5"], "correlation is 1.5"), (["--knee", "0"], "knee is 0"),
                              (["--slope", "-1"], "slope is -1"), (["--correlation-time", "-1"], "correlation-time is -1"), (["--compress", "zip"], "unknown compression 'zip'")]:
            done = program("data", "make-fields", self.folder / "no.h5", *options)
            with self.subTest(options=options):
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(said, done.stderr)
        self.assertEqual(sorted(self.folder.iterdir()), before)


if __name__ == "__main__":
    unittest.main()
