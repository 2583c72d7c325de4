"""tests/gpu/prove.py keeps the answer of every check, whatever the others do; rerun_after_crash.py runs every test of a program that some of them end."""
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import runs
from deadline import HANGS_S
from ranks import is_alive

GPU_TESTS = pathlib.Path(os.environ["VAE_DIST_SOURCE"]) / "tests" / "gpu"

sys.path.insert(0, str(GPU_TESTS))
from prove import DRIVER_FILES  # noqa: E402
from prove_checks import FIRST, SECOND, Check  # noqa: E402

# What the stand-ins for checks do that leave processes behind: sh stand_in.sh WHAT NAME OUT. The processes ignore SIGTERM and say who they are.
STAND_IN = """ignore_term() { trap '' TERM; echo $$ >"$1.part"; mv "$1.part" "$1"; exec sleep 3600; }
what=$1 name=$2 out=$3
case $what in
  ignore_term) ignore_term "$name" ;;
  hang_as_rank) ignore_term "$out/${name}_$OMPI_COMM_WORLD_RANK.pid" ;;
  start_children | hang_with_children)
    sh "$0" ignore_term "$out/${name}_0.pid" &
    setsid sh "$0" ignore_term "$out/${name}_1.pid" &
    while [ ! -e "$out/${name}_0.pid" ] || [ ! -e "$out/${name}_1.pid" ]; do sleep 0.05; done
    echo the children run
    [ "$what" = start_children ] || sleep 3600 ;;
esac
"""


