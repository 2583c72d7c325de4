"""Import of picture folders: generated ones with every kind of fault, and CIFAR-10's, which are also trained on."""
import tarfile
import unittest

import h5py
import numpy

from comparing import file_hashes
from png_files import png
from runs import SOURCE, RunFolder

CIFAR = SOURCE / ".." / "shared" / "data" / "cifar10-test-jpeg.tar.gz"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
RANDOM = numpy.random.default_rng(5)


class ImportImages(RunFolder):
    IMAGES = ["--count", "2", "--size", "8", "--channels", "1"]

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def test_pictures_and_labels_are_those_of_the_folder(self):
        pictures = {f"animals/{kind}/{i:03d}.png": RANDOM.integers(0, 256, (20, 30, 3), dtype=numpy.uint8) for kind in ("cat", "dog") for i in range(50)}
        for name, pixels in pictures.items():
            self.write(name, png(pixels))
        done = self.program("data", "import-images", "animals", "exact.h5", check=True)
        self.assertEqual(done.stdout, "exact.h5 is written: 100 pictures of 20x30, RGB, 2 classes\n")
        with h5py.File(self.folder / "exact.h5") as file:
            numpy.testing.assert_array_equal(file["imgs"][:], numpy.stack([pictures[name] for name in sorted(pictures)]))
            numpy.testing.assert_array_equal(file["labels"][:], [0] * 50 + [1] * 50)
            self.assertEqual(list(file["labels"].attrs["names"]), ["cat", "dog"])

        # The centred 20x20 pixels, averaged over blocks of 2x2, and their luma.
        self.program("data", "import-images", "animals", "half.h5", "--size", "10", "--compress", "none", check=True)
        with h5py.File(self.folder / "half.h5") as file:
            self.assertIsNone(file["imgs"].compression)
            expected = numpy.stack([pictures[name][:, 5:25] for name in sorted(pictures)]).reshape(100, 10, 2, 10, 2, 3).sum((2, 4), dtype=int)
            numpy.testing.assert_array_equal(file["imgs"][:], (expected + 2) // 4)
        self.program("data", "import-images", "animals", "grey.h5", "--gray", "--crop", "12", check=True)
        with h5py.File(self.folder / "grey.h5") as file:
            colour = numpy.stack([pictures[name][4:16, 9:21] for name in sorted(pictures)])
            self.assertEqual(file["imgs"].shape, (100, 12, 12))
            self.assertLessEqual(abs(file["imgs"][:] - colour @ [0.299, 0.587, 0.114]).max(), 0.51)

    def test_broken_pictures_are_fatal_or_left_out_by_name(self):
        good = png(RANDOM.integers(0, 256, (8, 8), dtype=numpy.uint8))
        broken = {"text.jpg": b"This is no picture.", "cut.png": good[:60], "flipped.png": good[:50] + b"\xff" + good[51:], "empty.jpeg": b""}
        for i in range(70):
            self.write(f"mixed/{i:02d}.png", good)
        for name, content in broken.items():
            self.write(f"mixed/{name}", content)
        self.write("mixed/readme.txt", b"a note")
        before = file_hashes(self.folder)
        done = self.program("data", "import-images", "mixed", "mixed.h5")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("mixed/cut.png: it is an unreadable PNG", done.stderr)
        self.assertEqual(file_hashes(self.folder), before)

        done = self.program("data", "import-images", "mixed", "mixed.h5", "--on-error", "skip", check=True)
        self.assertIn("70 pictures of 8x8, RGB; 4 could not be read", done.stdout)
        for name in broken:
            self.assertEqual(done.stderr.count(f"left out mixed/{name}: "), 1, done.stderr)
        for said in ("1 other files were ignored; the first is readme.txt", "--gray"):
            self.assertIn(said, done.stderr)

    def test_what_cannot_be_imported_is_refused(self):
        for name, shape in (("ragged/a.png", (4, 5)), ("ragged/b.png", (5, 4))):
            self.write(name, png(numpy.zeros(shape, numpy.uint8)))
        (self.folder / "nothing").mkdir()
        before = file_hashes(self.folder)
        for arguments, named in [(["ragged"], ["ragged/b.png has 5x4 pixels, but ragged/a.png has 4x5", "--size"]), (["nothing"], ["nothing holds no pictures"]), (["absent"], ["absent"]),
                                 (["ragged", "--crop", "left"], ["left", "centre"]), (["ragged", "--size", "0"], ["--size"]), (["ragged", "--crop", "9"], ["4x5", "9x9"]),
                                 (["ragged", "--on-error", "ignore"], ["--on-error"])]:
            with self.subTest(arguments=arguments):
                done = self.program("data", "import-images", arguments[0], "refused.h5", *arguments[1:])
                self.assertEqual(done.returncode, 2, done.stderr)
                for text in named:
                    self.assertIn(text, done.stderr)
        for out, says in (("ragged/a.png", "is not an HDF5 file"), ("ragged/a.png/out.h5", "ragged/a.png"), ("nothing", "it is a directory"), ("/proc/out.h5", "/proc")):
            done = self.program("data", "import-images", "ragged", out, "--size", "4", "--overwrite")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(says, done.stderr)
        self.assertEqual(file_hashes(self.folder), before)


@unittest.skipUnless(CIFAR.is_file(), f"CIFAR-10's pictures were not found: {CIFAR}")
class Cifar(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with tarfile.open(CIFAR) as tar:
            tar.extractall(cls.folder, filter="data")
        cls.done = cls.program("data", "import-images", "test", "cifar.h5", check=True)

    def test_all_pictures_are_imported_with_their_classes(self):
        self.assertEqual(self.done.stdout, "cifar.h5 is written: 10000 pictures of 32x32, RGB, 10 classes\n")
        with h5py.File(self.folder / "cifar.h5") as file:
            self.assertEqual(list(file["labels"].attrs["names"]), CLASSES)
            numpy.testing.assert_array_equal(numpy.bincount(file["labels"][:]), [1000] * 10)
            # The published statistics of CIFAR-10's test pictures, which JPEG hardly changes.
            numpy.testing.assert_allclose(file["imgs"][:].mean((0, 1, 2)) / 255, [0.494, 0.485, 0.450], atol=0.01)

    def test_they_train(self):
        self.write_config("cifar.yaml", "run: {name: cifar}\ndata: {train: {file: cifar.h5}}\n")
        self.train("cifar", "train.steps=60", "train.global_batch=64", "model.hidden_dims=[16, 32]", "model.latent_dim=16", config="cifar.yaml", np=2)
        losses = self.losses("cifar")
        self.assertLess(sum(losses[-5:]), 0.75 * sum(losses[:5]))


if __name__ == "__main__":
    unittest.main()
