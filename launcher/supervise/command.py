"""The mpirun command line of a start. Pure: a list of words, never a shell's text."""
import dataclasses
import pathlib

from supervise.open_mpi import OpenMpi

BOUND_RANK = pathlib.Path(__file__).resolve().parent / "bound_rank.py"

# Ranks on other hosts see these only if mpirun is told so.
PASSED_ON = ("NCCL_", "OMP_", "CUDA_", "VAE_DIST_", "LD_LIBRARY_PATH")

# mpirun notices a host that is cut off within 10 + 3 * 5 s, not within minutes.
RUNTIME_SETTINGS = {"keepalive_time": 10, "keepalive_intvl": 5, "keepalive_probes": 3}


@dataclasses.dataclass(frozen=True)
class Machine:
    """What of this machine the command depends on."""
    is_root: bool
    cores: int
    environment: dict
    open_mpi: OpenMpi


def mpirun(placed, machine, *words, crowded=False):
    """mpirun on these hosts, [(Host, ranks)], with options that every start has. `crowded`: there may be more ranks than cores."""
    np = sum(ranks for _, ranks in placed)
    command = ["mpirun"]
    if machine.is_root:
        command.append("--allow-run-as-root")
    command += ["-np", str(np), "--host", ",".join(f"{host.name}:{ranks}" for host, ranks in placed), *machine.open_mpi.mapping(crowded)]
    # bound_rank.py binds, by GPU; Open MPI knows nothing of them and would give a rank one core.
    return [*command, "--bind-to", "none", *words]


def training(placed, machine, job, restart, program, arguments):
    """The command of a start. `job` and `restart` are the run's lock's (src/run/run_lock.hpp)."""
    words = []
    for setting, value in RUNTIME_SETTINGS.items():
        option, name, by_user = machine.open_mpi.runtime_setting(setting)
        if not any(variable in machine.environment for variable in by_user):
            words += [option, name, str(value)]
    words += ["-x", f"VAE_DIST_JOB_ID={job}", "-x", f"VAE_DIST_JOB_RESTART={restart}"]
    for name in sorted(machine.environment):
        if name.startswith(PASSED_ON) and name not in ("VAE_DIST_JOB_ID", "VAE_DIST_JOB_RESTART"):
            words += ["-x", name]
    # Waiting ranks give way to those that compute.
    crowded = max(ranks for _, ranks in placed) > machine.cores
    return mpirun(placed, machine, *words, str(BOUND_RANK), program, *arguments, crowded=crowded)


def probe(host, machine):
    """Whether mpirun can start anything on a host."""
    return mpirun([(host, 1)], machine, "true")
