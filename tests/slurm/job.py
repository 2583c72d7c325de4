"""A job of a batch script: watched, held in the middle of its training, brought to its limit."""
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
        """Until it happens: an AssertionError when the job is over without, or takes too long."""
        deadline = time.monotonic() + 3 * HANGS_S
        looks = 0
        while not condition():
            looks += 1
            over = looks % 20 == 0 and self.facts().get("JobState") in ENDS
            if time.monotonic() > deadline or self.slurm.is_down() or over and not condition():
                raise AssertionError(f"job {self.number}: {what} did not happen\n{self.facts()}\n{self.said()}\n{self.slurm.logs()}")
            time.sleep(0.1)

    def wait_for_state(self, *states):
        """Until Slurm says one of these of the job. Returns its facts."""
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
        """Stops all ranks in their tracks after some steps, in the middle of everything."""
        self.wait_for(lambda: self.steps() >= HELD_AFTER, f"step {HELD_AFTER}")
        self.held = self.ranks()
        for pid in self.held.values():
            os.kill(pid, signal.SIGSTOP)
        if len(self.held) != 2 or not self.discovery.exists():
            raise AssertionError(f"job {self.number} was not caught while it trained: ranks {self.held}, {self.discovery.exists()=}\n{self.said()}")

    def meet_its_limit(self):
        """Lets the time limit of a held job come closer, so that the signal in front of it is due (Slurm looks twice a minute), and the ranks go on. The
        limit then goes where it was: it would hold for the next part too, which comes to its end in its own time."""
        facts = self.facts()
        hours, minutes, _ = map(int, facts["RunTime"].split(":"))
        self.slurm.call("scontrol", "update", f"JobId={facts['JobId']}", f"TimeLimit={hours * 60 + minutes + 3}")
        self.wait_for_words("asked to stop (SIGUSR1)")
        self.slurm.call("scontrol", "update", f"JobId={facts['JobId']}", f"TimeLimit={facts['TimeLimit']}")
        for pid in self.held.values():
            os.kill(pid, signal.SIGCONT)

    def wait_until_queued_again(self):
        """Until the part has ended and the next one waits for its time. The file for Prometheus must be gone then. Returns the job's facts."""
        facts = self.wait_for_state("PENDING", *ENDS)
        if facts["JobState"] != "PENDING" or self.discovery.exists():
            raise AssertionError(f"job {self.number} is {facts['JobState']}, {self.discovery.exists()=}\n{self.said()}")
        return facts

    def wait_for_end(self):
        return self.wait_for_state(*ENDS)
