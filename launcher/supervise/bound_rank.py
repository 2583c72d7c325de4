#!/usr/bin/env python3
"""What mpirun starts on each host in the place of the program: binds the rank to the cores of its GPU's NUMA node, where the kernel then also
takes its memory from, and becomes the program. Done on the host itself, so hosts need not be alike."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
# pylint: disable=wrong-import-position
from supervise import binding, gpus  # noqa: E402


def main():
    rank, size = int(os.environ["OMPI_COMM_WORLD_LOCAL_RANK"]), int(os.environ["OMPI_COMM_WORLD_LOCAL_SIZE"])
    # CUDA numbers GPUs by speed unless told otherwise; nvidia-smi by bus.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    places = binding.places_of_ranks(size, [gpus.cores_beside(gpu) for gpu in gpus.gpu_bus_ids()], gpus.numa_nodes())
    allowed = os.sched_getaffinity(0)
    cores = binding.cores_of_rank(allowed, places, rank)
    os.sched_setaffinity(0, cores)
    beside = len(cores) if len(cores) < len(allowed) else max(1, len(cores) // size)
    os.environ.setdefault("OMP_NUM_THREADS", str(beside))
    os.execvp(sys.argv[1], sys.argv[1:])


main()
