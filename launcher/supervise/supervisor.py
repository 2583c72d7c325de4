"""Starts a run, and restarts it from its last checkpoint until it ends or further restarts are hopeless."""
import dataclasses
import os
import shlex
import socket
import sys
import time

from supervise import command, gpus, hosts, open_mpi, outcome, policy, run_facts, start
from supervise.world_size import largest_world_size

MOST_CPU_RANKS = 8  # default limit on a machine without GPUs


def say(text):
    print(f"vae_launch: {text}", file=sys.stderr, flush=True)


@dataclasses.dataclass
class Options:
    np: int | None   # None: as many as the hosts can take
    hosts: list      # []: this machine, or the hosts of the Slurm job
    max_restarts: int
    first_pause_s: float
    program: str
    arguments: list


def job_and_first_restart():
    """The identity for the run's lock: the Slurm job, whose requeues count as restarts of one job, or this process."""
    slurm = os.environ.get("SLURM_JOB_ID")
    if slurm:
        return f"slurm-{slurm}", int(os.environ.get("SLURM_RESTART_COUNT") or 0) * 1_000_000
    return f"{socket.gethostname()}-{os.getpid()}-{time.time_ns() // 1_000_000}", 0


class Supervisor:
    """Supervises a whole run. run() returns the exit code."""

    def __init__(self, options, requests):
        self.options, self.requests = options, requests
        self.facts = run_facts.ask_program(options.program, options.arguments)
        self.machine = command.Machine(os.geteuid() == 0, len(os.sched_getaffinity(0)), dict(os.environ), open_mpi.installed())
        self.hosts = options.hosts or hosts.slurm_hosts() or [hosts.LOCAL]
        self.present = self.hosts  # the hosts that respond
        self.job, self.first_restart = job_and_first_restart()
        self.policy = policy.Policy(options.max_restarts, options.first_pause_s)
        self.replicas = None  # if the configuration leaves them open: the number of ranks of the first start
        self.starts = []      # (hosts with ranks, Outcome)

    def room(self):
        """The available hosts, with the number of ranks that each can take."""
        count = len(gpus.gpu_bus_ids()) if self.facts.on_gpu else 0
        wanted = self.options.np and -(-self.options.np // len(self.present))
        if not count or self.facts.share_gpu:
            count = wanted or count or min(self.machine.cores, MOST_CPU_RANKS)
        elif wanted and not self.starts:
            count = max(count, wanted)  # with more ranks than GPUs, the program reports the error
        return [host if host.slots else dataclasses.replace(host, slots=count) for host in self.present]

    def world_size(self, room):
        slots = sum(host.slots for host in room)
        if self.options.np:
            if not self.starts:
                if self.options.np > slots:
                    raise hosts.Wrong(f"--np {self.options.np}: {', '.join(f'{host.name}:{host.slots}' for host in room)} have room for {slots} ranks")
                return self.options.np  # if it does not suit the run, the program explains why
            slots = min(slots, self.options.np)
        replicas = run_facts.saved_replicas(self.facts.path) or self.facts.replicas or self.replicas
        np = largest_world_size(slots, replicas=replicas, global_batch=self.facts.global_batch, reproducible=self.facts.reproducible)
        if np == 0:
            raise hosts.Wrong(f"no number of ranks up to {slots} suits the run: train.global_batch {self.facts.global_batch} cannot be divided among them")
        return np

    def overrides(self):
        """Extra arguments that keep the first start's number of replicas while there is no checkpoint."""
        open_replicas = self.starts and self.facts.replicas is None and not run_facts.saved_replicas(self.facts.path)
        return [f"distributed.replicas={self.replicas}"] if open_replicas else []

    def exclude_failed_hosts(self):
        """Excludes hosts that failed twice for good, and hosts that do not respond for this start."""
        self.present = self.hosts
        if len(self.hosts) > 1 and self.starts:
            self.present = hosts.responding_hosts(self.hosts, lambda host: command.probe(host, self.machine))
            for host in self.hosts:
                if host not in self.present:
                    say(f"{host.name} does not respond")
                    self.policy.count_host(host.name)
            if not self.present:
                raise hosts.Wrong("no host responds")
        for host in self.policy.left_out(self.hosts):
            say(f"{host.name} failed twice and is excluded")
            self.hosts.remove(host)
        self.present = [host for host in self.present if host in self.hosts]

    def start_once(self):
        """Starts the ranks and waits for their end. Returns whether a checkpoint was written."""
        self.exclude_failed_hosts()
        room = self.room()
        np = self.world_size(room)
        self.replicas = self.replicas or np
        placed = hosts.place_ranks(room, np)
        restart = self.first_restart + len(self.starts)
        words = command.training(placed, self.machine, self.job, restart, self.options.program, [*self.options.arguments, *self.overrides()])
        say(shlex.join(words))
        before = run_facts.checkpoints(self.facts.path)
        environment = command.environment(self.machine, run_facts.checkpoint_seconds(self.facts.path))
        ended = start.Start(words, environment, self.facts, self.job, restart).watch(self.requests)
        self.starts.append((placed, ended))
        return bool(run_facts.checkpoints(self.facts.path) - before)

    def run(self):
        while True:
            try:
                progress = self.start_once()
            except hosts.Wrong as wrong:
                if not self.starts:
                    raise
                self.tell(wrong)
                return outcome.final_code(self.starts[-1][1].code)
            placed, ended = self.starts[-1]
            names = hosts.host_of_ranks(placed)
            at_fault = {names[rank] for rank in ended.at_fault if rank < len(names)} | {name for name in names if name in ended.lost_hosts}
            reason = self.policy.reason_to_end(ended, sorted(at_fault), progress, bool(self.requests))
            if outcome.final_code(ended.code) not in (outcome.DONE, outcome.BAD_INPUT, outcome.STOPPED):
                # Ranks that died did not remove this file, and Prometheus would keep scraping their ports.
                self.facts.discovery_file.unlink(missing_ok=True)
            if reason:
                self.tell(reason)
                return outcome.final_code(ended.code)
            pause = self.policy.pause_s()
            say(f"{self.describe(len(self.starts))}; starting again in {pause:g} s")
            if self.stopped_in_pause(pause):
                stopped = bool(run_facts.checkpoints(self.facts.path))
                self.tell(f"{self.requests.last} between two starts: run the same command again to continue")
                return outcome.STOPPED if stopped else outcome.RANK_FAILED

    def stopped_in_pause(self, pause):
        deadline = time.monotonic() + pause
        while not self.requests and time.monotonic() < deadline:
            time.sleep(start.POLL_S)
        return bool(self.requests)

    def describe(self, number):
        placed, ended = self.starts[number - 1]
        places = ", ".join(f"{host.name} ({ranks})" for host, ranks in placed)
        return f"start {number}: ranks on {places}: exit code {outcome.final_code(ended.code)} after {ended.seconds:.0f} s, step {ended.step}" + (
            f", began with rank {', '.join(map(str, ended.at_fault))}" if ended.at_fault else "") + (f", lost {', '.join(ended.lost_hosts)}" if ended.lost_hosts else "")

    def tell(self, reason):
        """Prints at the end why the run ended, and what happened to each rank."""
        placed, ended = self.starts[-1]
        say(f"{reason} (exit code {outcome.final_code(ended.code)}, {len(self.starts)} start{'s' if len(self.starts) > 1 else ''})")
        for number in range(1, len(self.starts) + 1):
            say(self.describe(number))
        names = hosts.host_of_ranks(placed)
        if outcome.final_code(ended.code) in (outcome.RANK_FAILED, outcome.TIMED_OUT):
            for rank, name in enumerate(names):
                say(f"  rank {rank} ({name}): {ended.ranks.get(rank, 'left no message; it was terminated with the others')}")
            say(f"  full messages: {self.facts.path / 'errors'}")
