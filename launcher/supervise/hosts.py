"""The machines of a job: which, how many ranks each takes, which of them answer."""
import dataclasses
import os
import re
import subprocess


class Wrong(Exception):
    """What was asked for cannot be done: told to the user, exit code 2."""


@dataclasses.dataclass(frozen=True)
class Host:
    name: str
    slots: int | None = None  # ranks that it takes; None: as many as this machine


LOCAL = Host("localhost")


def parse_hosts(text):
    """"a:4,b:4" or "a,b": the form that mpirun's --host has."""
    hosts = []
    for part in text.split(","):
        name, colon, slots = part.strip().rpartition(":") if re.search(r":\d+$", part.strip()) else (part.strip(), "", "")
        if not re.fullmatch(r"[\w.%-]+", name) or (colon and int(slots) < 1):
            raise Wrong(f"--hosts {text}: '{part}' is no host, or host:ranks")
        if name in [host.name for host in hosts]:
            raise Wrong(f"--hosts {text}: {name} is there twice")
        hosts.append(Host(name, int(slots) if slots else None))
    return hosts


def repeated_counts(text):
    """Slurm's "4(x2),1" as [4, 4, 1]."""
    counts = []
    for part in text.split(","):
        number, times = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part).groups()
        counts += [int(number)] * int(times or 1)
    return counts


def slurm_hosts():
    """The hosts of the Slurm job in which this runs; [] outside of one."""
    nodes, tasks = os.environ.get("SLURM_JOB_NODELIST"), os.environ.get("SLURM_TASKS_PER_NODE")
    if not nodes or not tasks:
        return []
    names = subprocess.run(["scontrol", "show", "hostnames", nodes], check=True, capture_output=True, text=True, timeout=60).stdout.split()
    return [Host(name, slots) for name, slots in zip(names, repeated_counts(tasks))]


def place_ranks(hosts, np):
    """The ranks of each host, (host, ranks): hosts are filled in order, and each has its slots. Those without a rank are left out."""
    placed = []
    for host in hosts:
        ranks = min(host.slots, np - sum(count for _, count in placed))
        if ranks > 0:
            placed.append((host, ranks))
    return placed


def host_of_ranks(placed):
    """The host's name of each rank, as mpirun numbers them: host after host."""
    return [host.name for host, ranks in placed for _ in range(ranks)]


def those_that_answer(hosts, command_on, patience_s=30):
    """Starts `command_on(host)` on all hosts at once. Those where it ends well in time."""
    started = [(host, subprocess.Popen(command_on(host), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       start_new_session=True)) for host in hosts]
    answering = []
    for host, process in started:
        try:
            if process.wait(timeout=patience_s) == 0:
                answering.append(host)
        except subprocess.TimeoutExpired:
            patience_s = 1  # the others have had their time meanwhile
            process.kill()
            process.wait()
    return answering
