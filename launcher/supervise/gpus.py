"""The GPUs that this process may use, and the cores beside each."""
import os
import pathlib
import subprocess

SYSTEM = pathlib.Path("/sys")


def parse_cores(text):
    """The kernel's "0-3,8" as [0, 1, 2, 3, 8]."""
    cores = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            cores += range(int(first), int(last or first) + 1)
    return cores


def visible(listed, chosen):
    """Of (uuid, bus id) pairs in the driver's order those that CUDA_VISIBLE_DEVICES names, in its order; None: all. As CUDA does, what is behind a
    name that is none is not seen."""
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
    """PCI bus ids ("0000:1b:00.0") of the GPUs that are there and that CUDA_VISIBLE_DEVICES leaves; [] where there are none, or no driver, and where
    VAE_DIST_DEVICE=cpu keeps the program from them."""
    if os.environ.get("VAE_DIST_DEVICE") == "cpu":
        return []
    try:
        answer = subprocess.run(["nvidia-smi", "--query-gpu=uuid,pci.bus_id", "--format=csv,noheader"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    listed = [tuple(part.strip() for part in line.split(",")) for line in answer.stdout.splitlines() if line.startswith("GPU-")]
    # The driver's domains have eight digits, the kernel's four.
    return [bus_id.lower()[-12:] for _, bus_id in visible(listed, os.environ.get("CUDA_VISIBLE_DEVICES"))]


def cores_beside(bus_id):
    """The cores of the NUMA node that a PCI device is attached to; [] where the system does not say."""
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
