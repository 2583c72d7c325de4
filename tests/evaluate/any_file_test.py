"""Random HDF5 files written by h5py, in every kind of storage, with every available filter and type, read in every way that the program has. The expected values are numpy's."""
import collections
import itertools
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

PROGRAM = os.environ["VAE_DIST_EVERY_PATH"]
FILES = int(os.environ.get("VAE_DIST_FILES", "0"))
SEED = int(os.environ.get("VAE_DIST_SEED", "0")) or int.from_bytes(os.urandom(4), "little")

STORAGES = ["contiguous", "user block", "compact", "external", "never written", "chunked", "partly written", "virtual", "virtual of virtual", "soft link", "two names", "external link"]
FILTERS = ["none", "gzip", "shuffle, gzip", "fletcher32", "all three", "lzf", "shuffle, lzf", "scale-offset", "some left out"]
PATHS = ["memory", "stream", "crop", "convert", "verify", "info", "embed"]
WITHOUT_CHUNKS = {"contiguous", "user block", "compact", "external"}
TYPES = ["u1", "u1", "u1", "?", "<u2", ">u2", "<i2", ">i4", "<u4", "<i8", ">u8", "<f2", "<f4", ">f4", "<f8", ">f8"]


def can_be(storage, filter_name):
    return filter_name == "none" or storage not in WITHOUT_CHUNKS


def filter_options(name):
    return {"none": {}, "gzip": {"compression": 4}, "shuffle, gzip": {"compression": 1, "shuffle": True}, "fletcher32": {"fletcher32": True},
            "all three": {"compression": 1, "shuffle": True, "fletcher32": True}, "lzf": {"compression": "lzf"}, "shuffle, lzf": {"compression": "lzf", "shuffle": True},
            "scale-offset": {"scaleoffset": 0}, "some left out": {"compression": 1, "shuffle": True}}[name]


