"""Import of numpy's .npz to HDF5: every type and memory order that numpy writes, compared with numpy's own reading, and files with false headers."""
import io
import os
import struct
import unittest
import zipfile

import h5py
import numpy

from comparing import file_hashes
from runs import RunFolder

RANDOM = numpy.random.default_rng(7)
PICTURES = RANDOM.integers(0, 256, (70, 6, 5), dtype=numpy.uint8)


def npy(array, version=None):
    out = io.BytesIO()
    numpy.lib.format.write_array(out, array, version=version)
    return out.getvalue()


class ImportNpz(RunFolder):
    IMAGES = ["--count", "2", "--size", "8", "--channels", "1"]

    def read(self, name):
        datasets = {}
        with h5py.File(self.folder / name) as file:
            file.visititems(lambda path, item: datasets.update({path: item[:]}) if isinstance(item, h5py.Dataset) else None)
        return datasets

    def imported(self, file, key, *options):
        done = self.program("data", "import-npz", file, key, "out.h5", "--overwrite", *options, check=True)
        self.assertIn("out.h5 is written: imgs", done.stdout)
        return self.read("out.h5")

    def zip(self, name, members, method=zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(self.folder / name, "w", method) as file:
            for member, content in members.items():
                file.writestr(member, content)
        return self.folder / name

    def refused(self, file, key, *named, options=()):
        """Checks for exit code 2, a message with the file and all of `named`, and no output file or leftover."""
        before = file_hashes(self.folder)
        done = self.program("data", "import-npz", file, key, "refused.h5", *options)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, r"(?m)^vae_dist: ")
        for text in (str(getattr(file, "name", file)), *named):
            self.assertIn(text, done.stderr)
        self.assertEqual(file_hashes(self.folder), before)
        return done.stderr

    def test_stored_and_deflated_members_of_every_type_and_order(self):
        arrays = {
            "bytes": PICTURES, "flags": PICTURES > 128, "colour": RANDOM.integers(0, 256, (9, 4, 5, 3), dtype=numpy.uint8),
            "planes": RANDOM.integers(0, 256, (9, 3, 4, 5), dtype=numpy.uint8), "one": PICTURES[:1],
            **{f"int_{t}": RANDOM.integers(0, 128, (70, 3, 4)).astype(t) for t in ("<i1", "<u2", ">u2", "<i4", ">i8", "<u8")},
            **{f"float_{t}": RANDOM.normal(size=(70, 3, 4)).astype(t) for t in ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8")},
        }
        numpy.savez(self.folder / "stored.npz", **arrays)
        numpy.savez_compressed(self.folder / "deflated.npz", **{key: numpy.asfortranarray(a) for key, a in arrays.items()})
        for file, keys in (("stored.npz", arrays), ("deflated.npz", ("colour", "planes", "one", "int_>i8", "float_<f2"))):
            for key in keys:
                array = arrays[key]
                with self.subTest(file=file, key=key):
                    images = self.imported(file, key)["imgs"]
                    wanted = numpy.float32 if array.dtype.kind == "f" else numpy.uint8
                    self.assertEqual((images.dtype, images.shape), (wanted, array.shape))
                    numpy.testing.assert_array_equal(images, array.astype(wanted))

    def test_half_floats_with_every_bit_pattern(self):
        every = numpy.arange(65536, dtype=numpy.uint16).view(numpy.float16).reshape(64, 32, 32)
        numpy.savez(self.folder / "half.npz", every=every)
        numpy.testing.assert_array_equal(self.imported("half.npz", "every")["imgs"], every.astype(numpy.float32))

    def test_all_versions_of_the_format(self):
        for version in ((1, 0), (2, 0), (3, 0)):
            self.zip("version.npz", {"x.npy": npy(PICTURES, version)})
            numpy.testing.assert_array_equal(self.imported("version.npz", "x")["imgs"], PICTURES)

    def test_labels_and_what_dsprites_has_are_kept(self):
        rows = 737280  # as many as in dSprites, but of smaller pictures
        pictures = RANDOM.integers(0, 2, (rows, 2, 2), dtype=numpy.uint8)
        values, classes = RANDOM.random((rows, 6)), RANDOM.integers(0, 40, (rows, 6))
        numpy.savez_compressed(self.folder / "sprites.npz", imgs=pictures, latents_values=values, latents_classes=classes,
                               metadata=numpy.array({"a": "pickle"}, dtype=object))
        datasets = self.imported("sprites.npz", "imgs", "--compress", "gzip:1")
        self.assertEqual(sorted(datasets), ["imgs", "latents/classes", "latents/values"])
        for name, array in (("imgs", pictures), ("latents/values", values), ("latents/classes", classes)):
            self.assertEqual(datasets[name].dtype, array.dtype)
            numpy.testing.assert_array_equal(datasets[name], array)
        with h5py.File(self.folder / "out.h5") as file:
            self.assertEqual(list(file["latents/values"].attrs["names"]), ["colour", "shape", "scale", "orientation", "x", "y"])
            self.assertEqual(list(file["latents/classes"].attrs["names"]), ["colour", "shape", "scale", "orientation", "x", "y"])
        self.assertIn("pickle", str(numpy.load(self.folder / "sprites.npz", allow_pickle=True)["metadata"]))
        self.refused("sprites.npz", "metadata", "metadata.npy", "'|O'")

        digits = RANDOM.integers(0, 10, 70)
        numpy.savez(self.folder / "keras.npz", x_train=PICTURES, y_train=digits, y_test=digits[:9])
        labels = self.imported("keras.npz", "x_train", "--labels", "y_train")["labels"]
        numpy.testing.assert_array_equal(labels, digits)
        self.refused("keras.npz", "x_train", "y_test", "(9)", "70", options=["--labels", "y_test"])

    def test_the_file_does_not_depend_on_threads(self):
        numpy.savez(self.folder / "threads.npz", x=RANDOM.normal(size=(1000, 16, 16)).astype(numpy.float32))
        contents = []
        for threads in (1, 5):
            self.program("data", "import-npz", "threads.npz", "x", "out.h5", "--overwrite", "--threads", threads, check=True)
            contents.append((self.folder / "out.h5").read_bytes())
        self.assertEqual(*contents)

    def test_compression_is_as_asked_for(self):
        numpy.savez(self.folder / "plain.npz", x=PICTURES.astype(numpy.float32))
        for option, expected, shuffled in (("none", None, False), ("gzip:9", 9, True)):
            self.imported("plain.npz", "x", "--compress", option)
            with h5py.File(self.folder / "out.h5") as file:
                self.assertEqual((file["imgs"].compression_opts, file["imgs"].shuffle), (expected, shuffled))
        done = self.program("data", "import-npz", "plain.npz", "x", "refused.h5", "--compress", "gzip:0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("gzip:0", done.stderr)

    def test_arrays_that_are_no_pictures_are_refused(self):
        text = numpy.array([["a"]])
        numpy.savez(self.folder / "odd.npz", flat=PICTURES.reshape(70, 30), none=PICTURES[:0], text=text.reshape(1, 1, 1), complex=PICTURES.astype(complex),
                    large=PICTURES.astype(numpy.uint16) + 1, negative=PICTURES.astype(int) - 255, huge=numpy.full((2, 2, 2), 2**64 - 1, numpy.uint64),
                    records=numpy.zeros((2, 2, 2), dtype=[("a", "u1")]), scalar=numpy.uint8(3))
        for key, *named in [("flat", "(70, 30)"), ("none", "(0, 6, 5)", "no pictures"), ("text", "'<U1'"), ("complex", "'<c16'"), ("large", "256", "row "),
                            ("negative", "-", "does not fit"), ("huge", str(2**64 - 1)), ("records", "records"), ("scalar", "()")]:
            with self.subTest(key=key):
                self.refused("odd.npz", key, f"member '{key}.npy'", *named)
        self.assertIn("'flat', 'none'", self.refused("odd.npz", "absent", "'absent'"))

    def test_files_that_are_no_npz_are_refused(self):
        (self.folder / "array.npy").write_bytes(npy(PICTURES))
        (self.folder / "empty.npz").write_bytes(b"")
        whole = self.zip("whole.npz", {"x.npy": npy(PICTURES)}).read_bytes()
        (self.folder / "half.npz").write_bytes(whole[:len(whole) // 2])
        for file in ("array.npy", "empty.npz", "half.npz", "absent.npz"):
            with self.subTest(file=file):
                self.refused(file, "x", "cannot read")
        self.zip("empty_zip.npz", {"notes.txt": b"no arrays"})
        self.refused("empty_zip.npz", "x", "it has none")
        self.zip("bzip2.npz", {"x.npy": npy(PICTURES)}, zipfile.ZIP_BZIP2)
        self.refused("bzip2.npz", "x", "method 12")

    def test_headers_that_lie_are_refused(self):
        good = npy(PICTURES)
        header = lambda text: b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
        cases = {
            "not_npy": b"PK" + good[2:], "version_9": good[:6] + b"\x09" + good[7:], "in_header": good[:20], "nothing": b"",
            "more_rows": good.replace(b"(70, ", b"(71, "), "cut": good[:-1], "longer": good + b"\0",
            "overflow": header("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }"),
            "long_header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + good[10:],
        }
        self.zip("lies.npz", {f"{key}.npy": content for key, content in cases.items()})
        for key in cases:
            with self.subTest(key=key):
                self.refused("lies.npz", key, f"lies.npz, member '{key}.npy'")

    def patched(self, name, content, offset_from_directory, value):
        """The zip file with one number in the first entry of its directory replaced."""
        at = content.index(b"PK\x01\x02") + offset_from_directory
        (self.folder / name).write_bytes(content[:at] + struct.pack("<I", value) + content[at + 4:])
        return name

    def test_a_zip_file_that_lies_about_a_size_is_refused(self):
        CRC, COMPRESSED, SIZE = 16, 20, 24
        array = npy(PICTURES)
        for method, lies in [(zipfile.ZIP_STORED, [(SIZE, len(array) + 1), (COMPRESSED, 2**31)]),
                             (zipfile.ZIP_DEFLATED, [(SIZE, len(array) - 1), (SIZE, len(array) + 1), (SIZE, 2**31), (COMPRESSED, 100), (CRC, 1)])]:
            content = self.zip("true.npz", {"x.npy": array}, method).read_bytes()
            for field, value in lies:
                with self.subTest(method=method, field=field, value=value):
                    self.refused(self.patched("patched.npz", content, field, value), "x", "member 'x.npy'")
        # A false size that agrees with the array's own false header is detected at the end of the stream.
        longer = array.replace(b"(70, ", b"(99, ")
        content = self.zip("true.npz", {"x.npy": longer}).read_bytes()
        self.refused(self.patched("patched.npz", content, SIZE, len(array) + 29 * 30), "x", "member 'x.npy'")

    def test_a_flipped_byte_is_found(self):
        content = bytearray(self.zip("true.npz", {"x.npy": npy(PICTURES)}, zipfile.ZIP_STORED).read_bytes())
        content[1000] ^= 1
        (self.folder / "flipped.npz").write_bytes(content)
        self.assertRegex(self.refused("flipped.npz", "x", "member 'x.npy'"), "(?i)crc")

    def test_a_decompression_bomb_is_refused(self):
        zeros = numpy.zeros((10000, 100, 100), dtype=numpy.uint8)
        self.zip("bomb.npz", {"x.npy": npy(zeros)})
        self.assertLess((self.folder / "bomb.npz").stat().st_size, 200_000)
        self.refused("bomb.npz", "x", "member 'x.npy'", "decompression bomb")

    def test_memory_stays_bounded(self):
        # 400 MB are streamed through less than 150 MB beyond the program's own memory.
        array = numpy.tile(RANDOM.integers(0, 2, (1000, 64, 64), dtype=numpy.uint8), (100, 1, 1))
        numpy.savez(self.folder / "large.npz", x=array, few=array[:100])
        peaks = {}
        for key in ("few", "x"):
            started = self.start("data", "import-npz", "large.npz", key, "out.h5", "--overwrite", "--compress", "gzip:1")
            _, status, usage = os.wait4(started.pid, 0)
            started.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(started.returncode, 0, started.stdout.read())
            started.stdout.close()
            peaks[key] = 1024 * usage.ru_maxrss
        self.assertLess(peaks["x"] - peaks["few"], 150e6, peaks)


if __name__ == "__main__":
    unittest.main()
