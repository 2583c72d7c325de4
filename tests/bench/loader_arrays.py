"""Compares the loader with libdeflate and memcpy alone, and with h5py under a PyTorch DataLoader, on volumes and long vectors of float32 in gzip:
  python tests/bench/loader_arrays.py build/tests/bench/bench_loader
Volumes [N, 4, 64, 64, 64] are smooth fields with noise in their last digits, vectors [N, 40500] are showers of which a tenth is above zero. Each kind is
written in chunks of whole samples, with and without a byte shuffle; vectors also in the chunks that h5py chooses by itself. MB/s of decoded values; the page
cache is warm. Everything is pinned to the same cores, one or two."""
import os
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
import torch

bench = sys.argv[1]
MB = 1e6


class Rows(torch.utils.data.Dataset):
    """The usual way: each worker opens the file and reads one row at a time."""

    def __init__(self, file):
        self.file, self.data = file, None
        with h5py.File(file) as f:
            self.count = len(f["x"])

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.data is None:
            self.data = h5py.File(self.file)["x"]
        return torch.from_numpy(self.data[index])


def h5py_rate(file, workers, seconds=6):
    """MB/s of shuffled batches of 8 samples, whatever comes in `seconds`."""
    rows = Rows(file)
    loader = torch.utils.data.DataLoader(rows, batch_size=8, shuffle=True, num_workers=workers)
    values = done = 0
    started = time.monotonic()
    while done == 0 or time.monotonic() - started < seconds:
        for batch in loader:
            if done == 0:  # waits until workers have started
                started = time.monotonic()
            else:
                values += batch.numel()
            done += 1
            if time.monotonic() - started > seconds and values:
                break
    return 4 * values / MB / (time.monotonic() - started)


def volumes(count):
    random = np.random.default_rng(1)
    axis = np.linspace(0, 2 * np.pi, 64)
    for _ in range(count):
        out = np.zeros((4, 64, 64, 64))
        for channel in out:
            for k in random.integers(1, 5, (6, 3)):
                phase = random.uniform(0, 2 * np.pi, 3)
                channel += np.multiply.outer(np.multiply.outer(np.sin(k[0] * axis + phase[0]), np.sin(k[1] * axis + phase[1])), np.sin(k[2] * axis + phase[2]))
        yield out + 0.01 * random.standard_normal(out.shape)


def vectors(count):
    random = np.random.default_rng(2)
    for _ in range(count):
        yield random.lognormal(0, 2, 40500) * (random.random(40500) < 0.1)


def write(path, samples, count, shape, **how):
    with h5py.File(path, "w") as f:
        dataset = f.create_dataset("x", (count, *shape), "<f4", compression="gzip", **how)
        block = max(1, dataset.chunks[0])
        made = list(samples(count))
        for first in range(0, count, block):
            dataset[first:first + block] = made[first:first + block]


KINDS = {
    "volumes, a sample a chunk": (volumes, 64, (4, 64, 64, 64), {"chunks": (1, 4, 64, 64, 64)}),
    "volumes, a channel a chunk": (volumes, 64, (4, 64, 64, 64), {"chunks": (1, 1, 64, 64, 64)}),
    "volumes, a sample a chunk, shuffle": (volumes, 64, (4, 64, 64, 64), {"chunks": (1, 4, 64, 64, 64), "shuffle": True}),
    "vectors, 16 a chunk": (vectors, 2048, (40500,), {"chunks": (16, 40500)}),
    "vectors, one a chunk": (vectors, 2048, (40500,), {"chunks": (1, 40500)}),
    "vectors, 16 a chunk, shuffle": (vectors, 2048, (40500,), {"chunks": (16, 40500), "shuffle": True}),
    "vectors, chunks by h5py": (vectors, 2048, (40500,), {}),
}

with tempfile.TemporaryDirectory() as folder:
    print(next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "load", round(os.getloadavg()[0], 1))
    for name, (samples, count, shape, how) in KINDS.items():
        file = os.path.join(folder, "x.h5")
        write(file, samples, count, shape, **how)
        print(f"{name}: {os.path.getsize(file) / (4 * count * np.prod(shape)):.3f} of the bytes are stored", flush=True)
        for cores in (1, 2):
            pinned = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[-cores:]))]
            lines = subprocess.run([*pinned, bench, "array", file, str(cores)], check=True, capture_output=True, text=True).stdout.splitlines()
            said = {line.split()[0]: [float(word) for word in line.split()[1:]] for line in lines}
            for what, text in (("", ""), ("_of_cpu", " of processor time")):
                print(f"  {cores} cores{text}: {said['stream' + what][0]:,.0f} MB/s, libdeflate and memcpy {said['alone' + what][0]:,.0f}, ratio "
                      "{:.2f} ({:.2f} to {:.2f})".format(*said["ratio" + what]), flush=True)
        rates = [h5py_rate(file, workers) for workers in (0, 2)]
        print(f"  h5py under DataLoader: {rates[0]:,.0f} MB/s, with 2 workers {rates[1]:,.0f}: {said['stream'][0] / max(rates):.1f} times", flush=True)
        os.unlink(file)
