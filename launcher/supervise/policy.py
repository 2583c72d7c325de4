"""Whether to start again after a failure, when, and where not. Pure: it is told what happened."""
from supervise.outcome import BAD_INPUT, DONE, STOPPED, final_code

LONGEST_PAUSE_S = 60


class Policy:
    """Told the outcome of each start, it says why the run ends, or nothing: then it is started again after pause_s() without left_out()."""

    def __init__(self, max_restarts, first_pause_s=1):
        self.max_restarts = max_restarts
        self.first_pause_s = first_pause_s
        self.without_progress = 0  # failures since the last new checkpoint
        self.failures_of = {}      # by host
        self.last_error = None     # (error, step) of the start before

    def count_host(self, name):
        self.failures_of[name] = self.failures_of.get(name, 0) + 1

    def left_out(self, hosts):
        """Of these hosts those that failed twice, if others remain."""
        failed = [host for host in hosts if self.failures_of.get(host.name, 0) >= 2]
        return failed if len(failed) < len(hosts) else []

    def reason_to_end(self, outcome, hosts_at_fault, progress, stopping):
        """`progress`: a checkpoint was written in this start. `stopping`: somebody has asked the run to stop. Returns why it ends, or None."""
        code = final_code(outcome.code)
        if code == DONE:
            return "done"
        if code == STOPPED:
            return "stopped on request, with a checkpoint: run the same command again to go on"
        if code == BAD_INPUT:
            return "refused: starting it again would change nothing"
        if stopping:
            return "it failed while it was asked to stop: run the same command again to go on from the last checkpoint"
        for host in hosts_at_fault:
            self.count_host(host)
        again = outcome.error is not None and (outcome.error, outcome.step) == self.last_error
        self.last_error = (outcome.error, outcome.step)
        if again:
            return f"the same error at the same step ({outcome.step}) twice: another start would meet it again"
        self.without_progress = 1 if progress else self.without_progress + 1
        if self.without_progress > self.max_restarts:
            return f"{self.max_restarts} restarts without a new checkpoint (--max-restarts)"
        return None

    def pause_s(self):
        """Before the next start: twice as long after each failure without progress."""
        return min(LONGEST_PAUSE_S, self.first_pause_s * 2 ** (self.without_progress - 1))
