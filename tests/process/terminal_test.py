"""The output of a run as a person sees it: in narrow, wide and resized terminals (tmux), and in a file."""
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest

from deadline import HANGS_S
from runs import BINARY, SMALL, RunFolder, mpirun

ESCAPE = "\x1b"
PROGRESS = re.compile(r"epoch \d+/\d+  step \d+/\d+  ETA \d+:\d\d:\d\d")


class Terminal:
    """A terminal of a given size that runs a command."""

    def __init__(self, folder, command, columns, rows=50):
        self._folder = tempfile.TemporaryDirectory(prefix="vae_dist_tmux_")
        self._socket = f"{self._folder.name}/socket"
        # Print the exit code last, and keep the session open.
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, "-c", folder, f"{shlex.join(map(str, command))}; echo ended with $?; sleep 1000")
        self._tmux("set-option", "-g", "window-size", "manual")

    def _tmux(self, *arguments):
        return subprocess.run(["tmux", "-S", self._socket, *map(str, arguments)], check=True, text=True, capture_output=True, timeout=HANGS_S,
                              env={**os.environ, "TERM": "xterm-256color"}).stdout

    def lines(self, escapes=False):
        """The text on the screen, without empty lines at the end."""
        return self._tmux("capture-pane", "-p", "-S", "-", *(["-e"] if escapes else [])).rstrip("\n").split("\n")

    def resize(self, columns, rows=50):
        self._tmux("resize-window", "-x", columns, "-y", rows)

    def is_open(self):
        return subprocess.run(["tmux", "-S", self._socket, "has-session"], capture_output=True, timeout=HANGS_S).returncode == 0

    def close(self):
        """Stops the command with Ctrl-C if it still runs, and waits for its end."""
        deadline = time.monotonic() + HANGS_S
        if self.is_open() and not any(line.startswith("ended with") for line in self.lines()):
            self._tmux("send-keys", "C-c")
        while self.is_open() and not any(line.startswith("ended with") for line in self.lines()) and time.monotonic() < deadline:
            time.sleep(0.1)
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, timeout=HANGS_S)
        self._folder.cleanup()


