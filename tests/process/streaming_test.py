"""Training gives the same results however the data is read: from memory or streamed, by any number of ranks and threads."""
import os
import pathlib
import re
import signal
import subprocess
import unittest
import zlib

import h5py
import numpy

from comparing import loss_differences
from deadline import HANGS_S
from ranks import signal_all
from runs import RunFolder, SMALL, mpirun

# The ranks of a node decode for each other.
STREAM = ("data.cache=stream", "data.order=global", "data.shuffle_window_chunks=3")


class StreamedFolder(RunFolder):
    """200 grey pictures in chunks of 16."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with h5py.File(cls.folder / "shapes.h5") as file:
            images = file["imgs"][...]
        cls.images = images
        with h5py.File(cls.folder / "chunks.h5", "w") as file:
            file.create_dataset("imgs", data=images, chunks=(16, *images.shape[1:]), compression=4, shuffle=True)
        cls.write_config("run.yaml", "run: {name: run}\ndata: {train: {file: chunks.h5}}\n")

    def assert_same_losses(self, name, reference):
        differences = loss_differences(self.steps(name), self.steps(reference))
        self.assertGreater(len(differences), 0)
        self.assertLess(max(differences.values()), 1e-9, f"{name} and {reference}")


class Streaming(StreamedFolder):
    def test_streamed_by_any_number_of_ranks_is_as_from_memory(self):
        fixed = ("distributed.replicas=4", "train.precision=fp64", "train.steps=30", "data.order=global", "data.shuffle_window_chunks=3", "data.horizontal_flip=true")
        self.train("memory", *fixed, "data.cache=memory", np=2)
        for np, threads in ((None, 1), (1, 3), (2, 2), (4, 1)):
            self.train(f"stream_{np}", *fixed, "data.cache=stream", f"data.reader_threads={threads}", np=np)
            self.assert_same_losses(f"stream_{np}", "memory")
        # Another window gives another order; otherwise the comparisons would prove nothing.
        self.train("other_window", *fixed, "data.cache=memory", "data.shuffle_window_chunks=0")
        self.assertGreater(max(loss_differences(self.steps("other_window"), self.steps("memory")).values()), 1e-4)

    def test_the_order_of_the_first_start_is_kept_however_the_data_is_read_later(self):
        fixed = ("distributed.replicas=2", "train.precision=fp64")
        for first, then in (("memory", "stream"), ("stream", "memory")):
            self.train(f"whole_{first}", *fixed, f"data.cache={first}", "train.steps=31")
            self.train(f"moved_{first}", *fixed, f"data.cache={first}", "train.steps=17", np=2)
            said = self.train(f"moved_{first}", *fixed, f"data.cache={then}", "train.steps=31").stderr
            self.assert_same_losses(f"moved_{first}", f"whole_{first}")
            # The run began in memory, where all samples are shuffled together. Streaming keeps that order and reports its cost.
            (self.assertIn if then == "stream" else self.assertNotIn)("which is slow", said)

    def test_part_of_the_images_is_held_out_for_validation(self):
        for cache in ("memory", "stream"):
            self.train(f"fraction_{cache}", "data.validation.fraction=0.1", "evaluate.every_epochs=1", "train.steps=24", f"data.cache={cache}",
                       "data.order=global", "data.shuffle_window_chunks=3", "distributed.replicas=2", "train.precision=fp64", np=2)
        said = self.program("train", "--config", "run.yaml", "run.name=dry", *SMALL, "data.validation.fraction=0.1", "--dry-run", check=True).stderr
        self.assertRegex(said, r"validation data +20 of the training images \(0\.1\), chosen by the seed")
        self.assertRegex(said, r"samples N +180, 11 steps per epoch")
        self.assert_same_losses("fraction_stream", "fraction_memory")

    def test_files_are_named_by_patterns_and_doubtful_ones_told_once(self):
        def dry_run(*overrides, **options):
            return self.program("train", "--config", "run.yaml", "run.name=dry", *SMALL, *overrides, "--dry-run", **options)
        said = dry_run("data.train.file=[chunk*.h5, ./chunks.h5]", "data.validation.file=chunks.h5", np=2, check=True).stderr
        self.assertRegex(said, r"samples N +400,")
        self.assertEqual(said.count("data.train.file lists the same file more than once, so its images count several times: chunks.h5 (also as ./chunks.h5) 2 times"), 1, said)
        self.assertEqual(said.count("data.train and data.validation both read all rows of chunks.h5"), 1, said)
        self.assertNotIn("chunks.h5 2 times", dry_run(check=True).stderr)
        home = dry_run("data.train.file=~/chunks.h5", check=True, env={"HOME": str(self.folder)}).stderr
        self.assertRegex(home, r"samples N +200,")
        refused = dry_run("data.train.file=chunkz*.h5")
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("As a pattern it matches no file", refused.stderr)

    def test_images_of_every_kind_train(self):
        grey = self.images.reshape(200, 16, 16)
        with h5py.File(self.folder / "kinds.h5", "w") as file:
            file["floats"] = grey.astype(numpy.float32) / 255
            file["halves"] = grey.astype(numpy.float16) / 255
            file["words"] = (grey.astype(numpy.uint16) * 257).astype(">u2")
            file["bits"] = grey > 127
        for name in ("floats", "halves", "words", "bits"):
            self.train(f"kind_{name}", "data.train.file=kinds.h5", f"data.train.dataset={name}", "train.steps=4", "evaluate.every_epochs=1", np=2)
        self.train("kind_bytes", "train.steps=4", "evaluate.every_epochs=1", np=2)
        for name in ("floats", "words"):  # the same images
            self.assertLess(max(loss_differences(self.steps(f"kind_{name}"), self.steps("kind_bytes")).values()), 1e-5)
        for i, prepared in enumerate((("data.binarize=dynamic",), ("data.binarize=fixed", "data.horizontal_flip=true"), ("data.binarize=threshold",), ("data.dequantize=uniform",),
                                      ("data.crop=12", "data.resize=8"), ("data.resize=24",))):
            self.train(f"prepared_{i}", *prepared, "train.steps=4", np=2)

    def test_chunks_that_cut_images_in_pieces_are_warned_of(self):
        with h5py.File(self.folder / "pieces.h5", "w") as file:
            file.create_dataset("imgs", data=self.images.reshape(200, 16, 16) > 127, chunks=(64, 2, 4), compression=1)
        said = self.train("pieces", "data.train.file=pieces.h5", *STREAM, "train.steps=14", "distributed.reproducible=true").stderr
        self.assertRegex(said, r"pieces\.h5:/imgs is stored in chunks \[64, 2, 4\]: one sample spans 32 of them.*vae_dist data convert")
        said = self.train("pieces_in_memory", "data.train.file=pieces.h5", "data.cache=memory", "data.order=global", "data.shuffle_window_chunks=3", "train.steps=14", "distributed.reproducible=true").stderr
        self.assertNotIn("one image spans", said)
        self.assert_same_losses("pieces", "pieces_in_memory")

    def test_a_damaged_chunk_ends_all_ranks_with_its_place(self):
        with h5py.File(self.folder / "damaged.h5", "w") as file:
            d = file.create_dataset("imgs", data=self.images, chunks=(16, *self.images.shape[1:]), compression=4)
            d.id.write_direct_chunk((160,) + (0,) * (self.images.ndim - 1), b"no deflate stream")
        for cache, code in (("memory", 2), ("stream", 3)):
            # A given scale means that no values are inspected at the start, so the ring is the first to read the chunk.
            done = self.program("train", "--config", "run.yaml", f"run.name=damaged_{cache}", *SMALL, "train.steps=50", "data.train.file=damaged.h5", "data.train.scale=1", f"data.cache={cache}",
                                "data.shuffle_window_chunks=2", np=4)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr, r"damaged\.h5, dataset 'imgs': the chunk at \[160, 0, 0(, 0)?\] cannot be decoded: its deflate stream")


class LostFiller(RunFolder):
    """Two ranks of a node decode chunks for each other, and one of them stops doing so."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with h5py.File(cls.folder / "chunks.h5", "w") as file:
            file.create_dataset("imgs", data=numpy.arange(200 * 64, dtype=numpy.uint16).astype(numpy.uint8).reshape(200, 8, 8), chunks=(4, 8, 8), compression=1)
        cls.write_config("run.yaml", "run: {name: run}\ndata: {train: {file: chunks.h5}}\n")

    def end(self, process):
        signal_all(process.ranks().values())
        process.kill()
        process.wait()

    def output_of(self, process):
        self.addCleanup(self.end, process)
        try:
            process.wait(timeout=HANGS_S)
        except subprocess.TimeoutExpired:
            self.fail(f"not gone within {HANGS_S} s:\n" + (self.folder / "output.txt").read_text())
        self.assertNotEqual(process.returncode, 0)
        return (self.folder / "output.txt").read_text()

    def test_the_rank_that_waits_for_its_chunk_is_told_who_it_was(self):
        for how, said in (("kill", r"told: rank 1 \(process (\d+)\) is gone and no longer decodes chunks"), ("stop", r"told: rank 1 \(process (\d+)\) has shown no sign of life for ([3-9]|\d\d) s")):
            with self.subTest(how=how), open(self.folder / "output.txt", "w") as output:
                self.assertRegex(self.output_of(self.start("chunks.h5", how, np=2, program=os.environ["VAE_DIST_LOST_FILLER"], output=output)), said)

    def test_a_run_ends_and_names_it(self):
        for how in (signal.SIGKILL, signal.SIGSTOP):
            with self.subTest(how=how), open(self.folder / "output.txt", "w") as output:
                name = f"lost_{how.name}"
                process = self.start("train", "--config", "run.yaml", f"run.name={name}", *SMALL, "data.cache=stream", "data.order=global", "data.shuffle_window_chunks=1", "train.steps=1000000",
                                     "distributed.timeout_s=10", np=2, output=output)
                self.addCleanup(self.end, process)
                log = self.run_path(name) / "metrics.jsonl"
                self.wait_until(lambda: process.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= 10), HANGS_S, "step 10")
                os.kill(process.ranks()[1], how)
                self.assertRegex(self.output_of(process), r"rank 1 (is not responding|\(process \d+\)|with PID \d+ on node \S+ exited on signal 9)")


