"""How a start ended, from what mpirun returned and said, and from what failing ranks left in the run directory's errors/."""
import dataclasses
import re
import signal

DONE, BAD_INPUT, RANK_FAILED, TIMED_OUT, STOPPED = 0, 2, 3, 4, 75
CONSEQUENCE = "(as a consequence"

# By these a program ends itself. What kills it from outside (KILL, TERM) tells nothing about the program.
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


def final_code(code):
    """mpirun's or the program's exit code as one that is documented: death by a signal is a failed rank."""
    return code if code in (DONE, BAD_INPUT, RANK_FAILED, TIMED_OUT, STOPPED) else RANK_FAILED


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def find_errors(folder):
    """{rank: (file, identity)}: where ranks left their last words. The identity is another when they are written again."""
    found = {}
    for file in folder.glob("rank_*.txt"):
        try:
            status = file.stat()
            found[int(file.stem.removeprefix("rank_"))] = (file, (status.st_mtime_ns, status.st_ino, status.st_size))
        except (OSError, ValueError):
            continue
    return found


def newer(before, now):
    """{rank: file} of those that find_errors() finds now and did not before."""
    return {rank: found[0] for rank, found in sorted(now.items()) if before.get(rank) != found}


def read(files):
    """{rank: text}"""
    return {rank: file.read_text(errors="replace") for rank, file in files.items()}


def killed_ranks(mpirun_said):
    """{rank: signal} from mpirun's own report."""
    return {int(rank): int(number) for rank, number in
            re.findall(r"process rank (\d+) with PID \d+ on\s+node \S+ exited on\s+signal (\d+)", mpirun_said)}


def lost_hosts(mpirun_said):
    """The hosts that mpirun lost: it hears nothing more from its daemon there."""
    return re.findall(r"(?:ORTE|PRTE) has lost communication with a remote daemon\..*?Remote daemon: \S+ on node (\S+)", mpirun_said, re.DOTALL)


def lost_ranks(message):
    """The ranks that a rank's message says it waited for in vain: those that do not respond."""
    return [int(rank) for rank in re.findall(r"rank (\d+) is not responding", message)]


@dataclasses.dataclass(frozen=True)
class Outcome:
    code: int            # mpirun's; negative: a signal ended mpirun itself
    ranks: dict          # {rank: one line about it}
    at_fault: list       # the ranks with which it began
    error: str | None    # what a repetition would have again; None: nothing that tells
    lost_hosts: tuple = ()
    seconds: float = 0
    step: int = 0        # the last in the log


def first_line(text):
    return re.sub(r"^vae_dist: (rank \d+: )?", "", text.strip().partition("\n")[0])


def without_times(text):
    return re.sub(r"\d+(\.\d+)? s\b", "N s", text)


def judge(code, messages, killed):
    """An Outcome from mpirun's code, {rank: message} and {rank: signal}. Pure."""
    ranks = {rank: first_line(text) for rank, text in messages.items()}
    for rank, number in killed.items():
        ranks.setdefault(rank, f"was killed by {signal_name(number)}")
    # What others say about a rank that was killed is its consequence, marked or not.
    own = {rank: first_line(text) for rank, text in messages.items() if CONSEQUENCE not in text.partition("\n")[0]}
    lost = sorted({rank for text in own.values() for rank in lost_ranks(text)})
    if killed:
        at_fault = sorted(killed)
        error = "; ".join(f"rank {rank}: {signal_name(number)}" for rank, number in sorted(killed.items()) if number in CRASHES) or None
    elif lost:
        # Cut off, the lost say the same of the others: those whose word is the lowest rank's are believed.
        speaker = min(own)
        at_fault = lost_ranks(own[speaker]) or lost
        error = without_times(own[speaker])
    else:
        at_fault = sorted(own)
        error = "; ".join(without_times(own[rank] + messages[rank].strip().partition("\n")[2].partition("\n")[0]) for rank in at_fault) or None
    if code not in (DONE, BAD_INPUT, RANK_FAILED, TIMED_OUT, STOPPED) and any("did not end within" in text for text in own.values()):
        code = TIMED_OUT
    return Outcome(code=code, ranks=dict(sorted(ranks.items())), at_fault=at_fault, error=error)
