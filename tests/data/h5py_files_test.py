"""Files as h5py writes them, in every layout, type and storage that is read: compared value by value with h5py's own reading."""
import ctypes
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
    """Even root may then read only what the file's mode allows."""
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
        """What the program says, and its images as an array [N, values]."""
        done, out = self.run_program(*options, files=files)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        return said, np.fromfile(out, said["type"]).reshape(said["images"], -1)

    def refusal(self, *options, files=None):
        done, _ = self.run_program(*options, files=files)
        self.assertIn(done.returncode, (2, 3), done.stdout + done.stderr)
        return done.stderr

    def check(self, expected, *options):
        """Both ways of reading give `expected`, as uint8 or rounded to float32."""
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
                        with h5py.File(self.file, "a") as f:  # 16 bits' worth of values in wider integers: what is white has to be told
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
            self.assertEqual(said["companions"], ["targets"])
            self.assertEqual(self.companion("targets", "--split", split)[0].tolist(), {"train": list(range(20)), "test": list(range(20, 30)), "odd": list(range(1, 30, 2))}[split])
        self.assertRegex(self.refusal("--split", "valid"), "has no split 'valid' of it; it has 'odd', 'test', 'train'")
        self.write(data)
        self.assertRegex(self.refusal("--split", "train"), "it has none")

    def test_labels_and_factors_stand_beside_the_images(self):
        self.write(images((9, 4, 4), np.uint8))
        self.write(np.arange(9), "labels", mode="a")
        self.write(np.zeros((9, 6)), "latents/values", mode="a")
        self.write(np.zeros(8), "of_something_else", mode="a")
        self.assertEqual(self.read()[0]["companions"], ["labels", "latents/values"])

    def companion(self, name, *options, files=None):
        """The values of the rows that belong to the images, and their names."""
        done, out = self.run_program("--companion", name, *options, files=files)
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
                    np.testing.assert_array_equal(self.companion("labels", "--rows", "5:25", files=files)[0], labels[5:25].astype(np.float64))

    def test_factors_as_dsprites_has_them(self):
        random = np.random.default_rng(8)
        factors = {"latents/classes": random.integers(0, 40, (50, 6)), "latents/values": random.random((50, 6))}
        self.write(images((50, 4, 4), np.uint8) & 1)
        names = ["colour", "shape", "scale", "orientation", "x", "y"]
        for name, values in factors.items():
            self.write(values, name, mode="a", chunks=(16, 2), compression=4)
            with h5py.File(self.file, "a") as f:
                f[name].attrs["names"] = names
            seen, seen_names = self.companion(name, "--rows", "3:50")
            np.testing.assert_array_equal(seen.reshape(-1, 6), values[3:])
            self.assertEqual(seen_names, names)
        with h5py.File(self.file, "a") as f:  # numpy's fixed-width text
            f["latents/values"].attrs["names"] = np.array([name.encode() for name in names])
        self.assertEqual(self.companion("latents/values")[1], names)

    def test_dsprites_as_it_is_stored(self):
        """0/1 pixels, no channel axis, and chunks (many rows, 2, 4): one image lies in 128 of them here, in 512 there."""
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
    """Never a crash, a hang or silent garbage: an error that names the file, the dataset and the chunk."""

    # The tests of the class above are its own.
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
        """Where everything carries checksums (HDF5's newer file format): an error or the right images, nothing else."""
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
            plist.set_filter(32000, h5py.h5z.FLAG_OPTIONAL, (0,) * 3)  # lzf: registered by h5py alone
            d = h5py.h5d.create(f.id, b"imgs", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple((40, 6, 6)), plist)
            d.write(h5py.h5s.ALL, h5py.h5s.ALL, images((40, 6, 6), np.uint8))
        for said in self.both():
            self.assertRegex(said, r"images\.h5, dataset 'imgs' is stored with the filter .*32000.*not installed")

    def test_values_that_are_no_numbers(self):
        for bad in (np.nan, np.inf, -np.inf):
            for dtype in ("f2", "f4", "f8"):
                data = images((40, 6, 6), dtype)
                data[27, 3, 4] = bad
                self.write(data, chunks=(8, 6, 6), compression=4)
                for said in self.both():
                    self.assertRegex(said, r"images\.h5, dataset 'imgs': row (27|3) holds a value that is no finite number|row 27")

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


if __name__ == "__main__":
    unittest.main()
