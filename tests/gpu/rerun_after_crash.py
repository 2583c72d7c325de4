"""Runs a GoogleTest program until each of its tests has been run, even if some end the process or hang:
  rerun_after_crash.py [--silence S] PROGRAM [ARGUMENT...]
After a crash, or S seconds without a line, the tests that have not been run yet are run by another process. The last line is a JSON object: how
many tests passed, what those that failed said, and the names of those that crashed, hung or were skipped. Returns 0 if none failed, crashed or
hung, 77 if the program says by 77 that it cannot run here, and 1 otherwise."""
import argparse
import json
import pathlib
import re
import selectors
import subprocess
import sys
import tempfile

NOT_RUN = 77
MOST_OF_A_MESSAGE = 500


class Attempt:
    """One process: what it printed about its tests, and how it ended."""

    def __init__(self, command, done, json_file, silence):
        self.ended, self.running, self.hung = {}, None, False
        self.messages, self.lines = {}, []
        chosen = [f"--gtest_filter=-{':'.join(done)}"] if done else []
        process = subprocess.Popen([*command, *chosen, f"--gtest_output=json:{json_file}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            rest = b""
            while True:
                if not selector.select(silence):
                    self.hung = True
                    process.kill()
                    break
                chunk = process.stdout.read(65536)
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines if chunk else [*lines, rest]:
                    self.read(line.decode(errors="replace"))
                if not chunk:
                    break
        self.code = process.wait()

    def read(self, line):
        print(line, flush=True)
        if begun := re.match(r"\[ RUN      \] (\S+)", line):
            self.running, self.lines = begun[1], []
        elif ended := re.match(r"\[ *(OK|FAILED|SKIPPED) *\] ([^\s,]+)", line):
            if ended[2] == self.running:  # a summary at the end repeats names
                self.ended[self.running] = ended[1]
                self.messages[self.running] = "\n".join(self.lines)
                self.running = None
        else:
            self.lines.append(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--silence", type=float, default=60, metavar="S")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    ended, messages, crashed, hung = {}, {}, [], []
    with tempfile.TemporaryDirectory() as folder:
        while True:
            json_file = pathlib.Path(folder) / "results.json"
            json_file.unlink(missing_ok=True)
            attempt = Attempt(options.command, [*ended, *crashed, *hung], json_file, options.silence)
            ended |= attempt.ended
            messages |= attempt.messages
            if attempt.code == NOT_RUN and not ended:
                return NOT_RUN
            if json_file.exists():  # GoogleTest writes it when all tests of a process have ended
                if attempt.code not in (0, 1):
                    crashed.append(f"at the end, with code {attempt.code}")
                break
            # Where it died between two tests, nothing can be left out, and the next attempt would end the same way.
            (hung if attempt.hung else crashed).append(attempt.running or f"outside of tests, with code {attempt.code}")
            if attempt.running is None:
                break
    outcomes = list(ended.values())
    failed = {name: messages[name][:MOST_OF_A_MESSAGE] for name, outcome in ended.items() if outcome == "FAILED"}
    print(json.dumps({"passed": outcomes.count("OK"), "failed": failed, "crashed": crashed, "hung": hung,
                      "skipped": [name for name, outcome in ended.items() if outcome == "SKIPPED"]}))
    return 1 if failed or crashed or hung else 0


if __name__ == "__main__":
    sys.exit(main())
