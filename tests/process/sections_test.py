"""Sections: each replica trains on its own part of the dataset, and each host reads the parts of its own replicas alone."""
import os
import pathlib
import re
import unittest
import zlib

import h5py
import numpy

from network import Network
from runs import RunFolder, SMALL

CGROUPS = pathlib.Path("/sys/fs/cgroup/memory") if pathlib.Path("/sys/fs/cgroup/memory").is_dir() else pathlib.Path("/sys/fs/cgroup")


class Sections(RunFolder):
    """200 grey pictures in chunks of 4."""

    FIXED = ("distributed.replicas=4", "distributed.reproducible=true", "data.order=sections", "data.shuffle_window_chunks=3", "data.horizontal_flip=true",
             "data.validation.fraction=0.1", "evaluate.every_epochs=1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with h5py.File(cls.folder / "shapes.h5") as file:
            images = file["imgs"][...]
        with h5py.File(cls.folder / "chunks.h5", "w") as file:
            file.create_dataset("imgs", data=images, chunks=(4, *images.shape[1:]), compression=4)
        cls.write_config("run.yaml", "run: {name: run}\ndata: {train: {file: chunks.h5}}\n")

    def figures(self, name):
        """What training and evaluation computed, without times."""
        return self.losses(name), [{key: value for key, value in record.items() if "seconds" not in key} for record in self.log(name) if "evaluated" in record]

    def weights(self, name, step):
        return (self.checkpoint(name, step) / "weights.safetensors").read_bytes()

    def test_any_number_of_ranks_trains_the_same_from_memory_and_by_stream(self):
        trained = {}
        for sections in ("epoch", "fixed"):
            fixed = (*self.FIXED, f"data.sections={sections}", "train.steps=30")
            for cache, np in (("memory", 1), ("memory", 4), ("stream", 1), ("stream", 2), ("stream", 4)):
                name = f"{sections}_{cache}_{np}"
                self.train(name, *fixed, f"data.cache={cache}", np=np)
                trained.setdefault(sections, self.weights(name, 30))
                self.assertEqual(self.weights(name, 30), trained[sections], name)
                self.assertEqual(self.figures(name), self.figures(f"{sections}_memory_1"), name)
        self.assertNotEqual(trained["epoch"], trained["fixed"])

    def test_it_stops_anywhere_and_goes_on_with_other_ranks_and_another_cache(self):
        for sections in ("epoch", "fixed"):
            fixed = (*self.FIXED, f"data.sections={sections}")
            self.train(f"whole_{sections}", *fixed, "train.steps=31", "data.cache=stream", np=2)
            for step, cache, np in ((7, "memory", 4), (18, "stream", 1), (31, "memory", 2)):
                self.train(f"parts_{sections}", *fixed, f"train.steps={step}", f"data.cache={cache}", np=np)
            self.assertEqual(self.weights(f"parts_{sections}", 31), self.weights(f"whole_{sections}", 31))

    def test_what_is_chosen_is_said_and_kept(self):
        said = self.train("chosen", "data.cache=stream", "train.steps=4", np=2).stderr
        self.assertRegex(said, r"reading +streamed: each rank decodes the sections of its own replicas; an epoch reads .* a node")
        self.assertRegex(said, r"order +R = 2 sections dealt anew each epoch, each shuffled in windows of \d+ chunks")
        self.assertIn("order: sections", (self.run_path("chosen") / "config.yaml").read_text())
        # With all data in memory a new run would be global; this one keeps its order.
        said = self.train("chosen", "data.cache=memory", "train.steps=6").stderr
        self.assertRegex(said, r"order +R = 2 sections dealt anew each epoch")
        said = self.train("fits", "train.steps=4", np=2).stderr
        self.assertRegex(said, r"order +global: all images, all shuffled together \(all images \(.*\) fit into the memory of every node\)")
        said = self.train("own", "data.order=sections", "train.steps=4", np=2).stderr
        self.assertRegex(said, r"order +R = 2 fixed sections, each shuffled in windows of \d+ chunks \(the sections of a node \(.*\) fit into half of the free memory of every node\)")
        refused = self.train("chosen", "data.order=global", "train.steps=8", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("data.order: sections in the run, global now", refused.stderr)

    def test_few_chunks_in_a_batch_are_warned_of(self):
        few = ("data.cache=stream", "data.order=sections", "train.steps=1", "distributed.replicas=2")
        said = self.train("few", *few, "data.shuffle_window_chunks=2").stderr
        self.assertIn("every batch of 16 images draws from 4 chunks of the file (2 sections in windows)", said)
        self.assertNotIn("every batch of", self.train("enough", *few, "data.shuffle_window_chunks=8").stderr)


class Hosts(RunFolder):
    """Simulated hosts, and 1,600 incompressible pictures of 12 KB in chunks of 8."""

    COUNT, CHUNK = 1600, 8
    IMAGE_BYTES = 64 * 64 * 3
    FILE_BYTES = COUNT * IMAGE_BYTES
    TINY = (*SMALL, "model.hidden_dims=[2]", "model.latent_dim=2", "train.global_batch=32", "data.train.file=large.h5", "checkpoint.every_steps=0", "data.reader_threads=1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with h5py.File(cls.folder / "large.h5", "w") as file:
            images = numpy.random.default_rng(1).integers(0, 256, (cls.COUNT, 64, 64, 3), dtype=numpy.uint8)
            file.create_dataset("imgs", data=images, chunks=(cls.CHUNK, 64, 64, 3))
        cls.write_config("run.yaml", "run: {name: run}\ndata: {train: {file: large.h5}}\n")

    def wrapped(self, before=""):
        """A program that runs vae_dist and then writes what the rank has read, by the system's count."""
        program = self.folder / "wrapped"
        program.write_text(f'''#!/bin/sh
{before}
"{os.environ["VAE_DIST_BINARY"]}" "$@"
code=$?
while read name value; do [ "$name" != rchar: ] || echo "$value" > "$VAE_DIST_READ_BY.$(hostname).$OMPI_COMM_WORLD_RANK"; done < /proc/$$/io
exit $code
''')
        program.chmod(0o755)
        return str(program)

    def read_of_hosts(self, network, ranks, name, program, *overrides):
        """Trains, and returns the bytes that the ranks of each host have read: by the system's count, which has the messages of other ranks in it,
        and by the program's, of the dataset alone."""
        into = self.folder / f"read_{name}"
        process = self.start("train", "--config", "run.yaml", f"run.name={name}", *self.TINY, *overrides, np=ranks, program=program,
                             launcher=lambda np, command: network.mpirun(np, ["-x", "VAE_DIST_READ_BY", *command]), env={"VAE_DIST_READ_BY": str(into)})
        said, _ = process.communicate()
        self.assertEqual(process.returncode, 0, said)
        of_system, of_program = {}, {}
        for file in self.folder.glob(into.name + ".*"):
            host = file.name.split(".")[-2]
            of_system[host] = of_system.get(host, 0) + int(file.read_text())
        last = [record["ranks"] for record in self.log(name) if "ranks" in record][-1]
        for rank in last:
            of_program[rank["host"]] = of_program.get(rank["host"], 0) + rank["read_bytes"]
        self.assertEqual((len(of_system), len(of_program)), (len(ranks), len(ranks)))
        return of_system, of_program, said

    def test_each_reads_its_part_of_the_file_and_no_more(self):
        program = self.wrapped()
        steps = self.COUNT // 32
        kinds = {"memory_global": ("data.order=global", "data.cache=memory"),
                 "stream_epoch": ("data.order=sections", "data.sections=epoch", "data.cache=stream", "data.shuffle_window_chunks=4"),
                 "memory_fixed": ("data.order=sections", "data.sections=fixed", "data.cache=memory", "data.shuffle_window_chunks=4")}
        for hosts, ranks in ((2, [2, 2]), (4, [1, 1, 1, 1])):
            share = 1 / hosts
            with Network(hosts) as network:
                an_epoch, first = {}, {}
                for kind, how in kinds.items():
                    short = self.read_of_hosts(network, ranks, f"short_{kind}_{hosts}", program, *how, f"train.steps={steps}")
                    long = self.read_of_hosts(network, ranks, f"long_{kind}_{hosts}", program, *how, f"train.steps={3 * steps}")
                    an_epoch[kind] = [{host: (after[host] - before[host]) / 2 / self.FILE_BYTES for host in after} for before, after in zip(short[:2], long[:2])]
                    first[kind] = {host: read / self.FILE_BYTES for host, read in short[1].items()}
                    if kind == "memory_fixed":
                        self.assertRegex(short[2], r"decoded once into the memory of the rank that trains with it: \S+ \S+ a node")
                for host in sorted(an_epoch["memory_global"][0]):
                    messages = an_epoch["memory_global"][0][host]
                    stream, fixed = ([of_system[host] - messages, of_program[host]] for of_system, of_program in (an_epoch["stream_epoch"], an_epoch["memory_fixed"]))
                    print(f"{hosts} hosts, {host}, parts of the file: an epoch streamed {stream[0]:.3f} by the system, {stream[1]:.3f} by the program; "
                          f"from memory {fixed[0]:.3f}, {fixed[1]:.3f}, and {first['memory_fixed'][host]:.3f} once")
                    for read in stream:
                        self.assertLess(read, 1.1 * share)
                        self.assertGreater(read, 0.8 * share)
                    self.assertLess(abs(fixed[0]), 0.02)
                    self.assertEqual(fixed[1], 0)
                    # With the first looks: 64 images of each rank, and the first 2,000 on rank 0, here all.
                    looks = ranks[0] * 64 * self.CHUNK / self.COUNT + (host == "host1")
                    self.assertLess(first["memory_fixed"][host], 1.1 * share + looks)
                for of in range(2):
                    total = sum(an_epoch["stream_epoch"][of].values()) - (sum(an_epoch["memory_global"][0].values()) if of == 0 else 0)
                    self.assertLess(total, 1.1)

    def test_a_dataset_larger_than_a_host_trains_from_the_memory_of_two(self):
        groups = [CGROUPS / f"vae_dist_sections_{os.getpid()}_{number}" for number in (1, 2)]
        limit_bytes = 2000 << 20
        try:
            for group in groups:
                group.mkdir()
                self.addCleanup(group.rmdir)
            limits = [next(file for file in (group / "memory.limit_in_bytes", group / "memory.max") if file.exists()) for group in groups]
        except (OSError, StopIteration):
            self.skipTest("not run: this user may not create cgroups with a memory limit")
        for limit in limits:
            limit.write_text(str(limit_bytes))
        with h5py.File(self.folder / "huge.h5", "w") as file:
            rows = int(1.2 * limit_bytes / self.IMAGE_BYTES) // 64 * 64
            images = file.create_dataset("imgs", (rows, 64, 64, 3), "u1", chunks=(64, 64, 64, 3), compression=1)
            stored = zlib.compress(numpy.random.default_rng(1).integers(0, 4, (64, 64, 64, 3), dtype=numpy.uint8).tobytes(), 1)
            for first in range(0, rows, 64):
                images.id.write_direct_chunk((first, 0, 0, 0), stored)
            images.attrs["scale"] = 1 / 3
        # A network namespace has its own /sys, without the control groups.
        mounts = ("mount -t tmpfs none /sys/fs/cgroup; mkdir /sys/fs/cgroup/memory; mount -t cgroup -o memory none /sys/fs/cgroup/memory" if CGROUPS.name == "memory"
                  else "mount -t cgroup2 none /sys/fs/cgroup")
        program = self.wrapped(f'''{mounts}
case $(hostname) in host1) group={groups[0]} ;; *) group={groups[1]} ;; esac
echo $$ > "$group/cgroup.procs"''')
        with Network(2) as network:
            how = ("data.train.file=huge.h5", "data.cache=memory", "train.steps=20")
            _, _, said = self.read_of_hosts(network, [1, 1], "huge", program, *how)
            self.assertRegex(said, r"order +R = 2 fixed sections")
            self.assertRegex(said, r"decoded once into the memory of the rank that trains with it")
            process = self.start("train", "--config", "run.yaml", "run.name=whole", *self.TINY, *how, "data.order=global", np=[1, 1], program=program,
                                 launcher=network.mpirun, env={"VAE_DIST_READ_BY": str(self.folder / "whole")})
            said, _ = process.communicate()
            self.assertEqual(process.returncode, 2, said)
            self.assertIn("data.cache is memory, but the decoded images take", said)


if __name__ == "__main__":
    unittest.main()
