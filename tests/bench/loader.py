"""Compares the loader's images per second with h5py under a PyTorch DataLoader, one H5Dread, libdeflate alone and memcpy, in one run:
  python tests/bench/loader.py build/vae_dist build/tests/bench/bench_loader
20,000 pictures of 64x64x3 bytes, gzip 4 with shuffle, 64 per chunk; the page cache is warm unless a line says cold."""
import os
import subprocess
import sys
import tempfile
import time

import h5py
import torch

program, bench = sys.argv[1:3]


class Rows(torch.utils.data.Dataset):
    """The usual way: each worker opens the file and reads one row at a time."""

    def __init__(self, file, count):
        self.file, self.count, self.data = file, count, None

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.data is None:
            self.data = h5py.File(self.file)["imgs"]
        return torch.from_numpy(self.data[index])


def rows_a_second(file, workers, batches=30):
    with h5py.File(file) as f:
        count = len(f["imgs"])
    loader = torch.utils.data.DataLoader(Rows(file, count), batch_size=64, shuffle=True, num_workers=workers)
    batch = iter(loader)
    next(batch)  # waits until workers have started
    started = time.monotonic()
    for _ in range(batches):
        next(batch)
    return 64 * batches / (time.monotonic() - started)


with tempfile.TemporaryDirectory() as folder:
    made, chunked, contiguous = (os.path.join(folder, name) for name in ("made.h5", "chunked.h5", "contiguous.h5"))
    subprocess.run([program, "data", "make-shapes", made, "--count", "20000", "--size", "64", "--channels", "3"], check=True, capture_output=True)
    with h5py.File(made) as f:
        images = f["imgs"][...]
    with h5py.File(chunked, "w") as f:
        f.create_dataset("imgs", data=images, chunks=(64, 64, 64, 3), compression=4, shuffle=True)
    with h5py.File(contiguous, "w") as f:
        f.create_dataset("imgs", data=images)
    print(f"{os.path.getsize(chunked) / images.nbytes:.3f} of the bytes are stored; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    rates = {}
    for workers in (0, 2):
        rates[f"h5py_rows_{workers}_workers"] = rows_a_second(chunked, workers)
    said = subprocess.run([bench, chunked, contiguous], check=True, capture_output=True, text=True).stdout
    rates |= {line.split()[0]: float(line.split()[1]) for line in said.splitlines()}
    for workers in (0, 2):
        name = f"h5py_rows_{workers}_workers"
        rates[name] = max(rates[name], rows_a_second(chunked, workers))

for name, rate in sorted(rates.items()):
    print(f"{name:32} {rate:12,.0f} images/s")
best_h5py = max(rates["h5py_rows_0_workers"], rates["h5py_rows_2_workers"])
for name, ratio in [("stream, 1 thread / best h5py", rates["stream_1_thread"] / best_h5py), ("stream, 1 thread / H5Dread", rates["stream_1_thread"] / rates["h5dread_whole"]),
                    ("stream, 1 thread / libdeflate and copy", rates["stream_1_thread"] / rates["libdeflate_and_copy"]),
                    ("decode rows / libdeflate and copy", rates["decode_rows_1_thread"] / rates["libdeflate_and_copy"]),
                    ("to new memory, 1 thread / H5Dread", rates["decode_to_memory_1_thread"] / rates["h5dread_whole_into_new_memory"]),
                    ("contiguous rows / memcpy", rates["contiguous_rows_1_thread"] / rates["memcpy_whole"])]:
    print(f"{name:40} {ratio:8.2f}")
