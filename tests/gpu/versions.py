"""Prints what a machine consists of, as one JSON object: GPU, driver, torch and its libraries, C library, kernel, cores. Imports the torch of the
Python that runs this, so it also shows that this torch works."""
import json
import os
import platform
import shutil
import subprocess
import sys

import torch


def gpus():
    """What nvidia-smi says of each GPU, or nothing without it."""
    if not shutil.which("nvidia-smi"):
        return []
    said = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm,compute_mode,mig.mode.current", "--format=csv,noheader"], text=True, capture_output=True)
    return (said.stdout + said.stderr).splitlines()


if __name__ == "__main__":
    available = torch.cuda.is_available()
    print(json.dumps({
        "gpus": gpus(),
        "torch_sees": torch.cuda.get_device_name(0) if available else "no GPU",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if available else None,
        "nccl": ".".join(map(str, torch.cuda.nccl.version())) if available else None,
        "python": sys.version.split()[0],
        "c_library": os.confstr("CS_GNU_LIBC_VERSION"),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
    }))
