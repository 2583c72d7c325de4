"""Determines how a start ended from mpirun's exit code and output, and from the messages that failing ranks left in the run directory's errors/."""
import dataclasses
import re
import signal

DONE, BAD_INPUT, RANK_FAILED, TIMED_OUT, STOPPED = 0, 2, 3, 4, 75
CONSEQUENCE = "(as a consequence"

# Signals of a crash. Signals sent from outside (KILL, TERM) say nothing about the program.
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


def final_code(code):
    """Maps an exit code of mpirun or the program to a documented one. Death by a signal counts as a failed rank."""
    return code if code in (DONE, BAD_INPUT, RANK_FAILED, TIMED_OUT, STOPPED) else RANK_FAILED


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def find_errors(folder):
    """{rank: (file, identity)} of the ranks' error messages. The identity changes when a file is rewritten."""
    found = {}
    for file in folder.glob("rank_*.txt"):
        try:
            status = file.stat()
            found[int(file.stem.removeprefix("rank_"))] = (file, (status.st_mtime_ns, status.st_ino, status.st_size))
        except (OSError, ValueError):
            continue
    return found


def newer(before, now):
    """{rank: file} of the files that are new or rewritten since an earlier find_errors()."""
    return {rank: found[0] for rank, found in sorted(now.items()) if before.get(rank) != found}


def read(files):
    """{rank: text}"""
    return {rank: file.read_text(errors="replace") for rank, file in files.items()}


def killed_ranks(mpirun_said):
    """{rank: signal} from mpirun's own report."""
    return {int(rank): int(number) for rank, number in
            re.findall(r"process rank (\d+) with PID \d+ on\s+node \S+ exited on\s+signal (\d+)", mpirun_said)}


def lost_hosts(mpirun_said):
    """The hosts that mpirun lost, because its daemon there no longer responds."""
    return re.findall(r"(?:ORTE|PRTE) has lost communication with a remote daemon\..*?Remote daemon: \S+ on node (\S+)", mpirun_said, re.DOTALL)


def lost_ranks(message):
    """The ranks that a rank's message reports as not responding."""
    return [int(rank) for rank in re.findall(r"rank (\d+) is not responding", message)]


@dataclasses.dataclass(frozen=True)
class Outcome:
    code: int            # mpirun's; negative: a signal killed mpirun itself
    ranks: dict          # {rank: one line about it}
    at_fault: list       # the ranks that failed first
    error: str | None    # identifies the error, to recognise a repetition; None: unknown
    lost_hosts: tuple = ()
    seconds: float = 0
    step: int = 0        # last step in the log


def first_line(text):
    return re.sub(r"^vae_dist: (rank \d+: )?", "", text.strip().partition("\n")[0])


def without_times(text):
    return re.sub(r"\d+(\.\d+)? s\b", "N s", text)


def judge(code, messages, killed):
    """Derives an Outcome from mpirun's exit code, {rank: message} and {rank: signal}. A pure function."""
    ranks = {rank: first_line(text) for rank, text in messages.items()}
    for rank, number in killed.items():
        ranks.setdefault(rank, f"was killed by {signal_name(number)}")
    # If a rank was killed, the other ranks' messages are consequences of that, even if not marked so.
    own = {rank: first_line(text) for rank, text in messages.items() if CONSEQUENCE not in text.partition("\n")[0]}
    lost = sorted({rank for text in own.values() for rank in lost_ranks(text)})
    if killed:
        at_fault = sorted(killed)
        error = "; ".join(f"rank {rank}: {signal_name(number)}" for rank, number in sorted(killed.items()) if number in CRASHES) or None
    elif lost:
        # The ranks on both sides of a network split report each other as lost. Believe the lowest rank.
        speaker = min(own)
        at_fault = lost_ranks(own[speaker]) or lost
        error = without_times(own[speaker])
    else:
        at_fault = sorted(own)
        error = "; ".join(without_times(own[rank] + messages[rank].strip().partition("\n")[2].partition("\n")[0]) for rank in at_fault) or None
    if code not in (DONE, BAD_INPUT, RANK_FAILED, TIMED_OUT, STOPPED) and any("did not end within" in text for text in own.values()):
        code = TIMED_OUT
    return Outcome(code=code, ranks=dict(sorted(ranks.items())), at_fault=at_fault, error=error)
