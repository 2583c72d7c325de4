"""Training batches of random files, compared with numpy's reading of the same file: any layout, type, byte order, storage, transform, normalisation,
crop and flip, with the samples in memory, streamed, and by sections, at 1, 2, 4 and 8 ranks.

VAE_DIST_READING_CASES cases are made (by default as many as take about half a minute), from VAE_DIST_READING_SEED; case K alone: VAE_DIST_READING_FIRST=K and
VAE_DIST_READING_CASES=1. A failure names its case.
"""
import itertools
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

from deadline import HANGS_S

PROGRAM = os.environ["VAE_DIST_BATCHES_OF_RANKS"]
SEED = int(os.environ.get("VAE_DIST_READING_SEED", 22))
FIRST = int(os.environ.get("VAE_DIST_READING_FIRST", 0))
CASES = int(os.environ.get("VAE_DIST_READING_CASES", 250))

INTEGERS = [order + kind + width for order in "<>" for kind in "iu" for width in "248"] + ["u1", "i1"]
FLOATS = [order + "f" + width for order in "<>" for width in "248"]
TRANSFORMS = {"none": lambda x: x, "log1p": np.log1p, "log": np.log, "sqrt": np.sqrt, "asinh": np.arcsinh}
REPLICAS, BATCH, STEPS, EPOCH = 8, 16, 2, 3


def model_order(array, layout):
    """[N, C, space...] of an array whose axes have these letters; values of a vector are channels without space."""
    samples = [axis for axis, letter in enumerate(layout) if letter == "N"]
    channel = "V" if "V" in layout else "C"
    rest = [layout.index(letter) for letter in channel + "DHW" if letter in layout]
    array = array.transpose(samples + rest)
    sizes = array.shape[len(samples):]
    return array.reshape(-1, *([] if channel in layout else [1]), *sizes)


