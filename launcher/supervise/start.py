"""One start of the run under mpirun, from the first process to the last."""
import ctypes
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

from supervise import outcome, run_facts

POLL_S = 0.2
MPIRUN_GRACE_S = 15    # after a rank has said that it ends the world
RANKS_GRACE_S = 10     # after mpirun's end
START_PATIENCE_S = 600  # until rank 0 has the run's lock
FORCED = 3             # so many requests to stop end the ranks at once


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def shield():
    """In mpirun, before it begins. TERM, as Slurm or a person sends it to every process of a job, would have it kill its ranks within two seconds: it is held
    back (the ranks hear it themselves, and write a checkpoint). When the launcher dies, however it does, the ranks are asked to stop instead."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGUSR1)


def ranks_of_job(job):
    """Process ids on this machine that have the job's id in their environment."""
    wanted, found = f"VAE_DIST_JOB_ID={job}".encode(), []
    for folder in pathlib.Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and wanted in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


class Start:
    """Start(command, facts, job, restart).watch(requests) is an Outcome."""

    def __init__(self, command, facts, job, restart):
        self.facts, self.job, self.restart = facts, job, restart
        self.errors_before = outcome.find_errors(facts.path / "errors")
        self.began = time.monotonic()
        # A session of its own: Ctrl-C is for the launcher, which passes it on as a request.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=shield)
        self.said = []
        self.reader = threading.Thread(target=self._pass_on, daemon=True)
        self.reader.start()

    def _pass_on(self):
        for line in self.process.stderr:
            try:
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
            except OSError:
                pass  # nobody reads it any more; ranks that could not write would wait
            # mpirun's own report is at the end; of what ranks say there may be much.
            self.said.append(line.decode(errors="replace"))
            del self.said[:-400]

    def hears_signals(self):
        """Rank 0 takes the run's lock once every rank takes USR1 for a request; before, the signal would kill it."""
        try:
            lock = json.loads((self.facts.path / "lock.json").read_text())
            return (lock["job"], lock["restart"]) == (self.job, self.restart)
        except (OSError, ValueError, KeyError):
            return False

    def errors(self):
        return outcome.newer(self.errors_before, outcome.find_errors(self.facts.path / "errors"))

    def watch(self, requests):
        """Passes requests to stop on to the ranks, waits for their end, and ends what is left of them."""
        asked = heard = False
        ends_at = None
        while self.process.poll() is None:
            heard = heard or self.hears_signals()
            if requests and heard and not asked:
                asked = True
                print(f"vae_launch: {requests.last}: the ranks are asked to stop", file=sys.stderr, flush=True)
                self.process.send_signal(signal.SIGUSR1)
            now = time.monotonic()
            if ends_at is None:
                if self.errors():
                    ends_at = now + MPIRUN_GRACE_S
                elif requests.count >= FORCED or (not heard and now - self.began > START_PATIENCE_S):
                    ends_at = now
            elif now > ends_at:
                self._end_mpirun()
            time.sleep(POLL_S)
        self._end_ranks()
        self.reader.join(timeout=2)
        said = "".join(self.said)
        found = outcome.judge(self.process.returncode, outcome.read(self.errors()), outcome.killed_ranks(said))
        return dataclasses.replace(found, lost_hosts=tuple(outcome.lost_hosts(said)), seconds=time.monotonic() - self.began,
                                   step=run_facts.last_logged_step(self.facts.path))

    def _end_mpirun(self):
        """It may wait for its daemon on a host that is lost."""
        print("vae_launch: mpirun does not end by itself: it is ended", file=sys.stderr, flush=True)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _end_ranks(self):
        """Those of this machine; ranks elsewhere end themselves when the others do not answer."""
        deadline = time.monotonic() + RANKS_GRACE_S
        while (left := ranks_of_job(self.job)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
