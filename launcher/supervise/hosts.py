"""The hosts of a job: their names, how many ranks each takes, and which of them respond."""
import dataclasses
import os
import re
import subprocess


class Wrong(Exception):
    """The request cannot be fulfilled. The message is shown to the user, and the exit code is 2."""


@dataclasses.dataclass(frozen=True)
class Host:
    name: str
    slots: int | None = None  # maximum number of ranks; None: as many as on this machine


LOCAL = Host("localhost")


def parse_hosts(text):
    """Parses "a:4,b:4" or "a,b", the form of mpirun's --host."""
    hosts = []
    for part in text.split(","):
        name, colon, slots = part.strip().rpartition(":") if re.search(r":\d+$", part.strip()) else (part.strip(), "", "")
        if not re.fullmatch(r"[\w.%-]+", name) or (colon and int(slots) < 1):
            raise Wrong(f"--hosts {text}: '{part}' is neither a host nor host:ranks")
        if name in [host.name for host in hosts]:
            raise Wrong(f"--hosts {text}: {name} is listed twice")
        hosts.append(Host(name, int(slots) if slots else None))
    return hosts


def repeated_counts(text):
    """Parses Slurm's "4(x2),1" to [4, 4, 1]."""
    counts = []
    for part in text.split(","):
        number, times = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part).groups()
        counts += [int(number)] * int(times or 1)
    return counts


def slurm_hosts():
    """The hosts of the Slurm job that this process runs in, or [] outside a job."""
    nodes, tasks = os.environ.get("SLURM_JOB_NODELIST"), os.environ.get("SLURM_TASKS_PER_NODE")
    if not nodes or not tasks:
        return []
    names = subprocess.run(["scontrol", "show", "hostnames", nodes], check=True, capture_output=True, text=True, timeout=60).stdout.split()
    return [Host(name, slots) for name, slots in zip(names, repeated_counts(tasks))]


def place_ranks(hosts, np):
    """Distributes ranks over hosts as (host, ranks), filling the slots of the hosts in order. Hosts without a rank are omitted."""
    placed = []
    for host in hosts:
        ranks = min(host.slots, np - sum(count for _, count in placed))
        if ranks > 0:
            placed.append((host, ranks))
    return placed


def host_of_ranks(placed):
    """The host name of each rank. mpirun numbers ranks host by host."""
    return [host.name for host, ranks in placed for _ in range(ranks)]


def responding_hosts(hosts, command_on, patience_s=30):
    """Starts `command_on(host)` for all hosts at once. Returns the hosts where it succeeds in time."""
    started = [(host, subprocess.Popen(command_on(host), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       start_new_session=True)) for host in hosts]
    answering = []
    for host, process in started:
        try:
            if process.wait(timeout=patience_s) == 0:
                answering.append(host)
        except subprocess.TimeoutExpired:
            patience_s = 1  # the others had the full time too
            process.kill()
            process.wait()
    return answering
