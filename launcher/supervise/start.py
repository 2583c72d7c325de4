"""Runs one start of the training under mpirun, until all its processes have exited."""
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
MPIRUN_GRACE_S = 15    # for mpirun to exit after a rank has reported an error
SAVING_SHARE = 10      # times the last checkpoint's time: for the other ranks to save the last step before that
RANKS_GRACE_S = 10     # for the ranks to exit after mpirun has
START_PATIENCE_S = 600  # for rank 0 to take the run's lock
FORCED = 3             # this many stop requests kill the ranks at once


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def shield():
    """Runs in the child process before it becomes mpirun. Blocks TERM, which Slurm or a user may send to every process of a job: mpirun would kill its ranks
    within two seconds, but the ranks get the signal too and write a checkpoint. If the launcher dies for any reason, mpirun gets USR1, which asks the ranks to stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGUSR1)


def ranks_of_job(job):
    """Ids of the processes on this machine that have the job's id in their environment."""
    wanted, found = f"VAE_DIST_JOB_ID={job}".encode(), []
    for folder in pathlib.Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and wanted in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


class Start:
    """Start(command, environment, facts, job, restart).watch(requests) returns an Outcome."""

    def __init__(self, command, environment, facts, job, restart):
        self.facts, self.job, self.restart = facts, job, restart
        self.errors_before = outcome.find_errors(facts.path / "errors")
        self.began = time.monotonic()
        # In a new session, so that only the launcher gets Ctrl-C, which it forwards as a stop request.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, start_new_session=True, preexec_fn=shield)
        self.said = []
        self.reader = threading.Thread(target=self._pass_on, daemon=True)
        self.reader.start()

    def _pass_on(self):
        for line in self.process.stderr:
            try:
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
            except OSError:
                pass  # stderr is closed; keep reading, because ranks would block on a full pipe
            # mpirun's own report comes last, and the ranks' output may be long.
            self.said.append(line.decode(errors="replace"))
            del self.said[:-400]

    def handles_stop_signal(self):
        """Whether the ranks handle USR1. Rank 0 takes the run's lock once they all do; before that, the signal would kill them."""
        try:
            lock = json.loads((self.facts.path / "lock.json").read_text())
            return (lock["job"], lock["restart"]) == (self.job, self.restart)
        except (OSError, ValueError, KeyError):
            return False

    def errors(self):
        return outcome.newer(self.errors_before, outcome.find_errors(self.facts.path / "errors"))

    def grace_s(self):
        """The time for mpirun to exit after a rank has reported an error. The others save the last step first, which takes at most about as long as src/run/saving_time.cpp allows."""
        return MPIRUN_GRACE_S + SAVING_SHARE * (run_facts.checkpoint_seconds(self.facts.path) or 0)

    def watch(self, requests):
        """Forwards stop requests to the ranks, waits until they exit, and kills any that remain."""
        asked = heard = False
        ends_at = None
        while self.process.poll() is None:
            heard = heard or self.handles_stop_signal()
            if requests and heard and not asked:
                asked = True
                print(f"vae_launch: received {requests.last}: asking the ranks to stop", file=sys.stderr, flush=True)
                self.process.send_signal(signal.SIGUSR1)
            now = time.monotonic()
            if ends_at is None:
                if self.errors():
                    ends_at = now + self.grace_s()
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
        """Terminates mpirun, which may be waiting for its daemon on a lost host."""
        print("vae_launch: mpirun does not exit by itself: terminating it", file=sys.stderr, flush=True)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _end_ranks(self):
        """Kills the remaining ranks on this machine. Ranks on other hosts exit by themselves when the others do not respond."""
        deadline = time.monotonic() + RANKS_GRACE_S
        while (left := ranks_of_job(self.job)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
