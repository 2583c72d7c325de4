"""Decides whether and when to restart after a failure, and which hosts to exclude. It only evaluates the events it is told of."""
from supervise.outcome import BAD_INPUT, DONE, STOPPED, final_code

LONGEST_PAUSE_S = 60


class Policy:
    """Takes the outcome of each start and returns the reason to end the run, or None: restart then after pause_s(), without the hosts of left_out()."""

    def __init__(self, max_restarts, first_pause_s=1):
        self.max_restarts = max_restarts
        self.first_pause_s = first_pause_s
        self.without_progress = 0  # failures since the last new checkpoint
        self.failures_of = {}      # by host
        self.last_error = None     # (error, step) of the previous start

    def count_host(self, name):
        self.failures_of[name] = self.failures_of.get(name, 0) + 1

    def left_out(self, hosts):
        """Those of the hosts that failed twice, or [] if no other would remain."""
        failed = [host for host in hosts if self.failures_of.get(host.name, 0) >= 2]
        return failed if len(failed) < len(hosts) else []

    def reason_to_end(self, outcome, hosts_at_fault, progress, stopping):
        """Returns why the run ends, or None. `progress`: this start wrote a checkpoint. `stopping`: a stop was requested."""
        code = final_code(outcome.code)
        if code == DONE:
            return "done"
        if code == STOPPED:
            return "stopped on request, with a checkpoint: run the same command again to continue"
        if code == BAD_INPUT:
            return "refused: a restart would not help"
        if stopping:
            return "the run failed after it was asked to stop: run the same command again to continue from the last checkpoint"
        for host in hosts_at_fault:
            self.count_host(host)
        again = outcome.error is not None and (outcome.error, outcome.step) == self.last_error
        self.last_error = (outcome.error, outcome.step)
        if again:
            return f"the same error at the same step ({outcome.step}) twice: a restart would fail again"
        self.without_progress = 1 if progress else self.without_progress + 1
        if self.without_progress > self.max_restarts:
            return f"{self.max_restarts} restarts without a new checkpoint (--max-restarts)"
        return None

    def pause_s(self):
        """The pause before the next start. It doubles with each failure without progress."""
        return min(LONGEST_PAUSE_S, self.first_pause_s * 2 ** (self.without_progress - 1))
