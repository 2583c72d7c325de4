"""Finds the processes of ranks, checks whether they are alive, and signals them."""
import contextlib
import os
import pathlib
import signal


def _stat(pid):
    """The fields of /proc/<pid>/stat after the command's name. The first is the state, the second the parent."""
    try:
        return (pathlib.Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_alive(pid):
    """Whether the process exists and is not a zombie."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def signal_all(pids, number=signal.SIGKILL):
    """Signals those of the processes that have not ended meanwhile."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def ranks_of(binary, marker):
    """The process ids, by rank, of all processes that run `binary` (or vae_dist_cuda, which it becomes on a GPU machine) with `marker` ("NAME=value") in their environment."""
    # Names, because `binary` may be a script that starts the program of its name from another folder (tests/gpu/start.sh).
    programs = (pathlib.Path(binary).name, "vae_dist_cuda")
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            if marker.encode() not in variables or (folder / "exe").resolve().name not in programs:
                continue
        except OSError:
            continue
        for variable in variables:
            if variable.startswith((b"OMPI_COMM_WORLD_RANK=", b"PMIX_RANK=")):  # mpirun, srun
                found[int(variable.partition(b"=")[2])] = int(folder.name)
    return found
