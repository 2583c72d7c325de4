"""Records the stop requests (TERM, INT, HUP and USR1) that the launcher receives."""
import signal


class StopRequests:
    """Counts stop requests from its construction on."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)

    def __init__(self):
        self.count = 0
        self.last = None
        for number in self.SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number, _):
        self.count += 1
        self.last = signal.Signals(number).name

    def __bool__(self):
        return self.count > 0