class StreamingMemory(RunFolder):
    """Four gigabytes of images are streamed through little memory."""

    STEPS = 110  # with 256 images each: 350 MB are decoded, more than may be held

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        chunk = numpy.random.default_rng(1).integers(0, 4, (64, 64, 64, 3), dtype=numpy.uint8)
        stored = zlib.compress(chunk.tobytes(), 1)
        for name, chunks in (("large", 5462), ("small", 16)):
            with h5py.File(cls.folder / f"{name}.h5", "w") as file:
                d = file.create_dataset("imgs", (64 * chunks, 64, 64, 3), "u1", chunks=chunk.shape, compression=1)
                for i in range(chunks):
                    d.id.write_direct_chunk((64 * i, 0, 0, 0), stored)
                d.attrs["scale"] = 1 / 3  # so that the program does not search for it

    def memory_of(self, name, steps, *options):
        """The memory of two ranks after `steps` steps, with shared pages counted once."""
        run = self.start("train", "--config", "run.yaml", f"run.name={name}", *SMALL, "model.hidden_dims=[2]", "train.global_batch=256", f"data.train.file={name}.h5", "train.steps=100000",
                         *options, np=2)
        try:
            log = self.run_path(name) / "metrics.jsonl"
            self.wait_until(lambda: run.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= steps), HANGS_S, f"step {steps}")
            self.assertIsNone(run.poll(), "the run ended too early")
            total = 0
            for pid in run.ranks().values():
                # Not the pages of files: how many processes share those of the libraries depends on what else runs.
                for name, kilobytes in re.findall(r"\n(Pss_Anon|Pss_Shmem):\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()):
                    total += 1024 * int(kilobytes)
            return total
        finally:
            run.send_signal(signal.SIGTERM)
            run.communicate(timeout=HANGS_S)

    def test_it_stays_below_300_mb_beyond_the_model(self):
        model = self.memory_of("small", 4, "data.cache=memory") - 16 * 64 * 64 * 64 * 3
        streaming = self.memory_of("large", self.STEPS, "data.cache=stream")
        self.assertGreater(model, 0)
        self.assertLess(streaming - model, 300e6)  # 160 to 190 MB when this was written


class Containers(StreamedFolder):
    """Each rank runs in its own user namespace, as in unprivileged containers, and cannot access the descriptors of other ranks."""

    ALONE = ["unshare", "--user", "--map-root-user"]
    # Here the ranks also share no file system for named shared memory. (Open MPI itself uses sockets then.)
    SEES_NOTHING = ["env", "OMPI_MCA_btl=self,tcp"], ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/shm && exec env TMPDIR=/nowhere "$@"', "sh"]

    @classmethod
    def setUpClass(cls):
        possible = subprocess.run([*cls.SEES_NOTHING[1], "true"], capture_output=True, text=True)
        if possible.returncode != 0:
            raise unittest.SkipTest(f"not run: this machine cannot create user namespaces: {possible.stderr.strip()}")
        super().setUpClass()

    def trained(self, name, *overrides, around=(), each=()):
        """Returns the output."""
        process = self.start("train", "--config", "run.yaml", f"run.name={name}", *SMALL, "train.steps=14", "train.precision=fp64", *overrides, np=2,
                             launcher=lambda np, command: [*around, *mpirun(np, [*each, *command])])
        said, _ = process.communicate(timeout=HANGS_S)
        self.assertEqual(process.returncode, 0, said)
        return said

    def test_train_as_ranks_that_are_in_none(self):
        around, each = self.SEES_NOTHING
        for cache, *how in (("memory",), ("stream", "data.shuffle_window_chunks=3")):
            overrides = [f"data.cache={cache}", *how]
            self.trained(f"none_{cache}", *overrides)
            said = self.trained(f"alone_{cache}", *overrides, each=self.ALONE)
            self.assertNotIn("cannot share memory, neither", said)
            said = self.trained(f"nothing_{cache}", *overrides, around=around, each=each)
            self.assertEqual(said.count("cannot share memory, neither"), 1, said)
            self.assertRegex(said, r"each of the 2 ranks decodes the images into its own memory")
            for name in ("alone", "nothing"):
                self.assert_same_losses(f"{name}_{cache}", f"none_{cache}")


class OneCopy(RunFolder):
    """Four ranks of a node share one copy of the images in memory."""

    IMAGES = ["--count", "4000", "--size", "64", "--channels", "3"]  # 49 MB decoded

    def shared_bytes(self, pids):
        """The sum of the ranks' proportional shares of shared memory (PSS), which counts pages mapped by several ranks once."""
        total = 0
        for pid in pids:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                found = re.search(r"Pss_Shmem:\s+(\d+) kB", file.read())
            total += int(found.group(1)) * 1024
        return total

    def test_four_ranks_hold_one_copy(self):
        run = self.start("train", "--config", "run.yaml", "run.name=copy", *SMALL, "data.cache=memory", "train.steps=100000", np=4)
        try:
            self.wait_until(lambda: (self.run_path("copy") / "metrics.jsonl").exists() and self.losses("copy"), HANGS_S, "a first step")
            ranks = run.ranks().values()
            self.assertEqual(len(ranks), 4)
            decoded = 4000 * 64 * 64 * 3
            # Open MPI's own shared memory takes a few MB per rank.
            shared = self.shared_bytes(ranks)
            self.assertGreater(shared, decoded)
            self.assertLess(shared, 2 * decoded)
        finally:
            run.send_signal(signal.SIGTERM)
            run.communicate(timeout=HANGS_S)


if __name__ == "__main__":
    unittest.main()
