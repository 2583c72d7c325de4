"""`vae_dist runs`: what it tells of runs that are finished, stopped, failed and running."""
import json
import os
import signal
import subprocess
import time
import unittest

from deadline import HANGS_S
from runs import BINARY, SMALL, RunFolder, end_process


class Runs(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write_config("run.yaml", "run: {name: run}\ndata: {train: {file: shapes.h5, dataset: imgs, rows: [0, 160]}, validation: {file: shapes.h5, dataset: imgs, rows: [160, 200]}}\n")
        cls.train("finished", "train.steps=20", "evaluate.every_steps=5")
        cls.train("by_epochs", "train.epochs=2", "evaluate.every_epochs=1", "train.optimizer.learning_rate=0.0001", "run.directory=runs/sweep")

    def listed(self, *arguments):
        """The list, by name, and what was printed."""
        done = self.program("runs", *arguments, "--json", "runs.json", check=True)
        (self.folder / "runs.json").rename(self.folder / "last.json")
        return json.loads((self.folder / "last.json").read_text()), done.stdout

    def of(self, name):
        return next(run for run in self.listed()[0] if run["name"] == name)

    def test_a_finished_run_with_its_best_evaluation(self):
        run = self.of("finished")
        self.assertEqual((run["state"], run["step"], run["steps_planned"]), ("finished", 20, 20))
        evaluations = [record for record in self.log("finished") if "evaluated" in record]
        best = min(evaluations, key=lambda record: record["evaluation_loss"])
        self.assertEqual(run["best"], {"measure": "loss", "value": best["evaluation_loss"], "step": best["step"]})
        speeds = sorted(record["samples_per_second"] for record in self.log("finished") if "loss" in record)
        self.assertEqual(run["samples_per_second"], speeds[10])
        self.assertLess(run["age_seconds"], HANGS_S)

    def test_a_run_below_another_folder_whose_length_is_in_epochs(self):
        run = self.of("sweep/by_epochs")
        self.assertEqual((run["state"], run["step"], run["steps_planned"]), ("finished", 20, 20))

    def test_a_stopped_run_and_the_run_while_it_goes_on(self):
        process = self.start("train", "--config", "run.yaml", "run.name=stopped", *SMALL, "train.steps=100000", output=subprocess.DEVNULL)
        self.addCleanup(end_process, process)
        log = self.run_path("stopped") / "metrics.jsonl"
        self.wait_until(lambda: process.poll() is not None or log.exists() and log.stat().st_size > 0, HANGS_S, "the first step")
        self.assertEqual(self.of("stopped")["state"], "running")
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(timeout=HANGS_S), 75)
        run = self.of("stopped")
        self.assertEqual((run["state"], run["step"], run["steps_planned"], run["best"]), ("stopped", max(self.steps("stopped")), 100000, None))

    def test_a_killed_run_has_failed(self):
        process = self.start("train", "--config", "run.yaml", "run.name=killed", *SMALL, "train.steps=100000", output=subprocess.DEVNULL)
        self.addCleanup(end_process, process)
        log = self.run_path("killed") / "metrics.jsonl"
        self.wait_until(lambda: process.poll() is not None or log.exists() and log.stat().st_size > 0, HANGS_S, "the first step")
        process.kill()
        process.wait(timeout=HANGS_S)
        self.assertTrue((self.run_path("killed") / "lock.json").exists())
        self.assertEqual(self.of("killed")["state"], "failed")

    def test_a_run_that_ended_with_an_error_has_failed(self):
        done = self.train("diverged", "train.steps=40", "train.optimizer.learning_rate=1e30", "train.max_skipped_steps=1", check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(self.of("diverged")["state"], "failed")

    def test_a_run_on_another_host_is_running_as_long_as_its_heart_beats(self):
        lock = self.made("elsewhere") / "lock.json"
        lock.write_text(json.dumps({"host": "another", "processes": "pid:[1]", "pid": 1, "process_start": 1, "job": "", "restart": 0, "started": ""}))
        os.utime(lock, (time.time() + 3600, time.time() + 3600))  # so that the next line may take its time
        self.assertEqual(self.of("elsewhere")["state"], "running")
        os.utime(lock, (time.time() - 100, time.time() - 100))
        run = self.of("elsewhere")
        self.assertEqual((run["state"], run["differs"], run["best"]), ("failed", {}, None))
        self.assertIn("cannot be read", self.program("runs", check=True).stdout)

    def made(self, name):
        """A folder that looks like a run."""
        folder = self.run_path(name)
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "config.yaml").write_text("written by another version\n")
        return folder

    def test_what_cannot_be_read_does_not_hide_the_others(self):
        (self.made("broken/log") / "metrics.jsonl").symlink_to("metrics.jsonl")
        configuration = self.made("broken/configuration") / "config.yaml"
        configuration.unlink()
        configuration.symlink_to("config.yaml")
        (self.run_path("broken") / "loop").symlink_to("loop")
        for name, lock in (("lock", "[]"), ("types", json.dumps({"host": 1, "processes": [], "pid": "one", "process_start": None})), ("cut", '{"host": "a')):
            file = self.made(f"broken/{name}") / "lock.json"
            file.write_text(lock)
            os.utime(file, (time.time() - 100, time.time() - 100))
        runs, said = self.listed()
        of = {run["name"]: run for run in runs}
        self.assertEqual(of["finished"]["state"], "finished")
        for name in ("broken/log", "broken/configuration"):
            self.assertEqual(of[name]["state"], "unreadable")
            self.assertIn("Too many levels of symbolic links", of[name]["unreadable"])
            self.assertRegex(said, rf"(?m)^{name} +unreadable .*Too many levels of symbolic links")
        for name in ("lock", "types", "cut"):
            self.assertEqual((of[f"broken/{name}"]["state"], of[f"broken/{name}"]["unreadable"]), ("failed", None))
        self.assertNotIn("broken/loop", of)

    def test_what_must_not_be_read_does_not_hide_the_others(self):
        log = self.made("../guarded/log") / "metrics.jsonl"
        log.write_text("")
        closed = self.made("../guarded/closed")
        self.made("../guarded/open")
        for path in (closed, log):
            self.addCleanup(path.chmod, 0o700)
            path.chmod(0)
        # Without these rights root is refused as others are.
        as_others = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
        done = subprocess.run([*as_others, BINARY, "runs", "guarded"], cwd=self.folder, text=True, capture_output=True, timeout=HANGS_S, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line.split()[:2] for line in done.stdout.splitlines()[1:]], [["closed", "unreadable"], ["log", "unreadable"], ["open", "stopped"]])
        self.assertEqual(done.stdout.count("Permission denied"), 2)

    def test_one_run_and_none(self):
        self.assertEqual([run["name"] for run in self.listed("runs/finished/")[0]], ["finished"])
        (self.folder / "empty").mkdir()
        self.assertEqual(self.listed("empty", "--sort", "train.steps"), ([], "no runs below empty\n"))

    def test_what_differs(self):
        runs, said = self.listed("runs")
        of = {run["name"]: run["differs"] for run in runs}
        self.assertEqual(of["finished"]["train.optimizer.learning_rate"], "0.001")
        self.assertEqual(of["sweep/by_epochs"]["train.optimizer.learning_rate"], "1.0e-04")
        self.assertNotIn("run.name", of["finished"])
        self.assertNotIn("model.name", of["finished"])
        line = next(line for line in said.splitlines() if line.startswith("finished "))
        self.assertIn("20 of 20", line)
        self.assertIn("train.optimizer.learning_rate=0.001", line)

    def test_sorts(self):
        sweep = "runs/sorted"
        for name, rate in (("a", "0.002"), ("b", "0.0002"), ("c", "0.02")):
            self.train(name, "train.steps=10", "evaluate.every_steps=10", f"train.optimizer.learning_rate={rate}", f"run.directory={sweep}")
        names = lambda *arguments: [run["name"] for run in self.listed(sweep, *arguments)[0]]
        self.assertEqual(names(), ["a", "b", "c"])
        self.assertEqual(names("--sort", "train.optimizer.learning_rate"), ["b", "a", "c"])
        runs, _ = self.listed(sweep, "--sort", "best")
        values = [run["best"]["value"] for run in runs]
        self.assertEqual(values, sorted(values))
        self.assertEqual([set(run["differs"]) for run in runs], 3 * [{"train.optimizer.learning_rate"}])

    def test_refuses_what_is_not_there(self):
        done = self.program("runs", "--sort", "train.optimizer.learning_rte")
        self.assertEqual(done.returncode, 2)
        self.assertIn("did you mean 'train.optimizer.learning_rate'?", done.stderr)
        done = self.program("runs", "nowhere")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no folder nowhere", done.stderr)


if __name__ == "__main__":
    unittest.main()