class Case:
    """A dataset of random files, how it is to be read, and what numpy reads of it."""

    def __init__(self, number, folder):
        self.random = random = np.random.default_rng([SEED, number])
        self.folder, self.source, self.keys, self.markers = folder, {}, {}, {}
        self.vector = random.random() < 0.2
        self.space = [] if self.vector else list(random.choice(["W", "HW", "DHW"]))
        self.sizes = {letter: int(random.integers(1, 7)) for letter in "CDHWV"}
        stored = self.sparse() if self.vector and random.random() < 0.3 else self.files()
        if random.random() < 0.3 and len(stored) > BATCH + 4:
            first = int(random.integers(0, len(stored) - BATCH))
            last = int(random.integers(first + BATCH, len(stored) + 1))
            self.source["rows"], stored = [first, last], stored[first:last]
        self.stored = stored
        self.wanted = self.normalised(self.cropped(stored))
        self.windows()

    def pick(self, *of):
        return of[int(self.random.integers(len(of)))]

    def dtype(self):
        return np.dtype(self.pick(*INTEGERS, *FLOATS))

    def values(self, shape, kind):
        """Values that single precision holds, positive ones where a transform wants them."""
        random, least = self.random, 1 if self.positive else -2**20
        if kind.kind == "f":
            values = random.standard_normal(shape) * self.pick(1, 100)
            return (np.abs(values) + 0.01 if self.positive else values).astype(kind)
        limits = np.iinfo(kind)
        return random.integers(max(limits.min, least), min(limits.max, 2**20), shape, endpoint=True).astype(kind)

    def storage(self, shape):
        way = self.pick("contiguous", "chunks", "gzip", "lzf", "checked", "scaled")
        if way == "contiguous":
            return {}
        chunks = tuple(int(self.random.integers(1, size + 1)) for size in shape)
        filters = {"gzip": {"compression": "gzip", "shuffle": self.pick(True, False)}, "lzf": {"compression": "lzf", "shuffle": self.pick(True, False)},
                   "checked": {"fletcher32": True}}.get(way, {})
        return {"chunks": chunks, **filters}

    def files(self):
        """Writes one to three files, or one for each sample, of one dataset or of several that are the channels."""
        random = self.random
        how = self.pick("one", "one", "one", "some", "each")
        counted = 0 if how == "each" else self.pick(1, 1, 2, 3)
        self.positive = random.random() < 0.4
        masks = random.random() < 0.15
        if masks:
            self.keys["missing"] = "mask"
        several = not self.vector and random.random() < 0.25
        channel = ["V"] if self.vector else self.pick(["C"], [])
        letters = ["N"] * counted + self.space + channel
        random.shuffle(letters)
        layout = "".join(letters)
        names = ["group/x"] if not several else [f"f{i}" for i in range(int(random.integers(2, 4)))]
        optional = several and "C" in layout  # some of the datasets may have no channels of their own
        self.source["layout"] = layout.replace("C", "(C)") if optional else layout
        self.source["dataset"] = names[0] if len(names) == 1 else names
        counts = [int(random.integers(1, 4)) for _ in range(counted)]
        while np.prod(counts, dtype=int) < BATCH and counted:
            counts[int(random.integers(counted))] += int(random.integers(1, 9))
        kinds = [self.dtype() for _ in names]
        axes = [layout.replace("C", "") if optional and self.pick(True, False) else layout for _ in names]
        widths = [int(random.integers(1, 4)) for _ in names]
        number = {"one": 1, "some": int(random.integers(2, 4)), "each": self.pick(20, 70, 90)}[how]
        same_storage = {}
        parts, paths = [], []
        for index in range(number):
            path = self.folder / f"part_{index}.h5"
            here = list(counts)
            if how == "some" and "N" in layout:
                here[0] += int(random.integers(0, 3))
            channels = []
            with h5py.File(path, "w") as file:
                for name, kind, own, width in zip(names, kinds, axes, widths):
                    left = iter(here)
                    shape = tuple(next(left) if letter == "N" else width if letter == "C" and several else self.sizes[letter] for letter in own)
                    array = self.values(shape, kind)
                    if how != "each" or name not in same_storage or random.random() < 0.1:
                        same_storage[name] = self.storage(shape)
                    dataset = file.create_dataset(name, data=array, **same_storage[name])
                    if random.random() < 0.05:
                        dataset.attrs["note"] = f"number {index}"
                    read = array.astype(np.float32)
                    if masks:
                        dataset[...], read = self.with_gaps(array, dataset)
                    channels.append(model_order(read, own))
            paths.append(str(path))
            parts.append(np.concatenate(channels, 1))
        self.source["file"] = paths[0] if len(paths) == 1 else str(self.folder / "part_*.h5") if self.pick(True, False) else paths
        return np.concatenate(parts)

    def with_gaps(self, array, dataset):
        """The array with some values missing, as its type can say so, and what is read of it."""
        missing = self.random.random(array.shape) < 0.1
        if dataset.name not in self.markers:
            self.markers[dataset.name] = (None, np.nan) if array.dtype.kind == "f" and self.pick(True, False) else (self.pick("_FillValue", "missing_value"), array.dtype.type(99))
        attribute, marker = self.markers[dataset.name]
        if attribute:
            dataset.attrs[attribute] = marker
        array = np.where(missing, marker, array).astype(array.dtype)
        return array, np.where(missing | (array == marker), np.nan, array.astype(np.float32)).astype(np.float32)

    def sparse(self):
        """A matrix of counts by rows, as AnnData stores it."""
        random = self.random
        self.positive = False
        rows, columns = int(random.integers(BATCH, 60)), int(random.integers(2, 30))
        matrix = (random.poisson(0.4, (rows, columns)) * (random.random((rows, 1)) < 0.9)).astype(self.pick("<f4", ">f8", "<i4", ">i8"))
        path = self.folder / "cells.h5ad"
        with h5py.File(path, "w") as file:
            group = file.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array(matrix.shape)})
            entries = matrix[matrix != 0]
            group.create_dataset("data", data=entries, **self.storage(entries.shape) if len(entries) else {})
            group.create_dataset("indices", data=np.nonzero(matrix)[1].astype("<i4"), **self.storage(entries.shape) if len(entries) else {})
            group["indptr"] = np.concatenate([[0], np.cumsum((matrix != 0).sum(1))]).astype("<i4")
        self.source.update(file=str(path), dataset="X")
        self.positive = True  # or zero: log1p and sqrt serve
        self.zeros = True
        return matrix.astype(np.float32)

    def cropped(self, stored):
        """The middle that data.crop keeps of every sample."""
        if len(self.space) != 2 or self.random.random() < 0.6:
            return stored
        size = int(self.random.integers(1, min(stored.shape[2:]) + 1))
        self.keys["crop"] = size
        begin = [(length - size) // 2 for length in stored.shape[2:]]
        return stored[:, :, begin[0]:begin[0] + size, begin[1]:begin[1] + size]

    def normalised(self, values):
        values = values.astype(np.float64)
        usable = ["none", "asinh"] + (["log1p", "sqrt"] + ([] if hasattr(self, "zeros") else ["log"]) if self.positive else [])
        channels = values.shape[1]
        transforms = [self.pick(*usable) for _ in range(channels if self.random.random() < 0.4 else 1)]
        by = self.pick("none", "standardize", "min_max", "scale")
        if by == "scale":
            if not self.stored.min() >= 0 or self.stored.max() == 0:  # also where values are missing
                by = "none"
            else:
                scale, low, high = 1 / float(self.stored.max()), *self.pick((0.0, 1.0), (-1.0, 1.0))
                self.source["scale"] = scale
                self.keys.update(normalize="scale", range=[low, high])
                return values * scale * (high - low) + low
        self.keys.update(normalize=by, transform=transforms)
        out = np.stack([TRANSFORMS[transforms[c % len(transforms)]](values[:, c]) for c in range(channels)], 1)
        axes = tuple(axis for axis in range(out.ndim) if axis != 1)
        least = np.nanmin(out, axes, keepdims=True)
        spread = np.nanmax(out, axes, keepdims=True) - least
        if by == "standardize":
            deviation = np.nanstd(out, axes, keepdims=True)
            return (out - np.nanmean(out, axes, keepdims=True)) / np.where((spread > 0) & (deviation > 0), deviation, 1)
        return (out - least) / np.where(spread > 0, spread, 1) if by == "min_max" else out

    def windows(self):
        """Windows and mirrors that a step may see of a sample."""
        self.window, self.flips = None, ""
        if not self.space:
            return
        if "crop" not in self.keys and self.random.random() < 0.4:
            self.window = [int(self.random.integers(1, size + 1)) for size in self.wanted.shape[2:]]
            self.keys["random_crop"] = self.window
        axes = "DHW"[3 - (self.wanted.ndim - 2):]
        self.flips = "".join(axis for axis in axes if self.random.random() < 0.3)
        if self.flips:
            self.keys["flip"] = list(self.flips)

    def candidates(self, sample):
        """Everything that a step may see of this sample, [candidates, C, space...]."""
        whole = self.wanted[sample]
        if self.window:
            views = np.lib.stride_tricks.sliding_window_view(whole, self.window, tuple(range(1, whole.ndim)))
            views = np.moveaxis(views, 0, whole.ndim - 1).reshape(-1, whole.shape[0], *self.window)
        else:
            views = whole[None]
        axes = ["DHW"[3 - (whole.ndim - 1):].index(axis) + 2 for axis in self.flips]
        return np.concatenate([np.flip(views, some) for length in range(len(axes) + 1) for some in itertools.combinations(axes, length)])

    def config(self, order, **keys):
        data = {"train": self.source, **self.keys, "order": order, "shuffle_window_chunks": int(self.random.integers(1, 5)), **keys}
        return json.dumps({"data": data, "model": {"name": "mlp_vae"}, "train": {"global_batch": BATCH, "precision": "fp64", "steps": 10},
                           "distributed": {"replicas": REPLICAS}, "run": {"name": "case", "seed": int(self.random.integers(1000))}})

    def __str__(self):
        return json.dumps({"source": self.source, "keys": self.keys, "stored": list(self.stored.shape)})


class Reading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @classmethod
    def tearDownClass(cls):
        cls.program.communicate(timeout=HANGS_S)

    def batches(self, **case):
        out = Path(self.folder) / "batches.bin"
        self.program.stdin.write(json.dumps({"epoch": EPOCH, "step": 0, "steps": STEPS, "out": str(out), **case}) + "\n")
        self.program.stdin.flush()
        said = json.loads(self.program.stdout.readline() or '{"error": "the program has ended"}')
        self.assertNotIn("error", said)
        return np.fromfile(out).reshape(-1, *said["shape"]), said["samples"], said["fingerprint"], said["normalisation"]

    def check(self, case):
        values, samples, *_ = self.batches(config=(config := case.config("global")), cache="memory", ranks=1)
        self.compare(case, values, samples)
        self.same(case, config, {("memory", int(case.pick(2, 4, 8))), ("stream", int(case.pick(1, 2))), ("stream", int(case.pick(4, 8)))}, values, samples)

        order = case.pick("epoch", "fixed")
        config = case.config("sections", sections=order)
        values, samples, *_ = self.batches(config=config, cache="memory", ranks=1)
        self.compare(case, values, samples)
        others = {("stream", int(case.pick(1, 2))), ("stream", int(case.pick(4, 8)))}
        if order == "fixed":
            others.add(("sections", int(case.pick(1, 2, 4, 8))))
        self.same(case, config, others, values, samples)

    def compare(self, case, values, samples):
        """Every sample is what numpy reads, or a window or mirror image of it; and none comes twice in an epoch."""
        of_epoch = samples[:BATCH * min(STEPS, len(case.wanted) // BATCH)]
        self.assertEqual(len(set(of_epoch)), len(of_epoch))
        exact = case.keys["normalize"] == "none" and set(case.keys["transform"]) == {"none"}
        tolerance = 0 if exact else 1e-9
        for value, sample in zip(values, samples):
            near = np.isclose(case.candidates(sample), value, rtol=tolerance, atol=tolerance * max(1, np.nanmax(np.abs(case.wanted))), equal_nan=True)
            self.assertTrue(near.reshape(len(near), -1).all(1).any(), f"sample {sample} is none that numpy reads: {value.tolist()} of {case.wanted[sample].tolist()}")

    def same(self, case, config, ways, values, samples):
        """The same bits in every other way."""
        for cache, ranks in sorted(ways):
            with self.subTest(cache=cache, ranks=ranks):
                other, of_samples, *_ = self.batches(config=config, cache=cache, ranks=ranks)
                self.assertEqual(of_samples, samples)
                self.assertEqual(other.tobytes(), values.tobytes())

    def test_batches_are_what_numpy_reads(self):
        for number in range(FIRST, FIRST + CASES):
            with tempfile.TemporaryDirectory() as folder:
                self.folder = folder
                case = Case(number, Path(folder))
                with self.subTest(seed=SEED, case=number, what=str(case)):
                    self.check(case)


if __name__ == "__main__":
    unittest.main()
