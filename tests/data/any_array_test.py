"""Reads arrays of any axes, types and storage, as laboratories write them, and compares every value with numpy's reading of the same file."""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

from deadline import HANGS_S

PROGRAM = os.environ["VAE_DIST_DECODED_IMAGES"]
INTEGERS = ["u1", "i1", "<u2", ">i2", "<i4", ">u4", "<i8"]
FLOATS = ["<f2", ">f4", "<f4", "<f8", ">f8"]
SPACE = ["W", "HW", "DHW"]


def model_order(array, layout):
    """[N, C, space...] of an array whose axes have these letters; a vector is [N, V]."""
    samples = [axis for axis, letter in enumerate(layout) if letter == "N"]
    rest = [layout.index(letter) for letter in "VCDHW" if letter in layout]
    array = array.transpose(samples + rest)
    sizes = array.shape[len(samples):]
    return array.reshape((-1, *([] if "C" in layout or "V" in layout else [1]), *sizes))


class AnyArray(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.random = np.random.default_rng(20)

    def read(self, *options, files):
        out = str(self.folder / "out.bin")
        done = subprocess.run([PROGRAM, "--plain", "nothing", *options, out, *map(str, files)], capture_output=True, text=True, timeout=HANGS_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.said = said = json.loads(done.stdout)
        return np.fromfile(out, np.float64).reshape(said["images"], *said["shape"])

    def refusal(self, *options, files):
        done = subprocess.run([PROGRAM, "--plain", "nothing", *options, str(self.folder / "out.bin"), *map(str, files)], capture_output=True, text=True, timeout=HANGS_S)
        self.assertIn(done.returncode, (2, 3), done.stdout + done.stderr)
        return done.stderr

    def values(self, shape, dtype):
        kind = np.dtype(dtype)
        if kind.kind == "f":
            return (self.random.standard_normal(shape) * 100).astype(kind)
        limits = np.iinfo(kind)
        return self.random.integers(max(limits.min, -2**23), min(limits.max, 2**23), shape, endpoint=True).astype(kind)

    def storage(self, shape):
        """Storage in any of the ways that h5py has, with chunks that do not divide the array."""
        way = self.random.choice(["contiguous", "chunks", "gzip", "lzf"])
        if way == "contiguous":
            return {}
        chunks = tuple(int(self.random.integers(1, size + 1)) for size in shape)
        filters = {"gzip": {"compression": "gzip"}, "lzf": {"compression": "lzf", "shuffle": True}}.get(way, {"fletcher32": bool(self.random.integers(2))})
        return {"chunks": chunks, **filters}

    def layout(self):
        letters = list("N" * int(self.random.integers(0, 3)))
        letters += ["V"] if self.random.random() < 0.2 else [*self.random.choice(SPACE), *(["C"] if self.random.random() < 0.6 else [])]
        self.random.shuffle(letters)
        return "".join(letters)

    def test_any_layout_type_and_storage(self):
        for case in range(25):
            layout = self.layout()
            shape = tuple(int(self.random.integers(1, 8)) for _ in layout)
            dtype, storage = self.random.choice(INTEGERS + FLOATS), self.storage(shape)
            array = self.values(shape, dtype)
            file = self.folder / "any.h5"
            with h5py.File(file, "w") as f:
                f.create_dataset("group/x", data=array, **storage)
            wanted = model_order(array, layout).astype(np.float32).astype(np.float64)
            for how in [[], ["--stream"], ["--threads", "3"]]:
                with self.subTest(case=case, layout=layout, shape=shape, dtype=dtype, storage=storage, how=how):
                    np.testing.assert_array_equal(self.read("--dataset", "group/x", "--layout", layout, *how, files=[file]), wanted)

    def test_several_datasets_are_the_channels(self):
        """Scalar and vector fields of different types, as The Well stores them: [trajectory, time, x, y(, component)]."""
        file = self.folder / "well.h5"
        density, pressure, velocity = self.values((3, 5, 6, 7), "<f4"), self.values((3, 5, 6, 7), "<i2"), self.values((3, 5, 6, 7, 2), "<f8")
        with h5py.File(file, "w") as f:
            for name, array in [("t0_fields/density", density), ("t0_fields/pressure", pressure), ("t1_fields/velocity", velocity)]:
                f.create_dataset(name, data=array, chunks=(1, 2, *array.shape[2:]), compression="gzip")
                f[name].attrs.update({"sample_varying": True, "time_varying": True, "dim_varying": np.array([True, True])})
        wanted = np.concatenate([model_order(a, layout) for a, layout in [(density, "NNHW"), (pressure, "NNHW"), (velocity, "NNHWC")]], 1).astype(np.float32)
        names = [option for name in ("t0_fields/density", "t0_fields/pressure", "t1_fields/velocity") for option in ("--dataset", name)]
        for layout in (["--layout", "NNHW(C)"], []):  # given, and found by the file's attributes
            for how in ([], ["--stream"]):
                with self.subTest(layout=layout, how=how):
                    np.testing.assert_array_equal(self.read(*names, *layout, *how, files=[file]), wanted)

    def test_a_file_may_hold_one_sample(self):
        """More files than are opened at the start; each is one volume of six fields, as flowgen's snapshots are."""
        fields = [f"primes/{name}" for name in ("p", "rho", "t", "u", "v", "w")]
        arrays = self.values((70, 6, 3, 4, 5), "<f4")
        files = [self.folder / f"snapshot_{i}.h5" for i in range(len(arrays))]
        for file, array in zip(files, arrays):
            with h5py.File(file, "w") as f:
                for name, field in zip(fields, array):
                    f.create_dataset(name, data=field, compression="gzip")
        names = [option for name in fields for option in ("--dataset", name)]
        for how in ([], ["--stream"]):
            np.testing.assert_array_equal(self.read(*names, "--layout", "DHW", *how, files=files), arrays)
        with h5py.File(files[7], "w") as f:
            for name in fields:
                f.create_dataset(name, data=arrays[0, 0, :2])
        self.assertRegex(self.refusal(*names, "--layout", "DHW", files=files), r"do not hold the same kind of volumes: .*snapshot_7\.h5:/primes/p is \[2, 4, 5\]")

    def test_axes_by_their_names(self):
        """Labels of the axes, and dimension scales as netCDF and xarray write them."""
        array = self.values((4, 3, 5, 6), "<f4")
        file = self.folder / "named.h5"
        with h5py.File(file, "w") as f:
            f["labelled"] = array
            for axis, name in enumerate(["channel", "time", "lat", "lon"]):
                f["labelled"].dims[axis].label = name
            f["scaled"] = array
            for axis, name in enumerate(["time", "band", "y", "x"]):
                f[name] = np.arange(array.shape[axis])
                f[name].make_scale()
                f["scaled"].dims[axis].attach_scale(f[name])
        np.testing.assert_array_equal(self.read("--dataset", "labelled", files=[file]), array.transpose(1, 0, 2, 3))
        np.testing.assert_array_equal(self.read("--dataset", "scaled", files=[file]), array)

    def test_what_cannot_be_told_is_asked(self):
        file = self.folder / "unclear.h5"
        with h5py.File(file, "w") as f:
            f["two"], f["five"], f["one"] = np.zeros((9, 6)), np.zeros((2, 3, 4, 4, 3)), np.zeros(5)
        self.assertRegex(self.refusal("--dataset", "two", files=[file]), r"NV \(9 vectors of 6 values\), NW \(9 series of 6 values\) or HW")
        self.assertRegex(self.refusal("--dataset", "five", files=[file]), r"ambiguous.*NCDHW or NDHWC")
        self.assertRegex(self.refusal("--dataset", "one", files=[file]), r"W \(a file is one series of 5 values\) or V")
        self.assertRegex(self.refusal("--dataset", "two", "--layout", "NHW", files=[file]), r"cannot be read as layout NHW: 3 axes instead of 2")
        for word, why in [("NXW", "has the letter X"), ("NHHW", "H more than once"), ("NCV", "V, the values of a vector, beside"), ("NC", "neither W"), ("NDW", "must have W, or H and W"), ("N(CW", "one letter in parentheses")]:
            self.assertRegex(self.refusal("--dataset", "two", "--layout", word, files=[file]), f"the layout {word.replace('(', '[(]')} .*{why}")

    def test_transforms_and_statistics(self):
        shape = (50, 4, 5, 6)
        array = np.exp(self.random.standard_normal(shape)).astype(np.float32)
        array[:, 1] *= 1e6
        file = self.folder / "fields.h5"
        with h5py.File(file, "w") as f:
            f.create_dataset("x", data=array, chunks=(7, 4, 5, 6), compression="gzip")
        of = {"none": lambda x: x, "log1p": np.log1p, "log": np.log, "sqrt": np.sqrt, "asinh": np.arcsinh}
        for transforms in (["none"], ["log1p"], ["log", "asinh", "sqrt", "sqrt"]):
            exact = array.astype(np.float64)
            wanted = np.stack([of[transforms[c % len(transforms)]](exact[:, c]) for c in range(4)], 1)
            options = [option for name in transforms for option in ("--transform", name)]
            mean, deviation = wanted.mean((0, 2, 3), keepdims=True), wanted.std((0, 2, 3), keepdims=True)
            least, largest = wanted.min((0, 2, 3), keepdims=True), wanted.max((0, 2, 3), keepdims=True)
            for by, normalised in [("nothing", wanted), ("deviation", (wanted - mean) / deviation), ("range", (wanted - least) / (largest - least))]:
                bits = set()
                for how in ([], ["--stream"], ["--threads", "3"]):
                    got = self.read("--plain", by, "--layout", "NCHW", *options, *how, files=[file])
                    with self.subTest(transforms=transforms, by=by, how=how):
                        np.testing.assert_allclose(got, normalised, rtol=1e-12, atol=1e-12)
                    bits.add(got.tobytes())
                self.assertEqual(len(bits), 1)
        array[3, 2, 1, 1] = -0.5
        with h5py.File(file, "w") as f:
            f["x"] = array
        self.assertRegex(self.refusal("--transform", "log", "--layout", "NCHW", files=[file]), r"row 3 holds a value that data\.transform cannot be applied to")

    def test_random_crops_are_windows_of_the_samples(self):
        """Windows are drawn by sample and epoch, and are the same whether samples lie in memory or only the chunks of a window are read."""
        def window_of(whole, part):
            """The place of the part in a volume whose values are all different."""
            place = np.argwhere(whole[0] == part[0].flat[0])
            self.assertEqual(len(place), 1)
            corner = tuple(slice(i, i + size) for i, size in zip(place[0], part.shape[1:]))
            np.testing.assert_array_equal(part, whole[(slice(None), *corner)])
            return tuple(int(i) for i in place[0])

        for layout, shape, size, storage in [("NCDHW", (9, 2, 6, 7, 8), (3, 4, 5), {"chunks": (1, 2, 2, 3, 4), "compression": "gzip"}),
                                             ("NDHWC", (9, 6, 7, 8, 2), (3, 7, 1), {}), ("NCHW", (9, 3, 12, 10), (5, 4), {"chunks": (1, 1, 4, 4)}),
                                             ("NW", (9, 30), (11,), {"chunks": (4, 30)}), ("HWN", (8, 9, 9), (2, 8), {})]:
            array = self.random.permutation(np.prod(shape)).reshape(shape).astype("<f4")
            file = self.folder / "crops.h5"
            with h5py.File(file, "w") as f:
                f.create_dataset("x", data=array, **storage)
            whole = model_order(array, layout)
            crop = [option for length in size for option in ("--random-crop", str(length))]
            places = {}
            for epoch in range(4):
                made = [self.read("--dataset", "x", "--layout", layout, *crop, "--epoch", str(epoch), *how, files=[file]) for how in ([], ["--stream"])]
                with self.subTest(layout=layout, epoch=epoch):
                    np.testing.assert_array_equal(made[0], made[1])
                    self.assertEqual(sorted(self.said["order"]), list(range(9)))
                    for sample, part in zip(self.said["order"], made[0]):
                        places.setdefault(sample, set()).add(window_of(whole[sample], part))
            self.assertGreater(len(set.union(*places.values())), 9, "windows do not depend on the epoch and the sample")
        self.assertRegex(self.refusal("--dataset", "x", "--layout", "HWN", "--random-crop", "2", files=[file]), r"random_crop is \[2\], but .* it takes 2 sizes")
        self.assertRegex(self.refusal("--dataset", "x", "--layout", "HWN", "--random-crop", "2", "--random-crop", "10", files=[file]), r"random_crop is \[2, 10\], but .* images 1x8x9")

    def test_flips_along_any_axis(self):
        array = self.random.permutation(6 * 2 * 3 * 4 * 5).reshape(6, 2, 3, 4, 5).astype("<f4")
        file = self.folder / "flips.h5"
        with h5py.File(file, "w") as f:
            f["x"] = array
        seen = set()
        for epoch in range(8):
            got = self.read("--dataset", "x", "--layout", "NCDHW", "--random-crop", "3", "--random-crop", "4", "--random-crop", "5", "--flip", "DW", "--epoch", str(epoch), files=[file])
            for sample, part in zip(self.said["order"], got):
                which = [axes for axes in [(), (1,), (3,), (1, 3)] if np.array_equal(part, np.flip(array[sample], axes))]
                self.assertEqual(len(which), 1)
                seen.add(which[0])
        self.assertEqual(seen, {(), (1,), (3,), (1, 3)})

    def write_sparse(self, file, matrix, encoding="csr_matrix", old=False):
        """Writes a matrix in the group X as anndata does, in chunks that do not follow the rows."""
        by = matrix if encoding == "csr_matrix" else matrix.T
        counts = (by != 0).sum(1)
        with h5py.File(file, "w") as f:
            group = f.create_group("X")
            group.attrs.update({"h5sparse_format": encoding[:3], "h5sparse_shape": matrix.shape} if old else {"encoding-type": encoding, "encoding-version": "0.1.0", "shape": np.array(matrix.shape)})
            group.create_dataset("data", data=by[by != 0], chunks=(37,), compression="gzip")
            group.create_dataset("indices", data=np.concatenate([np.flatnonzero(row) for row in by]).astype("<i4"), chunks=(41,), compression="lzf")
            group["indptr"] = np.concatenate([[0], np.cumsum(counts)]).astype("<i8" if old else "<i4")
            f["obs/batch"] = np.arange(len(matrix))

    def test_sparse_matrices_of_single_cells(self):
        file = self.folder / "cells.h5ad"
        for old, dtype in ((False, "<f4"), (True, ">i8")):
            counts = (self.random.poisson(0.3, (83, 57)) * (self.random.random((83, 1)) < 0.9)).astype(dtype)  # some rows are empty
            self.write_sparse(file, counts, old=old)
            for how in ([], ["--stream"], ["--threads", "3"], ["--rows", "11:60"]):
                with self.subTest(old=old, how=how):
                    got = self.read("--dataset", "X", *how, files=[file])
                    np.testing.assert_array_equal(got, (counts[11:60] if "--rows" in how else counts).astype(np.float64))
        deviation = np.log1p(counts.astype(np.float64)).std(0)
        got = self.read("--dataset", "X", "--transform", "log1p", "--plain", "deviation", files=[file])
        wanted = (np.log1p(counts.astype(np.float64)) - np.log1p(counts.astype(np.float64)).mean(0)) / np.where(deviation > 0, deviation, 1)
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
        self.write_sparse(file, counts, encoding="csc_matrix")
        self.assertRegex(self.refusal("--dataset", "X", files=[file]), r"compressed by columns \(CSC\).*tocsr")
        self.write_sparse(file, counts)
        with h5py.File(file, "r+") as f:
            f["X/indices"][5] = 57
        self.assertRegex(self.refusal("--dataset", "X", files=[file]), r"group 'X': row \d has an entry in column 57 of 57")
        with h5py.File(file, "r+") as f:
            f["X/indptr"][3] = 10**6
        self.assertRegex(self.refusal("--dataset", "X", files=[file]), r"do not fit together")
        with h5py.File(file, "w") as f:  # dense
            f["X"] = counts
            f["X"].attrs["encoding-type"] = "array"
        np.testing.assert_array_equal(self.read("--dataset", "X", files=[file]), counts.astype(np.float64))


if __name__ == "__main__":
    unittest.main()
