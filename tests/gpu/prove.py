"""Runs the checks of prove_checks.py on a machine with a GPU, one after the other, and keeps every answer: prove.py OUT [--second]

As soon as a check ends, its result is one more line of OUT/results.jsonl; what it prints goes to OUT/output.txt. A check that fails, crashes or
hangs stops no other: each has a time limit and a process group of its own, and whatever it leaves behind is killed. What no longer fits into the
time is recorded as skipped. Returns 0 if all checks passed, 1 if one did not, and 77 if none failed but some were skipped.

Needs nothing but Python's standard library. It lies in the bundle that prove.sh makes; README.md says how both are used.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
BUNDLE = HERE.parent.parent
# Same rule as the program's machine_has_gpu(): if driver files exist, an unusable GPU is a failure.
DRIVER_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/proc/driver/nvidia/version")
NOT_RUN = 77
TERM_S, KILL_S = 2, 5  # how long processes have after SIGTERM, and after SIGKILL
KEPT_LINES = 15


def processes_of(session, marker):
    """The living processes of a session, and all others that have `marker` ("NAME=value") in their environment: those that made a session of their own."""
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if state in "ZX":
                continue
            if int(its_session) == session or marker.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended
    return found


def signal_all(processes, number):
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass


def end_all(process, marker):
    """Ends the processes of a check, also those that ignore SIGTERM. Returns how many were alive."""
    alive = processes_of(process.pid, marker)
    if not alive:
        return 0
    signal_all(alive, signal.SIGTERM)
    start = time.monotonic()
    while (left := processes_of(process.pid, marker)) and time.monotonic() < start + TERM_S + KILL_S:
        process.poll()
        if time.monotonic() > start + TERM_S:
            signal_all(left, signal.SIGKILL)
        time.sleep(0.05)
    return len(alive)


def figures_in(json_file, lines):
    """The JSON object in the file, or else the last line that is one."""
    candidates = [json_file.read_text()] if json_file.exists() else reversed(lines)
    for text in candidates:
        if text.lstrip().startswith("{"):
            try:
                return json.loads(text)
            except ValueError:
                continue
    return {}


def verdict(check, code, timed_out, limit, figures, lines):
    """(outcome, reason) of a check that was started."""
    last_line = next((line for line in reversed(lines) if line.strip()), "")
    if timed_out:
        return "timed out", f"killed after {limit:.0f} s; its last line: {last_line}"
    if code == NOT_RUN:
        return "skipped", next((line for line in lines if "needs a GPU" in line), last_line)
    if code < 0 or 128 < code < 128 + signal.NSIG:  # mpirun returns 128 + the signal that ended a rank
        number = -code if code < 0 else code - 128
        known = {each.value: each.name for each in signal.Signals}
        return "crashed", f"ended by {known.get(number, f'signal {number}')}"
    if code:
        return "failed", f"ended with {code}"
    for figure, value in check.must:
        if figures.get(figure) != value:
            return "failed", f"{figure} is {figures.get(figure)}, not {value}"
    return "passed", ""


class Runner:
    def __init__(self, out, end_after_s, slow, environment):
        self.out, self.slow = out, slow
        self.environment = environment
        # Keeps the time that it takes to end a check.
        self.deadline = time.monotonic() + end_after_s - TERM_S
        self.results = open(out / "results.jsonl", "a", encoding="utf-8")
        self.output = out / "output.txt"
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="prove_"))
        self.outcomes = []

    def run(self, checks):
        try:
            for check in checks:
                self.record(self.result_of(check))
        finally:
            self.results.close()
            shutil.rmtree(self.work, ignore_errors=True)

    def record(self, result):
        self.outcomes.append(result["outcome"])
        self.results.write(json.dumps(result) + "\n")
        self.results.flush()
        os.fsync(self.results.fileno())
        told = json.dumps(result["figures"]) if result["figures"] else ""
        print(f"{result['outcome']:9}  {result['name']}  {result['seconds']:.1f} s  {result['reason']}{told}", flush=True)

    def result_of(self, check):
        limit, left = check.limit_s * self.slow, self.deadline - time.monotonic()
        result = {"name": check.name, "outcome": "skipped", "reason": "", "exit_code": None, "seconds": 0.0, "limit_s": limit, "figures": {}, "last_lines": []}
        if check.gpu and not any(os.path.exists(file) for file in DRIVER_FILES):
            return result | {"reason": "it needs a GPU, but this machine has none"}
        if left < limit / 2:
            return result | {"reason": f"of the {limit:.0f} s that it may need, {max(left, 0):.0f} s are left"}
        return result | self.result_of_command(check, min(limit, left))

    def result_of_command(self, check, limit):
        json_file = self.work / f"{check.name}.json"
        places = {"python": sys.executable, "tests": HERE, "bundle": BUNDLE, "out": self.out, "json": json_file}
        command = [word.format(**places) for word in shlex.split(check.command)]
        name, value = "VAE_DIST_PROVE", uuid.uuid4().hex
        start = time.monotonic()
        with open(self.output, "ab") as output:
            output.write(f"\n== {check.name}: {shlex.join(command)}\n".encode())
            output.flush()
            begin = output.tell()
            try:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self.work,
                                           env=self.environment | {name: value}, start_new_session=True)
            except OSError as error:
                return {"outcome": "failed", "reason": f"cannot be started: {error}"}
        timed_out, left_behind = False, 0
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            seconds = time.monotonic() - start
            left_behind = end_all(process, f"{name}={value}")
        code = process.poll()
        with open(self.output, "rb") as output:
            output.seek(begin)
            lines = output.read().decode(errors="replace").splitlines()
        figures = figures_in(json_file, lines)
        outcome, reason = verdict(check, code, timed_out, limit, figures, lines)
        if left_behind and not timed_out:
            reason = "; ".join(filter(None, (reason, f"processes that were left behind and killed: {left_behind}")))
        kept = {key: figures[key] for key in check.figures or figures if key in figures}
        return {"outcome": outcome, "reason": reason, "exit_code": code, "seconds": round(seconds, 2), "figures": kept, "last_lines": lines[-KEPT_LINES:]}


def environment_of_checks():
    """The environment of all checks. The bundle's programs find their libraries by themselves (start.sh), so that Python and torch keep their own."""
    torch = importlib.util.find_spec("torch")
    site = str(pathlib.Path(torch.origin).parent.parent) if torch and torch.origin else ""
    return os.environ | {
        "PATH": f"{BUNDLE / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "VAE_DIST_TORCH_SITE": site,
        "VAE_DIST_BINARY": str(BUNDLE / "bin" / "vae_dist"),
        "VAE_DIST_SOURCE": str(BUNDLE),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="folder for the results; made if it is not there")
    parser.add_argument("--second", action="store_true", help="run the second part instead of the first")
    parser.add_argument("--end-after", type=float, metavar="S", help="end after this time; default: the sum of all limits")
    parser.add_argument("--slow", type=float, default=1, metavar="FACTOR", help="multiplies all limits, for a slow machine")
    parser.add_argument("--checks", default=HERE / "prove_checks.py", metavar="FILE", help="another table of checks, for tests of this program")
    options = parser.parse_args()
    checks = runpy.run_path(str(options.checks))["SECOND" if options.second else "FIRST"]
    end_after = options.end_after or options.slow * sum(check.limit_s for check in checks)

    options.out.mkdir(parents=True, exist_ok=True)
    runner = Runner(options.out.resolve(), end_after, options.slow, environment_of_checks())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the running check too
    runner.run(checks)
    count = {outcome: runner.outcomes.count(outcome) for outcome in dict.fromkeys(runner.outcomes)}
    print(", ".join(f"{number} {outcome}" for outcome, number in count.items()))
    bad = set(count) - {"passed", "skipped"}
    return 1 if bad else NOT_RUN if "skipped" in count else 0


if __name__ == "__main__":
    sys.exit(main())
