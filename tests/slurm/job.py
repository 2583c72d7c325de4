"""A batch job that a test can watch, hold in mid-training, and drive into its time limit."""
import os
import signal
import time

from deadline import HANGS_S
from ranks import ranks_of
from runs import BINARY

ENDS = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
HELD_AFTER = 12  # steps


class Job:
    """A job (or task "12_1" of an array) and the run that it trains."""

    def __init__(self, slurm, folder, number, log, run):
        self.slurm, self.number, self.run, self.log_file = slurm, number, folder / "runs" / run, folder / log
        self.discovery = folder / "runs" / f"{run}.prometheus.json"

    def said(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def facts(self):
        return self.slurm.facts(self.number)

    def wait_for(self, condition, what):
        """Waits until the condition holds. Raises AssertionError if the job ends first or takes too long."""
        deadline = time.monotonic() + 3 * HANGS_S
        looks = 0
        while not condition():
            looks += 1
            over = looks % 20 == 0 and self.facts().get("JobState") in ENDS
            if time.monotonic() > deadline or self.slurm.is_down() or over and not condition():
                raise AssertionError(f"job {self.number}: {what} did not happen\n{self.facts()}\n{self.said()}\n{self.slurm.logs()}")
            time.sleep(0.1)

    def wait_for_state(self, *states):
        """Waits until the job is in one of these states. Returns its facts."""
        known = {}

        def arrived():
            known.update(self.facts())
            return known.get("JobState") in states
        self.wait_for(arrived, " or ".join(states))
        return known

    def wait_for_words(self, words):
        self.wait_for(lambda: words in self.said(), repr(words))

    def ranks(self):
        return ranks_of(BINARY, f"SLURM_JOB_ID={self.facts().get('JobId')}")

    def steps(self):
        log = self.run / "metrics.jsonl"
        return log.read_bytes().count(b'"loss"') if log.exists() else 0

    def hold(self):
        """Stops all ranks (SIGSTOP) after some steps, in mid-training."""
        # Asking Slurm may take longer than the steps that are left, so the ranks are known before.
        self.wait_for(lambda: len(self.ranks()) == 2, "two ranks")
        self.held = self.ranks()
        self.wait_for(lambda: self.steps() >= HELD_AFTER, f"step {HELD_AFTER}")
        for pid in self.held.values():
            os.kill(pid, signal.SIGSTOP)
        if len(self.held) != 2 or not self.discovery.exists():
            raise AssertionError(f"job {self.number} was not caught during training: ranks {self.held}, {self.discovery.exists()=}\n{self.said()}")

    def meet_its_limit(self):
        """Moves a held job's time limit closer, so that Slurm sends the warning signal (it checks twice a minute), and then lets the ranks continue.
        Restores the limit afterwards, because it would also apply to the next part."""
        facts = self.facts()
        hours, minutes, _ = map(int, facts["RunTime"].split(":"))
        self.slurm.call("scontrol", "update", f"JobId={facts['JobId']}", f"TimeLimit={hours * 60 + minutes + 3}")
        self.wait_for_words("asked to stop (SIGUSR1)")
        self.slurm.call("scontrol", "update", f"JobId={facts['JobId']}", f"TimeLimit={facts['TimeLimit']}")
        for pid in self.held.values():
            os.kill(pid, signal.SIGCONT)

    def wait_until_queued_again(self):
        """Waits until the part has ended and the job is pending again. The file for Prometheus must be gone then. Returns the job's facts."""
        facts = self.wait_for_state("PENDING", *ENDS)
        if facts["JobState"] != "PENDING" or self.discovery.exists():
            raise AssertionError(f"job {self.number} is {facts['JobState']}, {self.discovery.exists()=}\n{self.said()}")
        return facts

    def wait_for_end(self):
        return self.wait_for_state(*ENDS)
