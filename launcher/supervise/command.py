"""The mpirun command line of a start. Pure: a list of words, never a shell's text."""
import dataclasses
import pathlib

BOUND_RANK = pathlib.Path(__file__).resolve().parent / "bound_rank.py"

# Ranks on other hosts see these only if mpirun is told so.
PASSED_ON = ("NCCL_", "OMP_", "CUDA_", "VAE_DIST_", "LD_LIBRARY_PATH")

# mpirun notices a host that is cut off within 10 + 3 * 5 s, not within minutes.
MPI_SETTINGS = {"oob_tcp_keepalive_time": 10, "oob_tcp_keepalive_intvl": 5, "oob_tcp_keepalive_probes": 3}


@dataclasses.dataclass(frozen=True)
class Machine:
    """What of this machine the command depends on."""
    is_root: bool
    cores: int
    environment: dict


def mpirun(placed, machine, *words):
    """mpirun on these hosts, [(Host, ranks)], with options that every start has."""
    np = sum(ranks for _, ranks in placed)
    command = ["mpirun"]
    if machine.is_root:
        command.append("--allow-run-as-root")
    command += ["-np", str(np), "--host", ",".join(f"{host.name}:{ranks}" for host, ranks in placed), "--map-by", "slot"]
    # bound_rank.py binds, by GPU; Open MPI knows nothing of them and would give a rank one core.
    return [*command, "--bind-to", "none", *words]


def training(placed, machine, job, restart, program, arguments):
    """The command of a start. `job` and `restart` are the run's lock's (src/train/run/run_lock.hpp)."""
    words = []
    # Waiting ranks give way to those that compute.
    if max(ranks for _, ranks in placed) > machine.cores:
        words.append("--oversubscribe")
    for name, value in MPI_SETTINGS.items():
        if f"OMPI_MCA_{name}" not in machine.environment:
            words += ["--mca", name, str(value)]
    words += ["-x", f"VAE_DIST_JOB_ID={job}", "-x", f"VAE_DIST_JOB_RESTART={restart}"]
    for name in sorted(machine.environment):
        if name.startswith(PASSED_ON) and name not in ("VAE_DIST_JOB_ID", "VAE_DIST_JOB_RESTART"):
            words += ["-x", name]
    return mpirun(placed, machine, *words, str(BOUND_RANK), program, *arguments)


def probe(host, machine):
    """Whether mpirun can start anything on a host."""
    return mpirun([(host, 1)], machine, "true")