class Table(runs.RunFolder):
    """What can be said without a GPU about the commands of prove_checks.py."""

    IMAGES = ["--count", "8", "--size", "64", "--channels", "3"]

    def test_limits_are_those_that_the_readme_states(self):
        for part in (FIRST, SECOND):
            self.assertEqual(sum(check.limit_s for check in part), 530)
            self.assertEqual(len({check.name for check in part}), len(part))

    def test_every_python_test_that_it_names_exists(self):
        count = 0
        for check in [*FIRST, *SECOND]:
            words = shlex.split(check.command)
            if words[1].endswith("run_on_gpu.py"):
                loaded = unittest.defaultTestLoader.loadTestsFromNames([f"{words[2]}.{name}" for name in words[3:]])
                count += loaded.countTestCases()
        self.assertEqual(unittest.defaultTestLoader.errors, [])
        self.assertGreater(count, 8)

    def test_its_benchmarks_lack_nothing_but_a_gpu(self):
        if any(os.path.exists(file) for file in DRIVER_FILES):
            self.skipTest("not run: this machine has a GPU")
        for check in FIRST:
            if check.gpu and check.command.startswith("vae_dist "):
                with self.subTest(check.name):
                    words = shlex.split(check.command.format(tests=GPU_TESTS, json=self.folder / f"{check.name}.json", out=self.folder))
                    done = self.program(*words[1:])
                    self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                    self.assertIn("there is no GPU", done.stderr)

    def test_its_rivals_train_on_the_cpu_too(self):
        (check,) = [check for check in FIRST if check.name == "rival_eager_64"]
        words = shlex.split(check.command.format(python=sys.executable, bundle=runs.SOURCE))
        done = subprocess.run([*words, "--device", "cpu", "--batch", "2", "--steps", "1", "--warm-up", "1"], cwd=self.folder, text=True, capture_output=True, timeout=HANGS_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLessEqual(set(check.figures), set(json.loads(done.stdout)))


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vae_dist_test_")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out"


class ProveRunner(Folder):
    def stand_in(self, what):
        return f"sh {self.folder}/stand_in.sh {what}"

    def command(self, checks, *options):
        """The command that runs these checks."""
        (self.folder / "stand_in.sh").write_text(STAND_IN)
        (self.folder / "checks.py").write_text(f"import sys\nsys.path.insert(0, {str(GPU_TESTS)!r})\nfrom prove_checks import Check\nFIRST = {checks!r}\n")
        return [sys.executable, GPU_TESTS / "prove.py", self.out, "--checks", self.folder / "checks.py", *map(str, options)]

    def results(self):
        file = self.out / "results.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def prove(self, checks, *options):
        """Runs the checks to the end. Returns the exit code and the results by name."""
        done = subprocess.run(self.command(checks, *options), text=True, capture_output=True, timeout=HANGS_S)
        self.assertIn(done.returncode, (0, 1, 77), done.stdout + done.stderr)
        return done.returncode, {result["name"]: result for result in self.results()}

    def assert_children_are_gone(self, name):
        for number in (0, 1):
            self.assertFalse(is_alive(int((self.out / f"{name}_{number}.pid").read_text())), f"{name}, child {number}")

    def test_a_check_that_hangs_crashes_fails_or_is_slow_stops_no_other(self):
        figures = self.folder / "figures.txt"
        figures.write_text('{"speed": 7, "other": 8}\n')
        code, results = self.prove([
            Check("passes", 600, "true", ""),
            Check("has_figures", 600, f"sh -c 'cat {figures}; echo the end'", "", ("speed",), (("speed", 7),)),
            Check("writes_figures", 600, f"cp {figures} {{json}}", ""),
            Check("has_wrong_figures", 600, f"cat {figures}", "", (), (("speed", 8),)),
            Check("hangs", 8, self.stand_in("hang_with_children hangs {out}"), ""),
            Check("hangs_as_ranks", 40, f"mpirun --oversubscribe --bind-to none -np 2 {self.stand_in('hang_as_rank hangs_as_ranks {out}')}", ""),
            Check("crashes", 600, "sh -c 'echo last word; kill -ABRT $$'", ""),
            Check("crashes_below", 600, "sh -c 'exit 139'", ""),
            Check("fails", 600, "sh -c 'echo why; exit 3'", ""),
            Check("cannot_run_here", 600, "sh -c 'echo it needs a GPU, it says; echo more; exit 77'", ""),
            Check("is_no_program", 600, "/no/such/program", ""),
            Check("leaves_children", 600, self.stand_in("start_children leaves_children {out}"), ""),
            Check("is_slow", 600, "sleep 1", ""),
        ])
        self.assertEqual({name: result["outcome"] for name, result in results.items()}, {
            "passes": "passed", "has_figures": "passed", "writes_figures": "passed", "has_wrong_figures": "failed", "hangs": "timed out", "hangs_as_ranks": "timed out",
            "crashes": "crashed", "crashes_below": "crashed", "fails": "failed", "cannot_run_here": "skipped", "is_no_program": "failed", "leaves_children": "passed", "is_slow": "passed"})
        self.assertEqual(code, 1)
        self.assertEqual(results["has_figures"]["figures"], {"speed": 7})
        self.assertEqual(results["has_figures"]["last_lines"][-1], "the end")
        self.assertEqual(results["writes_figures"]["figures"], {"speed": 7, "other": 8})
        self.assertEqual(results["has_wrong_figures"]["reason"], "speed is 7, not 8")
        self.assertIn("its last line: the children run", results["hangs"]["reason"])
        self.assertEqual((results["crashes"]["exit_code"], results["crashes"]["reason"], results["crashes"]["last_lines"]), (-signal.SIGABRT, "ended by SIGABRT", ["last word"]))
        self.assertEqual(results["crashes_below"]["reason"], "ended by SIGSEGV")
        self.assertEqual((results["fails"]["exit_code"], results["fails"]["last_lines"]), (3, ["why"]))
        self.assertEqual(results["cannot_run_here"]["reason"], "it needs a GPU, it says")
        self.assertEqual(results["leaves_children"]["reason"], "processes that were left behind and killed: 2")
        self.assertGreaterEqual(results["is_slow"]["seconds"], 1)
        for name in ("hangs", "hangs_as_ranks", "leaves_children"):
            self.assert_children_are_gone(name)
        self.assertIn("the children run", (self.out / "output.txt").read_text())

    def test_a_result_is_there_as_soon_as_its_check_ends_and_who_ends_the_runner_ends_its_check(self):
        process = subprocess.Popen(self.command([Check("first", 600, "true", ""), Check("second", 3600, self.stand_in("hang_with_children hangs {out}"), "")]),
                                   stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + HANGS_S
            while time.monotonic() < deadline and process.poll() is None and not (self.out / "hangs_1.pid").exists():
                time.sleep(0.05)
            self.assertIsNone(process.poll())
            self.assertEqual([result["name"] for result in self.results()], ["first"])
            process.terminate()
            self.assertEqual(process.wait(HANGS_S), 128 + signal.SIGTERM)
            self.assert_children_are_gone("hangs")
        finally:
            process.kill()
            process.wait()

    def test_what_no_longer_fits_is_skipped_and_the_time_ends_the_last_check(self):
        # Of 20 s, 2 are kept for ending a check: too little for half of 60 s, enough for half of 20 s.
        code, results = self.prove([Check("too_long", 60, "true", ""), Check("late", 20, "sleep 3600", ""), Check("later", 20, "true", ""),
                                    Check("no_gpu", 1, "true", "", gpu=True)], "--end-after", 20)
        self.assertEqual(code, 1)
        self.assertEqual([(name, result["outcome"]) for name, result in results.items()][:3], [("too_long", "skipped"), ("late", "timed out"), ("later", "skipped")])
        self.assertRegex(results["too_long"]["reason"], r"^of the 60 s that it may need, \d+ s are left$")
        self.assertRegex(results["late"]["reason"], r"^killed after \d+ s; ")
        self.assertIsNone(results["later"]["exit_code"])
        if not any(os.path.exists(file) for file in DRIVER_FILES):
            self.assertEqual(results["no_gpu"]["reason"], "it needs a GPU, but this machine has none")

    def test_limits_can_be_stretched_for_a_slow_machine(self):
        code, results = self.prove([Check("one", 10, "true", ""), Check("two", 20, "true", "")], "--slow", 3)
        self.assertEqual((code, results["one"]["limit_s"], results["two"]["limit_s"]), (0, 30, 60))


class RerunAfterCrash(Folder):
    def rerun(self, *command, silence=5):
        done = subprocess.run([sys.executable, GPU_TESTS / "rerun_after_crash.py", "--silence", str(silence), *command], text=True, capture_output=True, timeout=HANGS_S)
        return done.returncode, done.stdout

    def test_every_test_is_run_although_one_crashes_and_one_hangs(self):
        code, said = self.rerun(os.environ["VAE_DIST_CRASHING_GTEST"])
        figures = json.loads(said.splitlines()[-1])
        self.assertRegex(figures["failed"].pop("First.Fails"), r"crashing_gtest\.cpp:\d+: Failure")
        self.assertEqual(figures, {"passed": 3, "failed": {}, "crashed": ["Second.Crashes"], "hung": ["Third.Hangs"], "skipped": ["Fourth.IsSkipped"]})
        self.assertEqual(code, 1)
        self.assertEqual(said.count("[       OK ] First.Passes"), 1, "nothing is run twice")

    def test_a_program_that_cannot_run_here_is_skipped(self):
        self.assertEqual(self.rerun("sh", "-c", "exit 77")[0], 77)

    def test_a_program_that_ends_before_its_first_test_is_not_started_for_ever(self):
        code, said = self.rerun("sh", "-c", "exit 5")
        self.assertEqual((code, json.loads(said)["crashed"]), (1, ["outside of tests, with code 5"]))


if __name__ == "__main__":
    unittest.main()
