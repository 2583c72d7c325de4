"""The showers of `data make-showers` have the statistics that their file states, recomputed here in closed form. Bounds are five standard deviations of each estimate."""
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


def program(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], text=True, capture_output=True, timeout=HANGS_S)


class Read:
    """A file of showers with what its attributes make of each energy."""

    def __init__(self, file):
        with h5py.File(file) as f:
            showers = f["showers"]
            self.attributes = dict(showers.attrs)
            self.energies, self.incident, self.lost = (f[name][:].astype(np.float64) for name in ("showers", "incident_energies", "lost_energies"))
            self.types = [f[name].dtype for name in ("showers", "incident_energies", "lost_energies")]
            self.storage = showers.chunks, showers.compression
        self.particles = np.floor(self.incident / self.attributes["particle_energy"])
        self.fractions = self.energies / self.incident

    def shares(self):
        """w of each shower and voxel."""
        layers, rings, sectors = (int(self.attributes[name]) for name in ("layers", "rings", "sectors"))
        t = (np.arange(layers) + 0.5) * self.attributes["depth"] / layers
        along = t ** (np.log(self.particles) / 2) * np.exp(-t / 2)
        across = np.exp(-np.arange(rings, dtype=float))
        along, across = along / along.sum(1, keepdims=True), across / across.sum()
        return (self.attributes["share"] * along[:, :, None, None] * across[:, None] * np.full(sectors, 1 / sectors)).reshape(len(along), -1)

    def variances(self, w):
        return 2 * w * (1 - w) / (self.particles + 1)


