"""Reads files that h5py wrote in every supported layout, type and storage, and compares every value with what h5py itself reads."""
import ctypes
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

PROGRAM = os.environ["VAE_DIST_DECODED_IMAGES"]


def images(shape, dtype, seed=0):
    """Values that use the whole range of the type, or [0, 1] for floats and booleans."""
    random = np.random.default_rng(seed)
    if dtype == bool:
        return random.random(shape) < 0.5
    if np.dtype(dtype).kind == "f":
        return random.random(shape).astype(dtype)
    return random.integers(0, min(np.iinfo(dtype).max, 65535), shape, endpoint=True).astype(dtype)


def without_override():
    """Drops the capabilities by which root can read a file regardless of its mode."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
                raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")


class FilesOfH5py(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = str(Path(self.folder.name) / "images.h5")

    def write(self, data, name="imgs", file=None, mode="w", **storage):
        with h5py.File(file or self.file, mode) as f:
            f.create_dataset(name, data=data, **storage)

    def run_program(self, *options, files=None):
        out = str(Path(self.folder.name) / "out.bin")
        return subprocess.run([PROGRAM, *options, out, *(files or [self.file])], capture_output=True, text=True, timeout=HANGS_S), out

    def read(self, *options, files=None):
        """Returns the JSON object that the program prints, and its images as an array [N, values]."""
        done, out = self.run_program(*options, files=files)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        return said, np.fromfile(out, said["type"]).reshape(said["images"], -1)

    def refusal(self, *options, files=None):
        done, _ = self.run_program(*options, files=files)
        self.assertIn(done.returncode, (2, 3), done.stdout + done.stderr)
        return done.stderr

    def check(self, expected, *options):
        """Checks that every way of reading gives `expected`, as uint8 or rounded to float32."""
        wanted = expected.astype(np.uint8 if expected.dtype in (np.uint8, bool) else np.float32).reshape(len(expected), -1)
        for how in [[], ["--threads", "3"], ["--stream"]]:
            said, got = self.read(*options, *how)
            self.assertEqual(got.dtype, wanted.dtype)
            np.testing.assert_array_equal(got, wanted)
        return said

    def read_by_h5py(self):
        with h5py.File(self.file) as f:
            return f["imgs"][...]

    def test_every_layout(self):
        for shape, layout, size in [((23, 6, 8), "NHW", [1, 6, 8]), ((23, 6, 8, 1), "NHWC", [1, 6, 8]), ((23, 6, 8, 3), "NHWC", [3, 6, 8]),
                                    ((23, 3, 6, 8), "NCHW", [3, 6, 8]), ((23, 1, 6, 8), "NCHW", [1, 6, 8])]:
            with self.subTest(shape=shape):
                self.write(images(shape, np.uint8), chunks=(4, *shape[1:]), compression="gzip")
                said = self.check(self.read_by_h5py())
                self.assertEqual((said["layout"], said["shape"]), (layout, size))

    def test_every_type_in_both_byte_orders(self):
        for dtype in ["u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">u4", "<i4", ">i4", "<u8", ">i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", bool]:
            for storage in [{"chunks": (4, 5, 6), "compression": "gzip", "shuffle": True}, {}]:
                with self.subTest(dtype=dtype, storage=storage):
                    self.write(images((13, 5, 6), dtype) if dtype != "i1" else images((13, 5, 6), dtype) // 2, **storage)
                    if dtype not in ("u1", "i1", "<u2", ">u2", bool) and np.dtype(dtype).kind != "f":
                        with h5py.File(self.file, "a") as f:  # 16-bit values in wider integers: the value of white must be given
                            f["imgs"].attrs["scale"] = 1 / 65535
                    self.check(self.read_by_h5py())

    def test_half_precision_has_all_its_values(self):
        every = np.arange(65536, dtype=np.uint16).view(np.float16)
        every = every[np.isfinite(every) & (every >= 0)]
        every = every[: len(every) // 64 * 64].reshape(-1, 8, 8)
        with h5py.File(self.file, "w") as f:
            f.create_dataset("imgs", data=every)
            f["imgs"].attrs["scale"] = 1 / 65504
        self.check(every)

    def test_every_storage(self):
        data = images((50, 4, 6, 3), np.uint8)
        wide = images((50, 4, 6), np.uint16)
        for which in (data, wide):
            for storage in [{}, {"chunks": (7, *which.shape[1:])}, {"chunks": (7, *which.shape[1:]), "compression": "gzip"},
                            {"chunks": (7, *which.shape[1:]), "compression": 9, "shuffle": True}, {"chunks": (7, *which.shape[1:]), "fletcher32": True},
                            {"chunks": (7, *which.shape[1:]), "compression": 1, "shuffle": True, "fletcher32": True},
                            {"chunks": (50, *which.shape[1:]), "compression": 1}, {"chunks": (1, *which.shape[1:]), "compression": 1},
                            {"chunks": (7, 3, *which.shape[2:]), "compression": 1}, {"chunks": (16, 3, 4, *which.shape[3:])},
                            {"chunks": (64, *which.shape[1:]), "maxshape": (None, *which.shape[1:]), "compression": 1}]:
                with self.subTest(dtype=which.dtype, storage=storage):
                    self.write(which, **storage)
                    self.check(which)

    def test_what_only_the_library_can_read(self):
        data = images((20, 4, 6), np.uint8)
        with self.subTest("scale-offset"):  # a filter that is not undone here
            self.write(data, chunks=(6, 4, 6), scaleoffset=0)
            self.check(data)
        with self.subTest("compact"):
            with h5py.File(self.file, "w") as f:
                plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                plist.set_layout(h5py.h5d.COMPACT)
                h5py.h5d.create(f.id, b"imgs", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple(data.shape), plist).write(h5py.h5s.ALL, h5py.h5s.ALL, data)
            self.check(data)
        with self.subTest("external"):
            self.write(data, external=[(str(Path(self.folder.name) / "raw.bin"), 0, h5py.h5f.UNLIMITED)])
            self.check(data)
        with self.subTest("virtual"):
            part = str(Path(self.folder.name) / "part.h5")
            self.write(data, file=part)
            layout = h5py.VirtualLayout(data.shape, data.dtype)
            layout[...] = h5py.VirtualSource(part, "imgs", data.shape)
            with h5py.File(self.file, "w", libver="latest") as f:
                f.create_virtual_dataset("imgs", layout)
            self.check(data)

    def test_chunks_that_were_left_unfiltered_or_unwritten(self):
        data = images((20, 4, 6), np.uint16)
        with h5py.File(self.file, "w") as f:
            d = f.create_dataset("imgs", data.shape, data.dtype, chunks=(4, 4, 6), compression=4, shuffle=True, fillvalue=7)
            d[:12] = data[:12]
            d.id.write_direct_chunk((12, 0, 0), data[12:16].tobytes(), filter_mask=3)  # neither filter
        self.check(self.read_by_h5py())  # rows 16 to 19 are the fill value
        with h5py.File(self.file, "w") as f:
            d = f.create_dataset("imgs", data.shape, data.dtype, fillvalue=9)  # contiguous, no value ever written
        self.check(self.read_by_h5py())

    def test_rows_and_threads_and_chunks_decoded(self):
        data = images((100, 5, 5), np.uint8)
        self.write(data, chunks=(8, 5, 5), compression=1)
        self.check(data[13:77], "--rows", "13:77")
        said, _ = self.read("--threads", "4")
        self.assertEqual(said["chunks_decoded"], 13)
        said, _ = self.read("--rows", "13:77")
        self.assertEqual(said["chunks_decoded"], 9)

    def test_several_files_are_one_dataset(self):
        data = images((50, 4, 6), np.uint8)
        files = []
        for i, (first, last, storage) in enumerate([(0, 17, {"chunks": (5, 4, 6), "compression": 1}), (17, 18, {}), (18, 50, {"chunks": (7, 4, 6)})]):
            files.append(str(Path(self.folder.name) / f"{i}.h5"))
            self.write(data[first:last], file=files[-1], **storage)
        for how in [[], ["--stream"]]:
            said, got = self.read(*how, files=files)
            np.testing.assert_array_equal(got, data.reshape(50, -1))
            said, got = self.read("--rows", "10:40", *how, files=files)
            np.testing.assert_array_equal(got, data[10:40].reshape(30, -1))
        self.write(data[:, :, :5], file=files[1])
        self.assertRegex(self.refusal(files=files), r"0\.h5:/imgs is \[17, 4, 6\] uint8, but .*1\.h5:/imgs is \[50, 4, 5\] uint8")
        self.write(data.astype(np.float32), file=files[1])
        self.assertIn("float32", self.refusal(files=files))

    def test_scales(self):
        for data, scale in [(np.array([0, 1, 1, 0]), 1), (np.array([0, 1, 2, 255]), 1 / 255)]:
            self.write(np.tile(data.astype(np.uint8), (3, 1)).reshape(3, 2, 2))
            self.assertAlmostEqual(self.read()[0]["scale"], scale, 6)
        for dtype, largest, scale in [("u2", 65535, 1 / 65535), ("u2", 255, 1 / 255), ("u2", 1, 1), ("f4", 1.0, 1), ("f4", 0.2, 1), ("f8", 254.0, 1 / 255), ("i4", 200, 1 / 255)]:
            self.write(np.tile(np.array([0, 0, largest / 2, largest]).astype(dtype), (3, 1)).reshape(3, 2, 2))
            self.assertAlmostEqual(self.read()[0]["scale"], scale, 6)
        self.write(np.full((3, 2, 2), 70000, np.int32))
        self.assertIn("Set data.train.scale", self.refusal())
        with h5py.File(self.file, "a") as f:
            f["imgs"].attrs["scale"] = 1 / 70000
        self.assertAlmostEqual(self.read()[0]["scale"], 1 / 70000)
        self.write(np.full((3, 2, 2), -0.5, np.float32))
        self.assertIn("values below 0", self.refusal())

    def test_fuel_splits(self):
        data = images((30, 4, 5), np.uint8)
        with h5py.File(self.file, "w") as f:
            f["features"] = data
            f["targets"] = np.arange(30)
            odd = f.create_dataset("odd_rows", data=np.arange(1, 30, 2))
            rows = np.zeros(4, dtype=[("split", "S5"), ("source", "S8"), ("start", np.int64), ("stop", np.int64), ("indices", h5py.ref_dtype), ("available", bool), ("comment", "S1")])
            for i, (split, source, start, stop) in enumerate([("train", "features", 0, 20), ("train", "targets", 0, 20), ("test", "features", 20, 30), ("odd", "features", 0, 0)]):
                rows[i]["split"], rows[i]["source"], rows[i]["start"], rows[i]["stop"] = split.encode(), source.encode(), start, stop
                rows[i]["indices"] = odd.ref if split == "odd" else h5py.Reference()
            f.attrs["split"] = rows
        for split, expected in [("train", data[:20]), ("test", data[20:]), ("odd", data[1::2])]:
            said = self.check(expected, "--split", split)
            self.assertEqual(said["annotations"], ["targets"])
            self.assertEqual(self.annotation("targets", "--split", split)[0].tolist(), {"train": list(range(20)), "test": list(range(20, 30)), "odd": list(range(1, 30, 2))}[split])
        self.assertRegex(self.refusal("--split", "valid"), "has no split 'valid' for these images; it has 'odd', 'test', 'train'")
        self.write(data)
        self.assertRegex(self.refusal("--split", "train"), "it has none")

    def test_labels_and_factors_stand_beside_the_images(self):
        self.write(images((9, 4, 4), np.uint8))
        self.write(np.arange(9), "labels", mode="a")
        self.write(np.zeros((9, 6)), "latents/values", mode="a")
        self.write(np.zeros(8), "of_something_else", mode="a")
        self.assertEqual(self.read()[0]["annotations"], ["labels", "latents/values"])

    def annotation(self, name, *options, files=None):
        """The values of the rows that belong to the images, and their names."""
        done, out = self.run_program("--annotation", name, *options, files=files)
        self.assertEqual(done.returncode, 0, done.stderr)
        return np.fromfile(out), done.stderr.splitlines()

    def test_labels_and_factors_of_every_type_are_read_for_the_images_that_are_used(self):
        for dtype in ("i1", "u1", "<i8", ">i8", ">u2", "<f4", ">f8", bool):
            for storage in [{}, {"chunks": (7,), "compression": 4, "shuffle": True}]:
                files, labels = [], images((30,), dtype, seed=3)
                for i, (first, last) in enumerate([(0, 12), (12, 30)]):
                    files.append(str(Path(self.folder.name) / f"{i}.h5"))
                    self.write(images((last - first, 4, 4), np.uint8), file=files[-1])
                    self.write(labels[first:last], "labels", file=files[-1], mode="a", **storage)
                with self.subTest(dtype=dtype, storage=storage):
                    np.testing.assert_array_equal(self.annotation("labels", "--rows", "5:25", files=files)[0], labels[5:25].astype(np.float64))

    def test_factors_as_dsprites_has_them(self):
        random = np.random.default_rng(8)
        factors = {"latents/classes": random.integers(0, 40, (50, 6)), "latents/values": random.random((50, 6))}
        self.write(images((50, 4, 4), np.uint8) & 1)
        names = ["colour", "shape", "scale", "orientation", "x", "y"]
        for name, values in factors.items():
            self.write(values, name, mode="a", chunks=(16, 2), compression=4)
            with h5py.File(self.file, "a") as f:
                f[name].attrs["names"] = names
            seen, seen_names = self.annotation(name, "--rows", "3:50")
            np.testing.assert_array_equal(seen.reshape(-1, 6), values[3:])
            self.assertEqual(seen_names, names)
        with h5py.File(self.file, "a") as f:  # numpy's fixed-width text
            f["latents/values"].attrs["names"] = np.array([name.encode() for name in names])
        self.assertEqual(self.annotation("latents/values")[1], names)

    def test_dsprites_as_it_is_stored(self):
        """0/1 pixels, no channel axis, and chunks (many rows, 2, 4): one image lies in 128 chunks here, in 512 in dSprites."""
        data = images((3000, 32, 32), np.uint8) & 1
        self.write(data, chunks=(1100, 2, 4), compression="gzip", shuffle=True)
        self.write(np.zeros((3000, 6)), "latents/values", mode="a")
        said, got = self.read("--threads", "2")
        np.testing.assert_array_equal(got, data.reshape(3000, -1))
        self.assertEqual((said["layout"], said["shape"], said["scale"]), ("NHW", [1, 32, 32], 1))
        self.assertEqual(said["chunks_decoded"], 3 * 128)  # cached without reading anything twice
        np.testing.assert_array_equal(self.read("--stream")[1], data.reshape(3000, -1))

    def test_crop_and_resize_average_areas(self):
        def averaged(planes, size):
            """Exact area weights along both axes, in double precision."""
            def weights(n):
                edges = np.arange(size + 1) * n / size
                return np.array([[max(0, min(edges[i + 1], j + 1) - max(edges[i], j)) for j in range(n)] for i in range(size)]) * size / n
            return np.einsum("yh,...hw,xw->...yx", weights(planes.shape[-2]), planes, weights(planes.shape[-1]))

        for dtype, scale in [(np.uint8, 255), (np.float32, 1)]:
            for layout in ("NHW", "NHWC", "NCHW"):
                planes = images((7, 1 if layout == "NHW" else 3, 11, 9), dtype)  # [N, C, H, W]
                stored = {"NHW": planes[:, 0], "NHWC": planes.transpose(0, 2, 3, 1), "NCHW": planes}[layout]
                self.write(stored, chunks=(2, *stored.shape[1:]), compression=1)
                for crop, size in [(None, 4), (None, 9), (None, 16), (8, 4), (8, 3), (5, None)]:
                    with self.subTest(dtype=dtype, layout=layout, crop=crop, size=size):
                        kept = planes if crop is None else planes[:, :, (11 - crop) // 2 : (11 - crop) // 2 + crop, (9 - crop) // 2 : (9 - crop) // 2 + crop]
                        wanted = averaged(kept.astype(np.float64), size or crop)
                        if layout == "NHWC":
                            wanted = wanted.transpose(0, 2, 3, 1)
                        options = [*(["--crop", str(crop)] if crop else []), *(["--resize", str(size)] if size else [])]
                        for how in [[], ["--stream"]]:
                            said, got = self.read(*options, *how)
                            self.assertEqual(said["shape"], [planes.shape[1], size or crop, size or crop])
                            self.assertEqual(said["type"], np.dtype(dtype).name)
                            np.testing.assert_allclose(got, wanted.reshape(7, -1), rtol=0, atol=0.5001 if dtype == np.uint8 else 1e-6)
        self.assertIn("data.crop is 10", self.refusal("--crop", "10"))

    def test_resized_black_and_white_is_grey(self):
        data = (images((5, 8, 8), np.uint8) & 1)
        self.write(data)
        said, got = self.read("--resize", "4")
        self.assertEqual((said["type"], said["scale"]), ("float32", 1))
        np.testing.assert_allclose(got, data.reshape(5, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(5, -1))

    def test_the_fingerprint_does_not_depend_on_how_the_images_are_stored(self):
        data = images((100, 5, 5), np.uint8)
        seen = set()
        for storage in [{}, {"chunks": (8, 5, 5), "compression": 1}, {"chunks": (30, 2, 4)}]:
            self.write(data, **storage)
            seen |= {self.read(*how)[0]["fingerprint"] for how in [[], ["--stream"]]}
        self.assertEqual(len(seen), 1)


class DamagedFiles(FilesOfH5py):
    """A damaged file causes an error that names the file, the dataset and the chunk, never a crash, a hang or silent garbage."""

    # Do not inherit the tests of the class above.
    for _name in [n for n in dir(FilesOfH5py) if n.startswith("test_")]:
        locals()[_name] = None
    del _name

    def both(self, *options):
        return [self.refusal(*options), self.refusal("--stream", *options)]

    def chunk_bytes(self, row):
        """(offset in the file, size) of the chunk that begins at this row."""
        with h5py.File(self.file) as f:
            d = f["imgs"]
            info = d.id.get_chunk_info_by_coord((row, *[0] * (d.ndim - 1)))
            return info.byte_offset, info.size

    def change(self, offset, change):
        with open(self.file, "r+b") as f:
            f.seek(offset)
            byte = f.read(1)[0]
            f.seek(offset)
            f.write(bytes([change(byte)]))

    def test_a_flipped_byte_in_a_chunk_with_a_checksum(self):
        self.write(images((40, 6, 6), np.uint8), chunks=(8, 6, 6), fletcher32=True)
        self.change(self.chunk_bytes(16)[0] + 100, lambda b: b ^ 4)
        for said in self.both():
            self.assertRegex(said, r"images\.h5, dataset 'imgs': the chunk at \[16, 0, 0\] cannot be decoded: its Fletcher32 checksum does not match")

    def test_a_flipped_byte_anywhere_in_a_deflate_stream(self):
        data = images((40, 6, 6), np.uint8) % 7 * 36
        self.write(data, chunks=(8, 6, 6), compression=4)
        offset, size = self.chunk_bytes(24)
        original = Path(self.file).read_bytes()
        for at in range(2, size - 8, 7):  # between zlib's header and the last bits, which may be padding, every bit means something
            Path(self.file).write_bytes(original)
            self.change(offset + at, lambda b: b ^ 0x10)
            for said in self.both():
                self.assertRegex(said, r"images\.h5, dataset 'imgs': the chunk at \[24, 0, 0\] cannot be decoded: its deflate stream")

    def test_a_stream_that_holds_more_or_less_than_a_chunk(self):
        import zlib
        for values, words in [(1 << 21, "holds more than the 288 bytes of a chunk"), (287, "holds 287 bytes instead of 288"), (0, "holds 0 bytes instead of 288")]:
            with h5py.File(self.file, "w") as f:
                d = f.create_dataset("imgs", (40, 6, 6), np.uint8, chunks=(8, 6, 6), compression=4, data=images((40, 6, 6), np.uint8))
                d.id.write_direct_chunk((8, 0, 0), zlib.compress(bytes(values), 9))
            for said in self.both():
                self.assertRegex(said, r"the chunk at \[8, 0, 0\] cannot be decoded: its deflate stream " + words)

    def test_a_chunk_without_filters_that_is_too_short(self):
        with h5py.File(self.file, "w") as f:
            d = f.create_dataset("imgs", (40, 6, 6), np.uint8, chunks=(8, 6, 6), compression=4, data=images((40, 6, 6), np.uint8))
            d.id.write_direct_chunk((8, 0, 0), b"12345", filter_mask=1)
        for said in self.both():
            self.assertRegex(said, r"the chunk at \[8, 0, 0\] cannot be decoded: it holds 5 bytes instead of 288")

    def test_cut_short_at_any_place(self):
        self.write(images((40, 6, 6), np.uint8), chunks=(8, 6, 6), compression=4)
        whole = Path(self.file).read_bytes()
        for size in range(0, len(whole), 97):
            Path(self.file).write_bytes(whole[:size])
            for said in self.both():
                self.assertIn("images.h5", said)
        self.write(images((40, 6, 6), np.uint8))
        whole = Path(self.file).read_bytes()
        for size in range(0, len(whole), 97):
            Path(self.file).write_bytes(whole[:size])
            for said in self.both():
                self.assertIn("images.h5", said)

    def test_any_flipped_byte_is_told_or_harmless(self):
        """Where everything has a checksum (HDF5's newer file format), the result is an error or the correct images."""
        data = images((40, 6, 6), np.uint8)
        with h5py.File(self.file, "w", libver=("v110", "v110")) as f:
            f.create_dataset("imgs", data=data, chunks=(8, 6, 6), compression=4, fletcher32=True, maxshape=(None, 6, 6))
        whole = Path(self.file).read_bytes()
        for at in range(0, len(whole), 61):
            Path(self.file).write_bytes(whole)
            self.change(at, lambda b: b ^ 0x41)
            done, out = self.run_program("--layout", "NHW", "--stream")
            with self.subTest(at=at):
                self.assertIn(done.returncode, (0, 2, 3), done.stderr)
                if done.returncode == 0:
                    self.assertEqual(np.fromfile(out, np.uint8).tobytes(), data.tobytes())
                else:
                    self.assertIn("images.h5", done.stderr)

    def test_a_filter_that_is_not_installed(self):
        with h5py.File(self.file, "w") as f:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((8, 6, 6))
            plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (0,) * 3)  # Zstandard: a plugin
            d = h5py.h5d.create(f.id, b"imgs", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple((40, 6, 6)), plist)
            d.write(h5py.h5s.ALL, h5py.h5s.ALL, images((40, 6, 6), np.uint8))
        for said in self.both():
            self.assertRegex(said, r"images\.h5, dataset 'imgs' is stored with the filter .*32015.*not installed")

    def test_values_that_are_no_numbers(self):
        for bad in (np.nan, np.inf, -np.inf):
            for dtype in ("f2", "f4", "f8"):
                data = images((40, 6, 6), dtype)
                data[27, 3, 4] = bad
                self.write(data, chunks=(8, 6, 6), compression=4)
                for said in self.both():
                    self.assertRegex(said, r"images\.h5, dataset 'imgs': row (27|3) holds a value that is not a finite number|row 27")

    def test_no_images(self):
        self.write(np.zeros((0, 6, 6), np.uint8), maxshape=(None, 6, 6), chunks=(4, 6, 6))
        for said in self.both():
            self.assertRegex(said, r"images\.h5:/imgs has shape \[0, 6, 6\]: there are no images in it")

    def test_other_values_than_numbers(self):
        self.write(np.zeros((5, 4, 4), np.complex64))
        for said in self.both("--dataset", "imgs"):
            self.assertRegex(said, r"images\.h5, dataset 'imgs' holds compound values")

    def test_an_unreadable_file(self):
        for said in [self.refusal(files=[self.folder.name]), self.refusal(files=["/absent/images.h5"])]:
            self.assertRegex(said, "cannot read")
        Path(self.file).write_text("These are no images.")
        for said in self.both():
            self.assertRegex(said, "images.h5 is not an HDF5 file")

    def test_a_file_that_one_may_not_read(self):
        self.write(images((40, 6, 6), np.uint8))
        os.chmod(self.file, 0)
        done = subprocess.run([PROGRAM, str(Path(self.folder.name) / "out.bin"), self.file], capture_output=True, text=True, timeout=HANGS_S, preexec_fn=without_override)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertRegex(done.stderr, r"cannot read .*images\.h5: Permission denied")

    def test_a_file_that_another_program_writes(self):
        data = images((40, 6, 6), np.uint8)
        self.write(data)
        with h5py.File(self.file, "r+"):  # holds the lock, and marks nothing in the file
            self.check(data)