class RunInATerminal(RunFolder):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("tmux"):
            raise AssertionError("these tests need tmux: launcher/test.sh installs it")
        super().setUpClass()
        cls.program("data", "make-shapes", "validation.h5", "--count", "32", "--size", "16", "--channels", "1", "--seed", "1", check=True)

    def command(self, name, *overrides):
        return [BINARY, "train", "--config", "run.yaml", f"run.name={name}", *SMALL, "data.validation.file=validation.h5", "data.validation.dataset=imgs", "log.every_steps=7", *overrides]

    def open(self, command, columns):
        terminal = Terminal(self.folder, command, columns)
        self.addCleanup(terminal.close)
        return terminal

    def wait_for(self, terminal, pattern, seconds, what):
        """Waits until a line of the screen matches, and returns all lines."""
        deadline = time.monotonic() + seconds
        while not any(re.search(pattern, line) for line in terminal.lines()):
            if time.monotonic() > deadline:
                self.fail(f"no {what} within {seconds} s:\n" + "\n".join(terminal.lines()))
            time.sleep(0.05)

    def test_it_starts_with_a_table_redraws_one_line_and_ends_with_a_summary(self):
        for np in (None, 2):
            with self.subTest(np=np):
                name = f"watched_by_{np}"
                terminal = self.open(mpirun(np, self.command(name, "train.steps=4000", "evaluate.every_epochs=150")), 150)
                self.wait_for(terminal, PROGRESS, HANGS_S, "progress")
                first, seen = terminal.lines(), set()
                self.assertTrue(any(re.match(r"  global batch G +16", line) for line in first), first)
                self.assertTrue(any(re.match(r"  M_N +6.25e-05 by reference", line) for line in first), first)
                deadline = time.monotonic() + HANGS_S
                while True:
                    lines = terminal.lines()
                    self.assertLess(time.monotonic(), deadline, lines)
                    if any(line.startswith("ended with") for line in lines):
                        break
                    drawn = [line for line in lines if PROGRESS.match(line)]
                    self.assertLessEqual(len(drawn), 1, lines)
                    seen.update(drawn)
                self.assertGreater(len(seen), 3)
                self.assertTrue(all(re.search(r"loss \S+  recon \S+  KL \S+ nats  \d+ samples/s", line) for line in seen), seen)
                text = "\n".join(lines)
                self.assertEqual([int(step) for step in re.findall(r"(?m)^step (\d+), validation \(32 samples\): loss", text)], [1800, 3600, 4000])
                self.assertRegex(text, r"(?m)^epoch 334/334  step 4000/4000  ETA 0:00:00")
                self.assertRegex(text, rf"(?m)^done: 4000 steps in 0:\d\d:\d\d, \d+ samples/s\n  best validation  loss \S+ at step \d+\n  last checkpoint  runs/{name}/checkpoints/step_00004000\n"
                                       rf"  report           runs/{name}/report.html\n  metrics          runs/{name}/metrics.jsonl\nended with 0$")

    def test_it_fits_a_narrow_terminal_and_one_that_changes(self):
        terminal = self.open(mpirun(2, self.command("resized", "train.steps=1000000")), 150)
        self.wait_for(terminal, PROGRESS, HANGS_S, "progress")
        for columns in (60, 40, 100, 30, 150):
            terminal.resize(columns)
            step = self.step(terminal.lines()[-1])
            self.wait_until(lambda: self.progresses_alone(terminal.lines(), step, columns), HANGS_S, f"progress on {columns} columns, and nothing left of older lines,")

    def progresses_alone(self, lines, step, columns):
        """Whether the last line shows progress beyond that step, without remains of older progress lines above it."""
        left_over = [line for line in lines[:-1] if re.search(r"^epoch |ETA| recon |samples/s", line)]
        return self.step(lines[-1]) > step and len(lines[-1]) <= columns and not left_over

    @staticmethod
    def step(line):
        found = re.match(r"epoch \d+/\d+  step (\d+)", line)
        return int(found[1]) if found else -1

    def test_warnings_have_a_colour_and_a_line_of_their_own(self):
        terminal = self.open(mpirun(2, self.command("warned", "train.steps=400", "train.skip_step_above_norm=1e-9", "train.max_skipped_steps=300")), 150)
        self.wait_for(terminal, "ended with", HANGS_S, "the end")
        self.assertEqual(sum(line.startswith("warning: step 5 was skipped") for line in terminal.lines()), 1, terminal.lines())
        # tmux writes a colour's escape sequence where the colour begins.
        text = "\n".join(terminal.lines(escapes=True))
        self.assertRegex(text, r"(?m)^\x1b\[33mwarning: step 1 was skipped")
        self.assertRegex(text, r"(?m)^\x1b\[31mvae_dist: .*300 steps in a row|^\x1b\[39mvae_dist: .*300 steps in a row")

    def test_a_file_has_plain_lines_at_log_every_steps(self):
        for np in (None, 2):
            with self.subTest(np=np):
                log = self.folder / f"log_{np}"
                # In a terminal, but with the output redirected to a file.
                command = ["sh", "-c", f"exec {shlex.join(map(str, mpirun(np, self.command('filed', 'train.steps=30', 'checkpoint.resume=never', 'run.name=filed_' + str(np)))))} 2> {log}"]
                self.wait_for(self.open(command, 150), "ended with 0", HANGS_S, "the end")
                text = log.read_text()
                self.assertNotIn(ESCAPE, text)
                self.assertNotIn("\r", text)
                self.assertEqual([int(step) for step in re.findall(r"(?m)^epoch \d+/\d+  step (\d+)/30  ETA ", text)], [1, 7, 14, 21, 28, 30])
                self.assertRegex(text, r"(?m)^done: 30 steps in ")


if __name__ == "__main__":
    unittest.main()
