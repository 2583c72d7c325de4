"""data convert, verify and info on files written by h5py: conversion changes only the chunks, and damage is reported with its place."""
import re
import resource
import shutil
import signal
import subprocess
import unittest

import h5py
import numpy

from comparing import file_hashes
from deadline import HANGS_S
from runs import BINARY, RunFolder

RANDOM = numpy.random.default_rng(11)
N = 230
PICTURES = RANDOM.integers(0, 256, (N, 12, 9), dtype=numpy.uint8)
LABELS = RANDOM.integers(0, 10, N).astype(numpy.uint16)
TEXTS = [f"ünï {i}" for i in range(N)]


class ConvertFolder(RunFolder):
    IMAGES = ["--count", "2", "--size", "8", "--channels", "1"]

    def write(self, name, images=PICTURES, **options):
        """Writes a typical user's file: images in awkward chunks, labels, factors, text, attributes of many kinds."""
        with h5py.File(self.folder / name, "w") as file:
            stored = file.create_dataset("pictures/imgs", data=images, **{"chunks": (50, 5, 4), "compression": "gzip", **options})
            stored.attrs["text"], stored.attrs["numbers"], stored.attrs["none"] = "ünïcode", numpy.arange(3.0), h5py.Empty("f4")
            rows = len(images)
            labels = file.create_dataset("labels", data=numpy.resize(LABELS, rows))
            labels.attrs["names"] = [f"class {i}" for i in range(10)]
            file.create_dataset("latents/values", data=numpy.resize(RANDOM.random((N, 3)), (rows, 3)), chunks=(min(7, rows), 2), dtype=">f8")
            file["texts"] = [TEXTS[i % N] for i in range(rows)]
            file["mean"] = images.mean(axis=0)
            file["version"] = 3
            file["nothing"] = h5py.Empty("f4")
            file["records"] = numpy.array([(i, f"row {i}") for i in range(rows)], dtype=[("number", "i4"), ("text", h5py.string_dtype())])
            file.attrs["made by"] = "a test"
        return self.folder / name

    def convert(self, *arguments):
        return self.program("data", "convert", "--overwrite", *arguments, check=True)

    def refused(self, *arguments, named, code=2):
        before = file_hashes(self.folder)
        done = self.program("data", *arguments, *(["--overwrite"] if arguments[0] == "convert" else []))
        self.assertEqual(done.returncode, code, done.stderr)
        for text in named:
            self.assertIn(text, done.stderr)
        self.assertEqual(file_hashes(self.folder), before)

    def contents(self, name):
        found = {}
        with h5py.File(self.folder / name) as file:
            file.visititems(lambda path, item: found.update({path: item[()]}) if isinstance(item, h5py.Dataset) else None)
        return found