class MisleadingFiles(FilesOfH5py):
    """Files that the library silently misreads: they are read correctly here, or refused by name."""

    for _name in [n for n in dir(FilesOfH5py) if n.startswith("test_")]:
        locals()[_name] = None
    del _name

    def path(self, name):
        return str(Path(self.folder.name) / name)

    def refused(self, words, *options, files=None):
        """Checks that the file is refused in memory and streamed, with exit code 2 or, if found while reading, 3."""
        for how in [[], ["--stream"]]:
            self.assertRegex(self.refusal(*how, *options, files=files), words)

    def test_an_external_link_to_values_at_another_files_offset(self):
        data = images((30, 6, 7), np.uint8)
        with h5py.File(self.path("part.h5"), "w") as f:
            f["padding"] = np.zeros(5000, np.uint8)
            f["deep/imgs"] = data
        for target in ("part.h5", self.path("part.h5")):
            with h5py.File(self.file, "w") as f:
                f["imgs"] = h5py.ExternalLink(target, "/deep/imgs")
            self.check(data)
        os.chdir(self.folder.name)
        self.addCleanup(os.chdir, "/")
        said, got = self.read(files=["images.h5"])
        np.testing.assert_array_equal(got, data.reshape(30, -1))

    def test_external_raw_files(self):
        data = images((30, 6, 7), np.uint16)
        raw = [(self.path("a.bin"), 11, 1000), (self.path("b.bin"), 0, h5py.h5f.UNLIMITED)]
        self.write(data, external=raw)
        self.check(data)
        whole = Path(self.path("b.bin")).read_bytes()
        Path(self.path("b.bin")).write_bytes(whole[:-1])
        self.refused(r"images\.h5, dataset 'imgs' keeps .* bytes .* in the external raw file .*b\.bin, which has only .*cut short")
        os.remove(self.path("b.bin"))
        self.refused(r"dataset 'imgs' .* external raw file .*b\.bin, which cannot be read: No such file")

    def write_virtual(self, data, parts, name="images.h5", folder=""):
        """Equal parts of `data` in files part_<i>.h5, and the whole as a virtual dataset."""
        layout, rows = h5py.VirtualLayout(data.shape, data.dtype), len(data) // parts
        for i in range(parts):
            part = folder + f"part_{i}.h5"
            with h5py.File(self.path(part), "w") as f:
                f.create_dataset("data", data=data[i * rows:(i + 1) * rows], chunks=(min(2, rows), *data.shape[1:]), compression="lzf")
            layout[i * rows:(i + 1) * rows] = h5py.VirtualSource(part, "data", (rows, *data.shape[1:]))
        with h5py.File(self.path(name), "w", libver=("earliest", "v110")) as f:
            f.create_virtual_dataset("imgs", layout, fillvalue=0)

    def test_a_virtual_dataset_whose_source_is_missing_or_too_small(self):
        data = images((30, 6, 7), np.uint8)
        self.write_virtual(data, 3)
        self.check(data)
        os.rename(self.path("part_1.h5"), self.path("away.h5"))
        self.refused(r"images\.h5, dataset 'imgs' takes values from part_1\.h5, dataset 'data', but that file is missing")
        with h5py.File(self.path("part_1.h5"), "w") as f:
            f["other"] = data[10:20]
        self.refused(r"part_1\.h5, dataset 'data': that dataset cannot be opened")
        with h5py.File(self.path("part_1.h5"), "w") as f:
            f["data"] = data[10:19]
        self.refused(r"part_1\.h5, dataset 'data': 420 values are taken from it, but its shape is \[9, 6, 7\]")
        Path(self.path("part_1.h5")).write_text("no HDF5 at all")
        self.refused(r"part_1\.h5, dataset 'data', but that file is missing or cannot be opened")

    def test_a_virtual_dataset_of_a_part_of_its_source(self):
        data = images((30, 6, 7), np.uint8)
        with h5py.File(self.path("part.h5"), "w") as f:
            f["data"] = data
        layout = h5py.VirtualLayout((20, 6, 7), data.dtype)
        layout[...] = h5py.VirtualSource(self.path("part.h5"), "data", data.shape)[10:30]
        with h5py.File(self.file, "w", libver=("earliest", "v110")) as f:
            f.create_virtual_dataset("imgs", layout)
        self.check(data[10:30])
        with h5py.File(self.path("part.h5"), "w") as f:
            f["data"] = data[:29]
        self.refused(r"part\.h5, dataset 'data': values up to \[30, 6, 7\] are taken from it, but its shape is \[29, 6, 7\]")

    def test_a_virtual_dataset_beside_its_own_source(self):
        # Both are open at the same time, the source by this program and by the library.
        data = images((30, 6, 7), np.uint8)
        self.write_virtual(data, 3)
        files = [self.path("part_1.h5"), self.file, self.path("part_0.h5")]
        with h5py.File(self.file, "r") as f:
            self.assertEqual(f["imgs"].shape, data.shape)
        for part in (0, 1):
            with h5py.File(self.path(f"part_{part}.h5"), "a") as f:
                f["imgs"] = f["data"]
        for how in [[], ["--stream"]]:
            said, got = self.read("--dataset", "imgs", *how, files=files)
            np.testing.assert_array_equal(got, np.concatenate([data[10:20], data, data[:10]]).reshape(50, -1))

    def test_a_virtual_dataset_of_numbered_files_with_a_gap(self):
        data = images((30, 6, 7), np.uint8)
        self.write_virtual(data, 5)
        space = h5py.h5s.create_simple((30, 6, 7), (h5py.h5s.UNLIMITED, 6, 7))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        to, source = space.copy(), h5py.h5s.create_simple((6, 6, 7))
        to.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (6, 1, 1), (6, 6, 7))
        plist.set_virtual(to, b"part_%b.h5", b"data", source)
        with h5py.File(self.file, "w", libver=("earliest", "v110")) as f:
            h5py.h5d.create(f.id, b"imgs", h5py.h5t.NATIVE_UINT8, space, plist)
        self.check(data)
        os.rename(self.path("part_2.h5"), self.path("away.h5"))
        self.refused(r"the files part_%b\.h5, but number 2 is missing while number 4 exists")

    def test_a_virtual_dataset_of_more_sources_than_may_be_open(self):
        data = images((120, 6, 7), np.uint8)
        self.write_virtual(data, 120)
        self.check(data)
        done = subprocess.run(["prlimit", "--nofile=60:60", PROGRAM, self.path("out.bin"), self.file], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertRegex(done.stderr, "images.h5, dataset 'imgs' takes its values from 120 files, which must all stay open, but at most 60 files may be open")

    def test_many_files_need_few_descriptors(self):
        files, data = [], images((600, 6, 7), np.uint8)
        for i in range(300):
            files.append(self.path(f"{i}.h5"))
            self.write(data[2 * i:2 * i + 2], file=files[-1], **({} if i % 2 else {"chunks": (1, 6, 7), "compression": 1}))
            with h5py.File(files[-1], "a") as f:
                f["labels"] = np.arange(2 * i, 2 * i + 2)
        for how in [[], ["--stream"]]:
            done = subprocess.run(["prlimit", "--nofile=100:100", PROGRAM, *how, self.path("out.bin"), *files], capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            np.testing.assert_array_equal(np.fromfile(self.path("out.bin"), np.uint8).reshape(600, 6, 7), data)
        np.testing.assert_array_equal(self.annotation("labels", files=files)[0], np.arange(600))

    def test_rows_of_uncompressed_chunks_that_were_never_written(self):
        data = images((60, 24, 20), np.uint8)
        for dtype, options in itertools.product((np.uint8, np.float32), ({}, {"compression": 1})):
            with h5py.File(self.file, "w") as f:
                d = f.create_dataset("imgs", data.shape, dtype, chunks=(7, 12, 10), fillvalue=1, **options)
                d[:20] = data[:20] / (255 if dtype == np.float32 else 1)
            self.check(self.read_by_h5py())
            said, got = self.read("--crop", "5", "--stream")
            np.testing.assert_array_equal(got.reshape(60, 5, 5), self.read_by_h5py()[:, 9:14, 7:12].astype(said["type"]))
            self.read("--resize", "6", "--stream")

    def test_a_scale_that_cannot_be_right(self):
        self.write(images((70, 6, 7), np.uint8))
        for scale in ("255", "0", "-1", "nan", "inf", "1"):
            self.refused("images.h5:/imgs: its scale .* is", "--scale", scale)
            with h5py.File(self.file, "a") as f:
                f["imgs"].attrs["scale"] = float(scale)
            self.refused("images.h5:/imgs: its scale .* is")
        self.write(images((70, 6, 7), np.float32) * 2 - 1)
        self.refused(r"range from -.* to .*instead of \[0, 1\]: values below 0", "--scale", "1")
        self.write(images((70, 6, 7), np.float32))
        self.assertRegex(self.read("--scale", "0.001")[0]["doubts"][0], "the pictures are black")
        files = [self.path("a.h5"), self.path("b.h5")]
        for name, scale in zip(files, (1 / 255, 1 / 65535)):
            self.write(images((20, 6, 7), np.uint16) % 256, file=name)
            with h5py.File(name, "a") as f:
                f["imgs"].attrs["scale"] = scale
        self.refused(r"the attribute `scale` is 0\.0039.* in .*a\.h5, dataset 'imgs' and 1\.52.* in .*b\.h5", files=files)

    def test_values_that_the_images_looked_at_do_not_have(self):
        """The scale is found by inspecting 64 of the 500 images; row 3 is not among them."""
        for dtype, usual, odd in (("f4", 1.0, -9999), ("f4", 1.0, 1.5), ("f8", 1.0, 70000), ("u2", 200, 40000), ("u1", 1, 255), ("i2", 200, -1)):
            data = (images((500, 6, 7), np.float64) * usual).astype(dtype)
            data[0, 0, 0], data[3, 4, 5] = usual, odd
            for storage in ({}, {"chunks": (4, 6, 7), "compression": 1}):
                with self.subTest(dtype=dtype, odd=odd, storage=storage):
                    self.write(data, **storage)
                    self.refused(rf"images\.h5, dataset 'imgs': row 3 holds {odd} \(value 33 of the sample\): multiplied by the scale .* not in \[0, 1\]")
                    if odd == -9999:
                        self.refused("row 3 holds -9999", "--resize", "3")
                        self.read("--crop", "2")  # the part that is cropped away may hold anything
        self.write(np.full((500, 6, 7), 1e300))
        self.refused("row .* holds a value that is not a finite number in single precision: 1e.300")

    def test_numbers_that_netcdf_packs(self):
        self.write(images((20, 6, 7), np.float32))
        with h5py.File(self.file, "a") as f:
            f["imgs"].attrs["scale_factor"], f["imgs"].attrs["add_offset"] = np.array([0.01]), 273.15
        self.refused("NetCDF's attributes scale_factor = 0.01 and add_offset = 273.15")
        self.read("--scale", "1")  # a given scale applies to the numbers as stored
        data = images((500, 6, 7), np.float32)
        data[3, 0, 0] = 0.25
        for name in ("_FillValue", "missing_value"):
            self.write(data)
            with h5py.File(self.file, "a") as f:
                f["imgs"].attrs[name] = np.float32(0.25)
            self.refused("row 3 holds 0.25 .*marks a missing value")
            with h5py.File(self.file, "a") as f:
                f["imgs"].attrs[name] = np.float32(np.nan)
            self.read()

    def test_doubtful_scales_are_told(self):
        for data, words in ((images((70, 6, 7), np.uint16) % 4096, "a camera of 12 bits has the scale 1/4095"), (images((70, 6, 7), np.float32) * 9.5, "fractional values up to .* grey levels")):
            self.write(data)
            self.assertRegex(self.read()[0]["doubts"][0], words)
        for data in (images((70, 6, 7), np.uint16), np.round(images((70, 6, 7), np.float32) * 255), images((70, 6, 7), np.uint8), images((70, 6, 7), np.float32)):
            self.write(data)
            self.assertEqual(self.read()[0]["doubts"], [])

    def test_axes_that_could_mean_something_else(self):
        for shape, words in (((3, 32, 40), "one picture of 3 channels, 32x40"), ((4, 32, 40), "one picture of 4 channels"), ((32, 40, 3), "one picture 32x40 of 3 channels"),
                             ((32, 40, 4), "one picture 32x40 of 4 channels"), ((28, 28, 500), "500 images 28x28 along the last axis")):
            self.write(images(shape, np.uint8))
            self.refused(words + r".*data\.train\.layout")
            self.assertEqual(self.read("--layout", "NHW")[0]["shape"], [1, *shape[1:]])
        for shape in ((5, 32, 40), (500, 28, 28), (10, 40, 160), (3, 28, 28, 3)):
            self.write(images(shape, np.uint8))
            self.read()
        for attribute in ("CLASS", "MATLAB_class"):
            self.write(images((50, 28, 28), np.uint8))
            with h5py.File(self.file, "a") as f:
                f["imgs"].attrs[attribute] = np.bytes_({"CLASS": "IMAGE", "MATLAB_class": "uint8"}[attribute])
            self.refused("the meaning of its axes is ambiguous")
            self.read("--layout", "NHW")

    def test_labels_that_have_four_axes_are_no_images(self):
        self.write(images((20, 6, 7, 3), np.uint8), name="x")
        with h5py.File(self.file, "a") as f:
            f["y"] = np.zeros((20, 1, 1, 1), np.uint8)
        self.assertEqual(self.read()[0]["shape"], [3, 6, 7])

    def test_two_names_of_one_dataset_are_one(self):
        data = images((20, 6, 7), np.uint8)
        self.write(data)
        with h5py.File(self.file, "a") as f:
            f["again"], f["soft"] = f["imgs"], h5py.SoftLink("/imgs")
            f["labels"] = np.arange(20)
            f["classes"] = f["labels"]
        self.assertEqual(len(self.check(data)["annotations"]), 1)

    def test_links_that_lead_to_nothing_are_passed_over_and_what_is_damaged_is_not(self):
        data = images((40, 6, 7), np.uint8)
        self.write(data)
        self.write(np.arange(40), "labels", mode="a")
        whole = Path(self.file).read_bytes()
        with h5py.File(self.file, "a") as f:
            f["gone"], f["away"], f["empty"] = h5py.SoftLink("/nothing"), h5py.ExternalLink("missing.h5", "/x"), h5py.ExternalLink("images.h5", "/no such")
        self.assertEqual(self.check(data)["annotations"], ["labels"])
        with h5py.File(self.file) as f:
            header = h5py.h5o.get_info(f["labels"].id).addr
        told = 0
        Path(self.file).write_bytes(whole)
        with h5py.File(self.file) as f:
            header = h5py.h5o.get_info(f["labels"].id).addr
        for at in range(16):
            Path(self.file).write_bytes(whole)
            self.change(header + at, lambda b: b ^ 0xff)
            done, _ = self.run_program()
            if done.returncode == 0:
                self.assertEqual(json.loads(done.stdout)["annotations"], ["labels"], f"byte {at} of the header: the labels vanish")
            else:
                told += 1
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("'labels'", done.stderr)
        self.assertGreater(told, 2)

    def change(self, offset, change):
        content = bytearray(Path(self.file).read_bytes())
        content[offset] = change(content[offset])
        Path(self.file).write_bytes(content)

    def test_lists_in_messages_are_short(self):
        with h5py.File(self.file, "w") as f:
            for i in range(2000):
                f[f"picture_{i:05}"] = np.zeros((5, 6), np.uint8)
        said = self.refusal()
        self.assertLess(len(said), 2000)
        self.assertIn("and 1990 more", said)
        self.assertIn("and 1990 more", self.refusal("--dataset", "imgs"))

    def test_other_things_than_files(self):
        os.mkfifo(self.path("pipe.h5"))
        self.assertRegex(self.refusal(files=[self.path("pipe.h5")]), "it is a pipe")
        import gzip
        Path(self.path("images.h5.gz")).write_bytes(gzip.compress(b"\x89HDF\r\n\x1a\n"))
        self.assertRegex(self.refusal(files=[self.path("images.h5.gz")]), "compressed by gzip: unpack it first .gunzip")

    def test_splits_that_nobody_chose_are_told(self):
        self.write(images((30, 6, 7), np.uint8), name="features")
        rows = np.zeros(2, dtype=[("split", "S5"), ("source", "S8"), ("start", np.int64), ("stop", np.int64), ("indices", h5py.ref_dtype), ("available", bool), ("comment", "S1")])
        for i, (split, start, stop) in enumerate([("train", 0, 20), ("test", 20, 30)]):
            rows[i]["split"], rows[i]["source"], rows[i]["start"], rows[i]["stop"] = split.encode(), b"features", start, stop
            rows[i]["indices"] = h5py.Reference()
        with h5py.File(self.file, "a") as f:
            f.attrs["split"] = rows
        self.assertRegex(self.read()[0]["doubts"][0], "has the splits 'test', 'train', but all rows are read")
        self.assertEqual(self.read("--split", "train")[0]["doubts"], [])
        self.assertEqual(self.read("--rows", "0:20")[0]["doubts"], [])

    def test_enumerations_are_numbers_only_as_booleans(self):
        for values in ({"FALSE": 0, "TRUE": 1}, {"NO": 0, "YES": 7}):
            with h5py.File(self.file, "w") as f:
                f.create_dataset("imgs", data=images((20, 6, 7), bool).astype(np.uint8) * max(values.values()), dtype=h5py.enum_dtype(values, basetype=np.uint8))
            if max(values.values()) == 1:
                self.assertEqual(self.read()[0]["scale"], 1)
            else:
                self.refused("holds boolean or enumeration values", "--dataset", "imgs")

    def test_integers_of_64_bits_stay_what_they_are(self):
        ids = np.array([1237648720693755918 + i for i in range(30)])
        self.write(images((30, 6, 7), np.uint8))
        self.write(ids, "objid", mode="a")
        done, out = self.run_program("--integers", "objid")
        self.assertEqual(done.returncode, 0, done.stderr)
        np.testing.assert_array_equal(np.fromfile(out, np.int64), ids)


if __name__ == "__main__":
    unittest.main()