class RandomFile:
    """A file with one dataset of images, and labels beside it; `values` is its content as read by h5py."""

    def __init__(self, folder, random, storage, filter_name):
        self.folder, self.random, self.storage, self.filter_name = Path(folder), random, storage, filter_name
        self.file = self.folder / "images.h5"
        channels = int(random.choice([0, 1, 3]))
        height, width = (int(n) for n in random.integers(5, 14, 2))
        rows = int(random.integers(5, 40))
        # Sides stay below 14: three axes whose last one is more than four times the others could mean something else.
        self.shape = {0: (rows, height, width), 1: (rows, height, width, 1), 3: (rows, height, width, 3) if random.random() < 0.5 else (rows, 3, height, width)}[channels]
        self.layout = "NHW" if channels == 0 else "NHWC" if self.shape[-1] == channels else "NCHW"
        self.type = np.dtype(str(random.choice(TYPES)))
        if filter_name == "scale-offset":
            self.type = np.dtype("<u2")  # with floats it loses digits
        self.chunk = tuple(int(random.integers(1, size + 1)) for size in self.shape)
        self.labels = random.integers(-2**63, 2**63 - 1, rows) if random.random() < 0.5 else random.integers(2**63, 2**64 - 1, rows, dtype=np.uint64)
        self.fill = self.draw((1,))[0] if filter_name != "scale-offset" else None
        self.make()
        with h5py.File(self.file) as file:
            self.values = file["imgs"][...]

    def draw(self, shape):
        kind = self.type.kind
        if kind == "b":
            return self.random.random(shape) < 0.5
        if kind == "f":
            return self.random.random(shape).astype(self.type)
        # With scale-offset, h5py cannot read back every chunk that uses all bits.
        largest = 65535 if self.filter_name != "scale-offset" and self.type in (np.dtype("<u2"), np.dtype(">u2")) and self.random.random() < 0.5 else 255
        return self.random.integers(0, largest, shape, endpoint=True).astype(self.type)

    def create(self, file, name, data, part=False):
        """A chunked dataset. part: only the first third of its rows is ever written."""
        chunk = tuple(min(c, s) for c, s in zip(self.chunk, data.shape))
        dataset = file.create_dataset(name, data.shape, data.dtype, chunks=chunk, fillvalue=self.fill, **filter_options(self.filter_name))
        written = len(data) // 3 if part else len(data)
        dataset[:written] = data[:written]
        if self.filter_name == "some left out" and written > 0:
            block = np.full(chunk, self.fill, data.dtype)
            inside = data[tuple(slice(0, c) for c in chunk)][:written]
            block[:len(inside)] = inside
            dataset.id.write_direct_chunk((0,) * data.ndim, block.tobytes(), filter_mask=3)

    def make(self):
        data, storage = self.draw(self.shape), self.storage
        where = self.file if storage != "external link" else self.folder / "part.h5"
        with h5py.File(where, "w", userblock_size=512 if storage == "user block" else 0, libver=("earliest", "v110") if storage.startswith("virtual") else None) as file:
            if storage in ("contiguous", "user block"):
                file.create_dataset("imgs", data=data)
            elif storage == "external link" and self.filter_name == "none" and self.random.random() < 0.5:
                file.create_dataset("imgs", data=data)  # contiguous, at an offset of that other file
            elif storage == "never written" and self.filter_name == "none" and self.random.random() < 0.5:
                file.create_dataset("imgs", data.shape, data.dtype, fillvalue=self.fill)
            elif storage == "never written":
                file.create_dataset("imgs", data.shape, data.dtype, chunks=self.chunk, fillvalue=self.fill, **filter_options(self.filter_name))
            elif storage == "compact":
                plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                plist.set_layout(h5py.h5d.COMPACT)
                few = data[:max(1, min(len(data), 60000 // data[:1].nbytes))]  # a compact dataset has less than 64 KiB
                self.labels = self.labels[:len(few)]
                h5py.h5d.create(file.id, b"imgs", h5py.h5t.py_create(few.dtype, logical=True), h5py.h5s.create_simple(few.shape), plist)
                file["imgs"][...] = few
            elif storage == "external":
                cut = int(self.random.integers(1, data.nbytes))
                file.create_dataset("imgs", data=data, external=[(self.folder / "raw0.bin", int(self.random.integers(0, 50)), cut), (self.folder / "raw1.bin", 7, h5py.h5f.UNLIMITED)])
            elif storage.startswith("virtual"):
                self.make_virtual(file, data)
            else:
                self.create(file, "imgs" if storage not in ("soft link", "two names") else "stored", data, part=storage == "partly written")
            if storage == "soft link":
                file["imgs"] = h5py.SoftLink("/stored")
            if storage == "two names":
                file["imgs"] = file["stored"]
        with h5py.File(self.file, "a" if storage != "external link" else "w") as file:
            if storage == "external link":
                file["imgs"] = h5py.ExternalLink("part.h5", "/imgs")
            file["labels"] = self.labels

    def make_virtual(self, file, data):
        layout, first = h5py.VirtualLayout(data.shape, data.dtype), 0
        for i in itertools.count():
            last = min(len(data), first + int(self.random.integers(1, len(data) + 1)))
            name = f"part{i}.h5"
            with h5py.File(self.folder / name, "w", libver=("earliest", "v110")) as part:
                self.create(part, "data", data[first:last])
                if self.storage == "virtual of virtual":
                    inner = h5py.VirtualLayout((last - first, *data.shape[1:]), data.dtype)
                    inner[...] = h5py.VirtualSource(".", "data", (last - first, *data.shape[1:]))
                    part.create_virtual_dataset("view", inner)
            source = "view" if self.storage == "virtual of virtual" else "data"
            layout[first:last] = h5py.VirtualSource(name, source, (last - first, *data.shape[1:]))
            first = last
            if first == len(data):
                break
        file.create_virtual_dataset("imgs", layout, fillvalue=self.fill)

    def __str__(self):
        return f"{self.storage}, {self.filter_name}, {self.type.str} {self.shape} in chunks {self.chunk}, fill value {self.fill}"


class AnyFile(unittest.TestCase):
    def setUp(self):
        self.reader = subprocess.Popen([PROGRAM, self.folder_of_results()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.reader.stdout.close)
        self.addCleanup(self.reader.wait)
        self.addCleanup(self.reader.stdin.close)

    def folder_of_results(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.results = Path(folder.name)
        return folder.name

    def look_at(self, made, crop):
        self.reader.stdin.write(f"{made.file}\t{made.layout}\t{crop}\n")
        self.reader.stdin.flush()
        return json.loads(self.reader.stdout.readline())

    def check_images(self, said, name, expected):
        self.assertNotIn("error", said)
        self.assertEqual(said["images"], len(expected))
        got = np.fromfile(self.results / name, said["type"])
        self.assertEqual(said["type"], "uint8" if expected.dtype in (np.uint8, bool) else "float32")
        np.testing.assert_array_equal(got.reshape(len(expected), -1), expected.astype(said["type"]).reshape(len(expected), -1))

    def cropped(self, made, crop):
        axes = {"NHW": (1, 2), "NHWC": (1, 2), "NCHW": (2, 3)}[made.layout]
        out = made.values
        for axis in axes:
            first = (out.shape[axis] - crop) // 2
            out = np.take(out, range(first, first + crop), axis)
        return out

    def check(self, made, crop):
        said, values = self.look_at(made, crop), made.values
        self.check_images(said["memory"], "memory.bin", values)
        self.check_images(said["stream"], "stream.bin", values)
        self.check_images(said["crop"], "crop.bin", self.cropped(made, crop))
        self.check_images(said["convert"], "converted.bin", values)
        with h5py.File(self.results / "converted.h5") as file:
            np.testing.assert_array_equal(file["labels"][...], made.labels)
            self.assertEqual(file["labels"].dtype, made.labels.dtype)
        self.assertEqual(len({said[path]["fingerprint"] for path in ("memory", "stream", "convert")}), 1)

        self.assertNotIn("error", said["verify"])
        seen = {each["path"]: each for each in said["verify"]}
        self.assertEqual(set(seen), {"labels", "imgs"} if made.storage not in ("soft link",) and "imgs" in seen else {"labels", "stored"})
        for name, array in (("labels", made.labels), ("imgs" if "imgs" in seen else "stored", values)):
            self.assertEqual(seen[name]["faults"], [])
            for extreme, wanted in (("least", array.min()), ("greatest", array.max())):
                if array.dtype.kind in "iu":
                    self.assertEqual(int(seen[name][extreme]), int(wanted))
                else:
                    self.assertAlmostEqual(float(seen[name][extreme]), float(wanted), delta=1e-8)

        self.assertIsInstance(said["info"], str, said["info"])
        self.assertIn(f"{len(values)} images", said["info"])
        self.assertIn("labels: ", said["info"])

        self.assertIsInstance(said["embed"], list, said["embed"])
        self.assertIn("labels", said["embed"])
        with h5py.File(self.results / "codes.h5") as file:
            codes = file["mu"][...]
            np.testing.assert_array_equal(file["labels"][...], made.labels)
            self.assertEqual(file["labels"].dtype, made.labels.dtype)
        # The same values in the plainest file have the same codes.
        plain = made.folder / "plain.h5"
        with h5py.File(plain, "w") as file:
            file["imgs"] = values.astype("u1") if values.dtype in (np.uint8, bool) else values.astype(values.dtype.newbyteorder("="))
            file["imgs"].attrs["scale"] = said["memory"]["scale"]
        made.file = plain
        self.assertIsInstance(self.look_at(made, crop)["embed"], list)
        with h5py.File(self.results / "codes.h5") as file:
            np.testing.assert_array_equal(file["mu"][...], codes)

    def test_every_file_is_read_as_h5py_reads_it(self):
        random = np.random.default_rng(SEED)
        cells = [(storage, filter_name) for storage in STORAGES for filter_name in FILTERS if can_be(storage, filter_name)]
        tried = collections.Counter()
        files = max(FILES, 2 * len(cells))
        for i in range(files):
            storage, filter_name = cells[i % len(cells)]
            with tempfile.TemporaryDirectory() as folder, self.subTest(seed=SEED, file=i):
                made = RandomFile(folder, random, storage, filter_name)
                with self.subTest(made=str(made)):
                    self.check(made, crop=int(random.integers(1, 6)))
                    tried.update((storage, filter_name, path) for path in PATHS)
        print(f"\nseed {SEED}, {files} files; how often each storage was read with each filter, in each of the ways {', '.join(PATHS)}:")
        print(f"{'':20}" + "".join(f"{name:>16}" for name in FILTERS))
        for storage in STORAGES:
            counts = [{tried[storage, name, path] for path in PATHS} if can_be(storage, name) else None for name in FILTERS]
            print(f"{storage:20}" + "".join(f"{'-' if each is None else min(each):>16}" for each in counts))
            for name, each in zip(FILTERS, counts):
                self.assertTrue(each is None or min(each) > 0, f"{storage} with {name} was never read to the end")


if __name__ == "__main__":
    unittest.main()