class Convert(ConvertFolder):
    def test_everything_is_kept_but_the_chunks(self):
        self.write("in.h5")
        said = self.convert("in.h5", "out.h5", "--dataset", "pictures/imgs", "--chunk-images", "32", "--compress", "gzip:2").stdout
        self.assertIn("out.h5 is written: 230 images in chunks of 32", said)
        before, after = self.contents("in.h5"), self.contents("out.h5")
        self.assertEqual(set(before), set(after))
        for path in before:
            self.assertEqual(before[path].dtype, after[path].dtype, path)
            if path == "nothing":
                self.assertEqual(after[path], h5py.Empty("f4"))
                continue
            numpy.testing.assert_array_equal(before[path], after[path], path)
        with h5py.File(self.folder / "in.h5") as old, h5py.File(self.folder / "out.h5") as new:
            images = new["pictures/imgs"]
            self.assertEqual((images.chunks, images.compression_opts), ((32, 12, 9), 2))
            self.assertTrue(new["latents/values"].shuffle)
            self.assertEqual(list(new["labels"].attrs["names"]), list(old["labels"].attrs["names"]))
            self.assertEqual(images.attrs["text"], "ünïcode")
            self.assertEqual(list(images.attrs["numbers"]), [0, 1, 2])
            self.assertEqual(images.attrs["none"], h5py.Empty("f4"))
            self.assertEqual(new.attrs["made by"], "a test")

    def test_every_type_of_pixel_is_kept(self):
        for dtype in ("u1", "<u2", ">u2", "<i4", "<f2", ">f4", "<f8", "?"):
            with self.subTest(dtype=dtype):
                images = (PICTURES > 99) if dtype == "?" else PICTURES.astype(dtype)
                self.write("typed.h5", images)
                self.convert("typed.h5", "out.h5", "--dataset", "pictures/imgs")
                seen = self.contents("out.h5")["pictures/imgs"]
                self.assertEqual(seen.dtype, numpy.dtype(dtype))
                numpy.testing.assert_array_equal(seen, images)

    def test_little_memory_and_any_number_of_threads_give_the_same_file(self):
        images = RANDOM.integers(0, 4, (3000, 32, 32), dtype=numpy.uint8)  # a row of chunks takes 2 MiB
        self.write("large.h5", images, chunks=(2048, 4, 8))
        contents = {}
        for options in (["--threads", "1"], ["--threads", "5"], ["--memory", "1"]):
            done = self.convert("large.h5", "out.h5", "--dataset", "pictures/imgs", *options)
            contents[tuple(options)] = (self.folder / "out.h5").read_bytes()
            self.assertEqual("each chunk was decoded 2 times" in done.stderr, "--memory" in options, done.stderr)
        self.assertEqual(len(set(contents.values())), 1)
        numpy.testing.assert_array_equal(self.contents("out.h5")["pictures/imgs"], images)

    def test_several_files_become_one(self):
        parts = [PICTURES, PICTURES[::-1], PICTURES[:1]]
        for i, part in enumerate(parts):
            self.write(f"part{i}.h5", part, chunks=(min(50, len(part)), 5, 4))
        done = self.convert("part0.h5", "part1.h5", "part2.h5", "all.h5", "--dataset", "/pictures/imgs", "--compress", "none")
        after = self.contents("all.h5")
        numpy.testing.assert_array_equal(after["pictures/imgs"], numpy.concatenate(parts))
        for path in ("labels", "latents/values"):
            numpy.testing.assert_array_equal(after[path], numpy.concatenate([self.contents(f"part{i}.h5")[path] for i in range(3)]))
        # Datasets whose rows cannot be concatenated are left out, with a message.
        for path in ("texts", "mean", "version", "nothing", "records"):
            self.assertNotIn(path, after)
            self.assertRegex(done.stderr, rf"left out: part0.h5, dataset '{path}'")
        with h5py.File(self.folder / "all.h5") as file:
            self.assertEqual((file["pictures/imgs"].chunks, file["pictures/imgs"].compression), ((64, 12, 9), None))
            self.assertEqual(len(file["labels"].attrs["names"]), 10)

    def test_files_that_do_not_fit_together_are_refused(self):
        self.write("first.h5")
        self.write("wide.h5", PICTURES[:, :, :8])
        self.write("deep.h5", PICTURES.astype("u2"))
        for change, named in [(lambda file: file["labels"].attrs.__setitem__("names", ["other"] * 10), ["labels", "names"]),
                              (lambda file: file.__delitem__("labels"), ["labels", "it has"]),
                              (lambda file: file.__delitem__("pictures"), ["pictures/imgs"])]:
            shutil.copy(self.folder / "first.h5", self.folder / "changed.h5")
            with h5py.File(self.folder / "changed.h5", "a") as file:
                change(file)
            self.refused("convert", "first.h5", "changed.h5", "out.h5", "--dataset", "pictures/imgs", named=["changed.h5", *named])
        self.refused("convert", "first.h5", "wide.h5", "out.h5", "--dataset", "pictures/imgs", named=["wide.h5", "[230, 12, 8]", "[230, 12, 9]"])
        self.refused("convert", "first.h5", "deep.h5", "out.h5", "--dataset", "pictures/imgs", named=["deep.h5", "another type"])
        self.refused("convert", "first.h5", "first.h5", "--dataset", "pictures/imgs", named=["it is also read"])
        self.refused("convert", "first.h5", "absent.h5", "out.h5", named=["absent.h5"])
        self.refused("convert", "first.h5", "out.h5", "--dataset", "version", named=["version", "[]"])
        self.refused("convert", "first.h5", "out.h5", "--dataset", "pictures/imgs", "--compress", "best", named=["best", "gzip:1"])

    def test_fuels_split_is_kept_where_it_refers_to_nothing(self):
        split = numpy.dtype([("split", "S5"), ("source", "S6"), ("start", "i8"), ("stop", "i8"), ("indices", h5py.special_dtype(ref=h5py.Reference)),
                             ("available", "?"), ("comment", "S1")])
        rows = numpy.array([(b"train", b"imgs", 0, 200, None, True, b"."), (b"test", b"imgs", 200, 230, None, True, b".")], dtype=split)
        self.write("fuel.h5")
        with h5py.File(self.folder / "fuel.h5", "a") as file:
            file.attrs["split"] = rows
        self.convert("fuel.h5", "out.h5", "--dataset", "pictures/imgs")
        with h5py.File(self.folder / "out.h5") as file:
            self.assertEqual([(row["split"], row["start"], row["stop"]) for row in file.attrs["split"]], [(b"train", 0, 200), (b"test", 200, 230)])
        with h5py.File(self.folder / "fuel.h5", "a") as file:
            rows[0]["indices"] = file["labels"].ref
            file.attrs["split"] = rows
        done = self.convert("fuel.h5", "out.h5", "--dataset", "pictures/imgs")
        self.assertIn("attribute 'split' refers", done.stderr)

    def test_a_full_disk_leaves_nothing_behind(self):
        self.write("in.h5", RANDOM.integers(0, 256, (3000, 32, 32), dtype=numpy.uint8))
        numpy.savez(self.folder / "in.npz", x=self.contents("in.h5")["pictures/imgs"])
        before = file_hashes(self.folder)
        for arguments in (["convert", "in.h5", "full.h5", "--dataset", "pictures/imgs"], ["import-npz", "in.npz", "x", "full.h5"], ["make-shapes", "full.h5"]):
            done = subprocess.run([BINARY, "data", *arguments], cwd=self.folder, text=True, capture_output=True, timeout=HANGS_S, preexec_fn=limit_file_size)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("vae_dist: ", done.stderr)
            self.assertIn("File too large", done.stderr)
            self.assertEqual(file_hashes(self.folder), before)


