"""Runs a fuzz target on seeds made here: fuzz.py TARGET SECONDS [SEED_MAKER]

A crash, a leak, an out-of-bounds read, or an input that takes over 20 s or 2 GB of memory stops it with an error, and the input is saved in the
working directory. Prints the number of inputs tried.
"""
import gzip
import io
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

import numpy

BYTES = numpy.arange(30, dtype=numpy.uint8).reshape(5, 3, 2)


def idx(array):
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def idx_seeds():
    yield from (idx(BYTES), idx(BYTES[:, 0, 0]), gzip.compress(idx(BYTES), mtime=0), gzip.compress(idx(BYTES[:, 0, 0]), mtime=0))


def npz_seeds():
    kinds = [BYTES, BYTES.astype("<f4"), BYTES.astype(">f2"), BYTES.astype(">i8"), BYTES > 9, numpy.asfortranarray(BYTES.astype("<u2"))]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for i, array in enumerate(kinds):
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w", method) as file:
                for name, member in (("x.npy", array), ("y.npy", BYTES[:, 0, 0]))[:1 + i % 2]:
                    content = io.BytesIO()
                    numpy.lib.format.write_array(content, member)
                    with file.open(name, "w", force_zip64=i % 2 == 0) as stream:
                        stream.write(content.getvalue())
            yield out.getvalue()


def npy_header_seeds():
    for array in (BYTES, BYTES.astype(">f8"), numpy.asfortranarray(BYTES), numpy.zeros((), "?"), numpy.zeros(3, "O"), numpy.zeros(2, [("a", "i4")])):
        yield repr(numpy.lib.format.header_data_from_array_1_0(array)).encode()


def chunk_seeds():
    # Number of filters, a byte for each (kind + 4 * (element size - 1)), mask, size, and the chunk: deflated; shuffled (4-byte elements) and
    # deflated; raw, with the filter masked out.
    content = BYTES.tobytes() + b"\0\0"
    shuffled = numpy.frombuffer(content, numpy.uint8).reshape(-1, 4).T.tobytes()
    size = struct.pack(">H", len(content))
    yield bytes([1, 0, 0]) + size + zlib.compress(content)
    yield bytes([2, 1 + 4 * 3, 0, 0]) + size + zlib.compress(shuffled)
    yield bytes([1, 0, 1]) + size + content


SEEDS = {"chunk_filters_fuzz": chunk_seeds, "idx_fuzz": idx_seeds, "npz_fuzz": npz_seeds, "npy_header_fuzz": npy_header_seeds}


def main(target, seconds, *seed_maker):
    name = pathlib.Path(target).name
    with tempfile.TemporaryDirectory(prefix="vae_dist_fuzz_") as folder:
        for i, seed in enumerate(SEEDS[name]() if name in SEEDS else []):
            (pathlib.Path(folder) / f"seed{i}").write_bytes(seed)
        for maker in seed_maker:
            subprocess.run([maker, folder], check=True)
        done = subprocess.run([target, f"-max_total_time={seconds}", "-timeout=200", "-rss_limit_mb=2048", "-max_len=4096", "-seed=1",
                               "-print_final_stats=1", "-verbosity=0", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    tried = re.search(r"number_of_executed_units: (\d+)", done.stdout)
    if done.returncode != 0 or not tried:
        print(done.stdout)
        return done.returncode or 1
    print(f"{name}: {tried[1]} inputs tried in {seconds} s without a failure")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
