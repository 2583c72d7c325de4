#!/usr/bin/env python3
"""The wrapper that mpirun or srun starts instead of the program. It binds the rank to the cores of its GPU's NUMA node, from which the kernel then also
allocates memory, and replaces itself with the program. It runs on each host, so hosts may differ."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
# pylint: disable=wrong-import-position
from supervise import binding, gpus  # noqa: E402


def bind():
    rank, size = binding.place_on_node(os.environ)
    # By default CUDA orders GPUs by speed, but nvidia-smi orders them by bus.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    places = binding.places_of_ranks(size, [gpus.cores_beside(gpu) for gpu in gpus.gpu_bus_ids()], gpus.numa_nodes())
    allowed = os.sched_getaffinity(0)
    divided = not binding.started_by_srun(os.environ)
    cores = binding.cores_of_rank(allowed, places, rank) if divided else binding.undivided_cores(allowed, places[rank])
    os.sched_setaffinity(0, cores)
    beside = len(cores) if len(cores) < len(allowed) else max(1, len(cores) // size)
    os.environ.setdefault("OMP_NUM_THREADS", str(beside))


def main():
    try:
        bind()
    except (KeyError, IndexError, ValueError):
        pass  # a launcher that does not tell a rank its place: the rank runs where it is
    os.execvp(sys.argv[1], sys.argv[1:])


main()