class Showers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.file = cls.made("showers.h5", "--count", 20000, "--energies", "500,20000", "--share", 0.7, "--particle-energy", 20, "--layers", 5, "--rings", 4, "--sectors", 3, "--seed", 5)
        cls.showers = Read(cls.file)

    @classmethod
    def made(cls, name, *options):
        done = program("data", "make-showers", cls.folder / name, *options)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return cls.folder / name

    def assert_moments(self, values, mean, variance):
        """Values of known means and variances: the standardised ones have mean 0 and mean square 1."""
        z = (values - mean) / np.sqrt(variance)
        self.assertLess(abs(z.mean()), SIGMAS / np.sqrt(z.size))
        self.assertLess(abs((z**2).mean() - 1), SIGMAS * (z**2).std() / np.sqrt(z.size))

    def test_the_file_is_in_the_format_of_the_calochallenge(self):
        s = self.showers
        self.assertEqual((s.energies.shape, s.incident.shape, s.lost.shape), ((20000, 60), (20000, 1), (20000, 1)))
        self.assertEqual(s.types, [np.float32] * 3)
        self.assertEqual(s.storage, ((64, 60), "gzip"))
        # The labels of the axes say that these are vectors, so that the layout need not be given.
        read = self.folder / "read.bin"
        done = subprocess.run([os.environ["VAE_DIST_DECODED_IMAGES"], "--plain", "nothing", "--dataset", "showers", read, self.file], text=True, capture_output=True, timeout=HANGS_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        np.testing.assert_array_equal(np.fromfile(read), s.energies.ravel())
        with h5py.File(self.file) as f:
            self.assertEqual([axis.label for axis in f["showers"].dims], ["event", "voxel"])

    def test_energy_is_conserved(self):
        s = self.showers
        self.assertTrue((s.energies >= 0).all() and (s.lost >= 0).all())
        np.testing.assert_allclose(s.energies.sum(1, keepdims=True) + s.lost, s.incident, rtol=2**-24)

    def test_incident_energies_are_log_uniform(self):
        low, high = self.showers.attributes["energies"]
        self.assertEqual((low, high), (500, 20000))
        place = np.sort(np.log(self.showers.incident[:, 0] / low) / np.log(high / low))
        self.assertTrue(place[0] > -1e-7 and place[-1] < 1 + 1e-7)
        steps = np.arange(len(place) + 1) / len(place)
        # Kolmogorov's distance: above 2.5 / sqrt(N) with a probability of 7e-6.
        self.assertLess(max((place - steps[:-1]).max(), (steps[1:] - place).max()), 2.5 / np.sqrt(len(place)))

    def test_the_response_has_the_mean_and_width_at_all_energies(self):
        s = self.showers
        share = s.attributes["share"]
        response = s.fractions.sum(1, keepdims=True)
        for low, high in [(500, 2000), (2000, 7000), (7000, 20000), (500, 20000)]:
            inside = (s.incident >= low) & (s.incident <= high)
            with self.subTest(energies=(low, high)):
                self.assert_moments(response[inside], share, s.variances(share)[inside])
        # With the energies of other showers both would be wrong.
        z = (s.energies.sum(1, keepdims=True) / np.roll(s.incident, 1) - share) / np.sqrt(s.variances(share))
        self.assertGreater((z**2).mean(), 10)

    def test_at_one_energy_the_response_and_its_layers_have_the_stated_widths(self):
        for energy in (1000, 7500):
            s = Read(self.made(f"at_{energy}.h5", "--count", 10000, "--energies", f"{energy},{energy}", "--layers", 4, "--rings", 2, "--sectors", 2, "--seed", energy))
            self.assertEqual(np.unique(s.incident).tolist(), [energy])
            w = s.shares()
            with self.subTest(energy=energy):
                self.assertAlmostEqual(s.fractions.sum(1).std(), np.sqrt(2 * 0.8 * 0.2 / (energy / 10 + 1)), delta=0.04 * np.sqrt(2 * 0.8 * 0.2 / (energy / 10 + 1)))
                for layer in range(4):
                    voxels = slice(4 * layer, 4 * layer + 4)
                    of_layer = w[:, voxels].sum(1, keepdims=True)
                    self.assert_moments(s.fractions[:, voxels].sum(1, keepdims=True), of_layer, s.variances(of_layer))

    def test_each_voxel_has_the_mean_and_variance(self):
        s = self.showers
        w = s.shares()
        np.testing.assert_allclose(w.sum(1), 0.7, rtol=1e-12)
        variances = s.variances(w)
        z = (s.fractions - w).sum(0) / np.sqrt(variances.sum(0))
        self.assertLess(np.abs(z).max(), SIGMAS)
        squares = (s.fractions - w) ** 2
        errors = np.sqrt((squares - variances).var(0) * len(squares))
        self.assertLess(np.abs((squares - variances).sum(0) / errors).max(), SIGMAS)
        # A profile that is nearly right is seen: one particle in fifty goes to the next layer.
        wrong = 0.98 * w + 0.02 * np.roll(w, 12, axis=1)
        self.assertGreater(np.abs((s.fractions - wrong).sum(0) / np.sqrt(variances.sum(0))).max(), SIGMAS)

    def test_as_many_values_are_zero_as_stated(self):
        s = self.showers
        empty = (1 - s.shares()) ** s.particles
        zeros = s.energies == 0
        self.assertGreater(zeros.mean(), 0.3)
        z = (zeros - empty).sum(0) / np.sqrt((empty * (1 - empty)).sum(0))
        self.assertLess(np.abs(z).max(), SIGMAS)

    def test_values_do_not_depend_on_threads_compression_or_the_number_of_showers(self):
        first = ["--count", 150, "--seed", 3]
        one = self.made("one.h5", *first, "--threads", 1)
        self.assertEqual(one.read_bytes(), self.made("three.h5", *first, "--threads", 3).read_bytes())
        plain = self.made("plain.h5", *first, "--compress", "none")
        many, other = self.made("many.h5", "--count", 200, "--seed", 3), self.made("other.h5", "--count", 150, "--seed", 4)
        with h5py.File(one) as a, h5py.File(plain) as b, h5py.File(many) as c, h5py.File(other) as d:
            for name in ("showers", "incident_energies", "lost_energies"):
                np.testing.assert_array_equal(a[name], b[name])
                np.testing.assert_array_equal(a[name], c[name][:150])
                self.assertLess(np.mean((a[name][:] == d[name][:]) & (a[name][:] != 0)), 0.01)
            self.assertIsNone(b["showers"].chunks)

    def test_options_out_of_range_are_refused_before_anything_is_written(self):
        before = sorted(self.folder.iterdir())
        for options, said in [(["--count", 0], "count is 0"), (["--energies", "100,50"], "energies are 100 and 50"), (["--energies", "5,50"], "at least particle-energy"),
                              (["--energies", "10,1e10"], "at most"), (["--share", "1"], "share is 1"), (["--particle-energy", "0"], "particle-energy is 0"),
                              (["--layers", "0"], "layers is 0"), (["--rings", "99999", "--sectors", "99999"], "sectors is 99999"), (["--compress", "gzip"], "unknown compression 'gzip'")]:
            done = program("data", "make-showers", self.folder / "no.h5", *options)
            with self.subTest(options=options):
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(said, done.stderr)
        self.assertEqual(sorted(self.folder.iterdir()), before)


if __name__ == "__main__":
    unittest.main()