def limit_file_size():
    """Makes writing fail after 200 kB, as on a nearly full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


class Verify(ConvertFolder):
    def place_of_chunk(self, name, dataset, number):
        with h5py.File(self.folder / name) as file:
            info = file[dataset].id.get_chunk_info(number)
        return info.byte_offset, info.size, list(info.chunk_offset)

    def flip(self, name, at):
        with open(self.folder / name, "r+b") as file:
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 0x40]))

    def test_a_whole_file_is_read_and_counted(self):
        images = PICTURES.astype("f4") / 255 - 0.5
        self.write("whole.h5", images)
        done = self.program("data", "verify", "whole.h5", check=True)
        self.assertIn("whole.h5 is intact", done.stdout)
        line = re.search(r"pictures/imgs: float32 \[230, 12, 9\], (\d+) chunks read, 0 damaged, (\S+) to (\S+); checked by deflate's Adler-32", done.stdout)
        self.assertEqual(int(line[1]), 5 * 3 * 3)
        self.assertAlmostEqual(float(line[2]), images.min(), delta=1e-6)
        self.assertAlmostEqual(float(line[3]), images.max(), delta=1e-6)
        self.assertRegex(done.stdout, r"labels: uint16 \[230\], 1 chunks read, 0 damaged, 0 to 9; checked by nothing")
        for path in ("texts", "mean", "version", "latents/values", "nothing", "records"):
            self.assertIn(f"{path}: ", done.stdout)

    def test_the_range_of_every_type_is_numpys_however_it_is_stored(self):
        for dtype in ("u1", "i1", "<u2", ">u2", "<i4", ">i8", "<f2", ">f4", "<f8"):
            images = PICTURES.astype("f8") - (0 if dtype[-2] == "u" else 101)
            images[images == 0] = 1  # the fill value in the padding of edge chunks must not be counted
            images = (images / (2 if dtype[-2] == "f" else 1 if dtype != "i1" else 3)).astype(dtype)
            for options in ({}, {"shuffle": True, "fletcher32": True}, {"chunks": None, "compression": None}, {"compression": None, "scaleoffset": 4 if dtype[-2] == "f" else 0}):
                if dtype == "<f2" and "scaleoffset" in options:
                    continue  # HDF5's scale-offset filter does not support it
                with self.subTest(dtype=dtype, options=options):
                    with h5py.File(self.folder / "typed.h5", "w") as file:
                        file.create_dataset("imgs", data=images, **{"chunks": (50, 5, 4), "compression": "gzip", **options})
                    done = self.program("data", "verify", "typed.h5")
                    line = re.search(r"imgs: \S+ \[230, 12, 9\], \d+ chunks read, 0 damaged, (\S+) to (\S+);", done.stdout)
                    self.assertIsNotNone(line, done.stdout + done.stderr)
                    numpy.testing.assert_allclose([float(line[1]), float(line[2])], [images.min(), images.max()], rtol=1e-5)

    def test_a_filter_that_is_not_installed_is_no_damage(self):
        with h5py.File(self.folder / "zstd.h5", "w") as file:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((50, 12, 9))
            plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))  # Zstandard, which is not installed here
            h5py.h5d.create(file.id, b"imgs", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple(PICTURES.shape), plist)
        for arguments in (["verify", "zstd.h5"], ["convert", "zstd.h5", "out.h5"], ["info", "zstd.h5"]):
            self.refused(*arguments, named=["zstd.h5, dataset 'imgs' is stored with the filter", "(32015), which is not installed", "hdf5plugin"])

    def test_the_fast_filter_of_h5py_is_read(self):
        with h5py.File(self.folder / "lzf.h5", "w") as file:
            file.create_dataset("imgs", data=PICTURES // 64, chunks=(50, 12, 9), compression="lzf", shuffle=True)
        self.assertIn("0 to 3", self.program("data", "verify", "lzf.h5", check=True).stdout)
        self.convert("lzf.h5", "out.h5")
        with h5py.File(self.folder / "out.h5") as file:
            numpy.testing.assert_array_equal(file["imgs"][...], PICTURES // 64)

    def test_a_flipped_byte_is_named_by_its_chunk(self):
        for options, says in (({"fletcher32": True, "compression": None}, "Fletcher32"), ({"compression": "gzip"}, "its deflate stream")):
            self.write("flipped.h5", **options)
            damaged = []
            for number in (3, 17):
                at, size, offset = self.place_of_chunk("flipped.h5", "pictures/imgs", number)
                self.flip("flipped.h5", at + size // 2)
                damaged.append(f"chunk at {offset}")
            self.refused("verify", "flipped.h5", named=["flipped.h5", "dataset 'pictures/imgs'", *damaged, says])
            self.refused("convert", "flipped.h5", "out.h5", "--dataset", "pictures/imgs", named=["flipped.h5, dataset 'pictures/imgs'", "rows 0 to 230", "verify"])

    def test_nan_in_images_is_named_and_in_factors_counted(self):
        images = PICTURES.astype("f4")
        self.write("nan.h5", images)
        with h5py.File(self.folder / "nan.h5", "a") as file:
            file["latents/values"][3, 1] = numpy.nan
        done = self.program("data", "verify", "nan.h5", check=True)
        self.assertRegex(done.stdout, r"latents/values: .* 1 NaN")
        images[120, 7, 8], images[121, 0, 0] = numpy.nan, -numpy.inf
        self.write("nan.h5", images)
        self.refused("verify", "nan.h5", named=["nan.h5, dataset 'pictures/imgs', chunk at [100, 0, 0]", "1 NaN and 1 infinite"])

    def test_a_truncated_file_is_refused(self):
        content = self.write("whole.h5").read_bytes()
        for part in (0.0, 0.3, 0.99):
            (self.folder / "cut.h5").write_bytes(content[:int(part * len(content))])
            self.refused("verify", "cut.h5", named=["cut.h5"])


class Info(ConvertFolder):
    def test_it_advises_to_convert_what_trains_badly(self):
        self.write("awkward.h5")
        with h5py.File(self.folder / "awkward.h5", "a") as file:
            del file["mean"]
        said = self.program("data", "info", "awkward.h5", "--dataset", "pictures/imgs", "--out", "grid.png", check=True).stdout
        self.assertIn("pictures/imgs: uint8 [230, 12, 9], chunks [50, 5, 4], filters: deflate(4)", said)
        self.assertIn("each image lies in 9 chunks of 50 images", said)
        self.assertIn("names: class 0, class 1", said)
        command = re.search(r"vae_dist (data convert .*)", said)[1]
        self.program(*command.split(), check=True)
        self.assertIn("suit training", self.program("data", "info", "converted.h5", "--dataset", "pictures/imgs", check=True).stdout)
        self.assertTrue((self.folder / "grid.png").read_bytes().startswith(b"\x89PNG"))


class MisleadingFiles(ConvertFolder):
    """Data that HDF5 itself reads as zeros, skips or rounds: every verb that reads files reports it or gets the right values."""

    TRAIN = ["model.hidden_dims=[8]", "model.latent_dim=2", "train.global_batch=16", "train.steps=2", "distributed.device=cpu", "metrics.port=null", "run.name=new"]

    def every_verb_refuses(self, name, *named):
        self.refused("info", name, named=named)
        self.refused("verify", name, named=named)
        self.refused("convert", name, "out.h5", named=named)
        self.write_config("run.yaml", f"run: {{name: run}}\ndata: {{train: {{file: {name}}}}}\n")
        before = file_hashes(self.folder)
        done = self.program("train", "--config", "run.yaml", *self.TRAIN)
        self.assertEqual(done.returncode, 2, done.stderr)
        for text in named:
            self.assertIn(text, done.stderr)
        self.assertEqual(file_hashes(self.folder), before)

    def test_a_source_that_is_missing(self):
        layout = h5py.VirtualLayout((60, 12, 9), numpy.uint8)
        for i in range(3):
            with h5py.File(self.folder / f"part{i}.h5", "w") as file:
                file["x"] = PICTURES[20 * i:20 * i + 20]
            layout[20 * i:20 * i + 20] = h5py.VirtualSource(f"part{i}.h5", "x", (20, 12, 9))
        with h5py.File(self.folder / "virtual.h5", "w", libver=("earliest", "v110")) as file:
            file.create_virtual_dataset("imgs", layout)
            file["labels"] = LABELS[:60]
        self.convert("virtual.h5", "whole.h5")
        with h5py.File(self.folder / "whole.h5") as file:
            numpy.testing.assert_array_equal(file["imgs"][...], PICTURES[:60])
            self.assertFalse(file["imgs"].is_virtual)
        self.refused("convert", "virtual.h5", "part1.h5", named=["part1.h5", "it is also read"])
        (self.folder / "part1.h5").rename(self.folder / "away.h5")
        self.every_verb_refuses("virtual.h5", "virtual.h5, dataset 'imgs' takes values from part1.h5")

    def test_an_external_raw_file_that_was_cut_short(self):
        with h5py.File(self.folder / "external.h5", "w") as file:
            file.create_dataset("imgs", data=PICTURES, external=[(self.folder / "raw.bin", 0, h5py.h5f.UNLIMITED)])
            file.create_dataset("mean", data=PICTURES.mean(axis=0), external=[(self.folder / "mean.bin", 0, h5py.h5f.UNLIMITED)])
        self.convert("external.h5", "whole.h5")
        with h5py.File(self.folder / "whole.h5") as file:
            numpy.testing.assert_array_equal(file["imgs"][...], PICTURES)
            numpy.testing.assert_array_equal(file["mean"][...], PICTURES.mean(axis=0))
            self.assertEqual([dataset.external for dataset in file.values()], [None, None], "copied, not referred to")
        with open(self.folder / "raw.bin", "r+b") as file:
            file.truncate(PICTURES.nbytes - 1)
        self.every_verb_refuses("external.h5", "dataset 'imgs'", "raw.bin, which has only 24839 bytes")

    def test_a_damaged_header(self):
        self.write("whole.h5")
        content = bytearray((self.folder / "whole.h5").read_bytes())
        with h5py.File(self.folder / "whole.h5") as file:
            content[h5py.h5o.get_info(file["labels"].id).addr] ^= 0xff
        (self.folder / "damaged.h5").write_bytes(content)
        self.every_verb_refuses("damaged.h5", "damaged.h5", "'labels' cannot be opened")

    def test_verify_names_a_value_that_no_scale_explains(self):
        images = RANDOM.random((500, 6, 7)).astype("f4")
        images[3, 0, 0] = -9999
        with h5py.File(self.folder / "odd.h5", "w") as file:
            file["imgs"] = images
        self.refused("verify", "odd.h5", named=["odd.h5, dataset 'imgs': row 3 holds -9999"])

    def test_integers_of_64_bits_are_told_with_all_their_digits(self):
        with h5py.File(self.folder / "ids.h5", "w") as file:
            file["objid"] = numpy.array([1237648720693755918, 1237648720693755919])
            file["hash"] = numpy.array([2**63 + 1, 2**64 - 1], numpy.uint64)
        said = self.program("data", "verify", "ids.h5", check=True).stdout
        self.assertIn("1237648720693755918 to 1237648720693755919", said)
        self.assertIn("9223372036854775809 to 18446744073709551615", said)


if __name__ == "__main__":
    unittest.main()
