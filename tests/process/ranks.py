"""Ranks as processes: which they are, whether they live."""
import pathlib


def _stat(pid):
    """The fields of /proc/<pid>/stat after the command's name, of which the first is the state and the second the parent."""
    try:
        return (pathlib.Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_alive(pid):
    """Whether the process is there and more than a zombie."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def ranks_below(mpirun_pid):
    """The process ids of the ranks that this mpirun started, by rank."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit() or _stat(folder.name)[1:2] != [str(mpirun_pid)]:
            continue
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                found[int(variable.partition(b"=")[2])] = int(folder.name)
    return found
