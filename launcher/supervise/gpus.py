"""Finds the GPUs that this process may use, and the cores local to each."""
import os
import pathlib
import subprocess

SYSTEM = pathlib.Path("/sys")


def parse_cores(text):
    """Parses the kernel's "0-3,8" to [0, 1, 2, 3, 8]."""
    cores = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            cores += range(int(first), int(last or first) + 1)
    return cores


def visible(listed, chosen):
    """Selects from (uuid, bus id) pairs in the driver's order those that CUDA_VISIBLE_DEVICES names, in its order; None selects all. Like CUDA, stops
    at the first invalid name."""
    if chosen is None:
        return listed
    out = []
    for name in filter(None, (part.strip() for part in chosen.split(","))):
        found = [listed[int(name)]] if name.isdigit() and int(name) < len(listed) else [gpu for gpu in listed if gpu[0].startswith(name)]
        if len(found) != 1:
            break
        out += found
    return out


def gpu_bus_ids():
    """PCI bus ids ("0000:1b:00.0") of this machine's GPUs, restricted by CUDA_VISIBLE_DEVICES. [] without GPUs or a driver, and if
    VAE_DIST_DEVICE=cpu makes the program ignore GPUs."""
    if os.environ.get("VAE_DIST_DEVICE") == "cpu":
        return []
    try:
        answer = subprocess.run(["nvidia-smi", "--query-gpu=uuid,pci.bus_id", "--format=csv,noheader"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    listed = [tuple(part.strip() for part in line.split(",")) for line in answer.stdout.splitlines() if line.startswith("GPU-")]
    # The driver writes PCI domains with eight digits, the kernel with four.
    return [bus_id.lower()[-12:] for _, bus_id in visible(listed, os.environ.get("CUDA_VISIBLE_DEVICES"))]


def cores_beside(bus_id):
    """The cores of the NUMA node that a PCI device is attached to, or [] if the system does not report them."""
    try:
        return parse_cores((SYSTEM / "bus/pci/devices" / bus_id / "local_cpulist").read_text())
    except (OSError, ValueError):
        return []


def numa_nodes():
    """The cores of each NUMA node."""
    nodes = []
    for file in sorted((SYSTEM / "devices/system/node").glob("node[0-9]*/cpulist"), key=lambda file: int(file.parent.name.removeprefix("node"))):
        cores = parse_cores(file.read_text())
        if cores:
            nodes.append(cores)
    return nodes
