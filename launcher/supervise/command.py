"""Builds the mpirun command line of a start. Pure functions that return a list of words, so no shell quoting is involved."""
import dataclasses
import math
import pathlib

from supervise.open_mpi import OpenMpi

BOUND_RANK = pathlib.Path(__file__).resolve().parent / "bound_rank.py"

# mpirun passes these environment variables to other hosts only on request (-x).
PASSED_ON = ("NCCL_", "OMP_", "CUDA_", "VAE_DIST_", "LD_LIBRARY_PATH")

# With these settings mpirun detects a disconnected host within 10 + 3 * 5 s instead of minutes.
RUNTIME_SETTINGS = {"keepalive_time": 10, "keepalive_intvl": 5, "keepalive_probes": 3}


@dataclasses.dataclass(frozen=True)
class Machine:
    """The properties of this machine that the command depends on."""
    is_root: bool
    cores: int
    environment: dict
    open_mpi: OpenMpi


def mpirun(placed, machine, *words, crowded=False):
    """The mpirun command for these hosts, [(Host, ranks)], with the options of every start. `crowded`: a host has more ranks than cores."""
    np = sum(ranks for _, ranks in placed)
    command = ["mpirun"]
    if machine.is_root:
        command.append("--allow-run-as-root")
    command += ["-np", str(np), "--host", ",".join(f"{host.name}:{ranks}" for host, ranks in placed), *machine.open_mpi.mapping(crowded)]
    # bound_rank.py binds ranks by GPU. Open MPI does not know the GPUs and would bind each rank to one core.
    return [*command, "--bind-to", "none", *words]


def training(placed, machine, job, restart, program, arguments):
    """The command that starts a training. `job` and `restart` identify the start in the run's lock (src/run/run_lock.hpp)."""
    words = []
    for setting, value in RUNTIME_SETTINGS.items():
        option, name, by_user = machine.open_mpi.runtime_setting(setting)
        if not any(variable in machine.environment for variable in by_user):
            words += [option, name, str(value)]
    words += ["-x", f"VAE_DIST_JOB_ID={job}", "-x", f"VAE_DIST_JOB_RESTART={restart}"]
    for name in sorted(machine.environment):
        if name.startswith(PASSED_ON) and name not in ("VAE_DIST_JOB_ID", "VAE_DIST_JOB_RESTART"):
            words += ["-x", name]
    # With more ranks than cores, waiting ranks must yield to computing ones.
    crowded = max(ranks for _, ranks in placed) > machine.cores
    return mpirun(placed, machine, *words, str(BOUND_RANK), program, *arguments, crowded=crowded)


# Without a checkpoint to go by.
USUAL_KILL_DELAY_S = 5


def kill_delay_s(checkpoint_seconds):
    """The delay with which the ranks that are left after a loss can save the last step: to agree, then to write as long as the last checkpoint took, with a margin. They leave as
    soon as they have, which ends the delay. src/run/saving_time.cpp computes the same."""
    if checkpoint_seconds is None:
        return USUAL_KILL_DELAY_S
    return max(1, math.ceil((0.7 + 2 * checkpoint_seconds) / 2))


def environment(machine, checkpoint_seconds):
    """The environment of mpirun. What the user has set stays."""
    ours, known = machine.open_mpi.kill_delay()
    if any(name in machine.environment for name in known):
        return machine.environment
    return {**machine.environment, ours: str(kill_delay_s(checkpoint_seconds))}


def probe(host, machine):
    """The command that tests whether mpirun can start a process on a host."""
    return mpirun([(host, 1)], machine, "true")
