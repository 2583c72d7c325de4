"""When a rank is killed, stopped or fails, the others save the last step that any of them has applied: the next start begins there, loses at most the step under way, and the run
ends with the bits of an undisturbed one. Rarely a checkpoint is due, so that nothing else can be begun from."""
import json
import os
import re
import signal
import time
import unittest

import runs
from deadline import HANGS_S
from launched import Launched, drawn, record, times

RANKS = 4
FAULTY = os.environ["VAE_DIST_FAULTY"]
STEPS_A_FAULT = 150  # planned; a fault comes within the first 30 of a start, or later where steps are fast
LATE = 4            # the log is written two steps late, by a rank that may be a step behind, and a step may be under way
SETTINGS = ["model.hidden_dims=[32, 64]", "train.global_batch=40", "distributed.replicas=4", "distributed.reproducible=true", "checkpoint.every_steps=0",
            "distributed.timeout_s=10", "train.ema_decay=0.9"]
SAVED = re.compile(r"saved the last step before the failure, (\d+): the same command continues from it")
TABLE = re.compile(r"^ *steps  +(?:from (\d+) to )?\d+ \(", re.MULTILINE)
EXIT_CODES = {"SIGKILL": 128 + signal.SIGKILL, "SIGSTOP": 4, "failing": 3}


class Survivors(Launched):
    def steps_logged(self, name):
        times_of_steps = ("step_seconds", "samples_per_second", "data_wait_seconds", "allreduce_wait_seconds")
        return [{key: value for key, value in entry.items() if key not in times_of_steps} for entry in self.log(name) if "loss" in entry]

    def check_the_end_is_that_of_an_undisturbed_run(self, name, planned):
        self.train("undisturbed_" + name, *SETTINGS, f"train.steps={planned}", np=RANKS)
        self.assertEqual(self.steps_logged(name), self.steps_logged("undisturbed_" + name), "each step is logged once, with the same values")
        self.assertEqual(self.weights(name, planned), self.weights("undisturbed_" + name, planned))
        states = [json.loads((self.checkpoint(of, planned) / "state.json").read_text()) for of in (name, "undisturbed_" + name)]
        self.assertEqual(*states)

    def check_saved(self, name, step):
        """The checkpoint is there, whole, and says where it comes from. Nothing half-written is left."""
        manifest = json.loads((self.checkpoint(name, step) / "manifest.json").read_text())
        self.assertTrue(manifest["after_failure"])
        names = [path.name for path in (self.run_path(name) / "checkpoints").iterdir()]
        self.assertFalse([each for each in names if each.startswith(".tmp") or "broken" in each])

    def inject(self, kind, process, name, goal, random, is_over):
        """Waits until the log has reached the step `goal`, then kills or stops a rank. A failing rank fails by itself at that step."""
        if kind == "failing":
            return
        self.wait_until(lambda: is_over() or self.last_step(name) >= goal, HANGS_S, f"step {goal}")
        self.assertFalse(is_over(), process.said())
        time.sleep(random.uniform(0, 0.1))
        ranks = process.ranks()
        os.kill(ranks[random.choice(sorted(ranks))], signal.SIGKILL if kind == "SIGKILL" else signal.SIGSTOP)

    def planted(self, random, kind, start):
        """The environment in which a rank fails in this step of this start."""
        return {"VAE_DIST_FAULT": f"throw rank={random.randrange(RANKS)} step={random.randrange(3, 18)} times=1", "VAE_DIST_FAULT_RESTART": str(start)} if kind == "failing" else {}


class UnderPlainMpirun(Survivors):
    def start_plain(self, planned, environment):
        said = self.folder / "said.txt"
        with open(said, "w") as output:
            process = self.start("train", "--config", "run.yaml", "run.name=plain", *runs.SMALL, *SETTINGS, f"train.steps={planned}", np=RANKS, program=FAULTY, output=output,
                                 env={"VAE_DIST_JOB_RESTART": "0", **runs.patient(5), **environment})
        process.said = said.read_text
        self.addCleanup(self.end, process)
        return process

    def test_the_next_start_begins_at_the_last_step_of_those_that_were_left(self):
        kinds = ["SIGKILL", "SIGSTOP"] * times(1, 4) + ["failing"] * times(0, 2)
        random = drawn(f"{len(kinds)} faults under mpirun")
        planned, step, table = STEPS_A_FAULT * len(kinds), 0, []
        for kind in kinds:
            process = self.start_plain(planned, self.planted(random, kind, 0))
            self.inject(kind, process, "plain", step + random.randrange(1, 18), random, lambda: process.poll() is not None)
            self.assertEqual(self.wait_for_end(process), EXIT_CODES[kind], process.said())
            self.assertRegex(process.said(), r"lost rank +the others save the last step: mpirun leaves them 10 s")
            self.assertEqual(int(TABLE.search(process.said())[1] or 0), step, "it began at the last step of the start before")
            reached = self.last_step("plain")
            files = [json.loads(path.read_text()) for path in (self.run_path("plain") / "survivors").glob("*_rank_*.json")]
            saved = SAVED.search(process.said())
            self.assertTrue(saved, process.said())
            step = int(saved[1])
            self.assertEqual(step, max(file["step"] for file in files))
            self.assertLessEqual(reached, step)
            self.assertLessEqual(step, reached + LATE)
            self.assertEqual(self.checkpoints("plain")[-1], step)
            self.check_saved("plain", step)
            table.append((kind, sorted((file["rank"], file["step"]) for file in files), step))
        for row in table:
            print("plain mpirun:", *row, flush=True)
        self.train("plain", *SETTINGS, f"train.steps={planned}", np=RANKS)
        self.check_the_end_is_that_of_an_undisturbed_run("plain", planned)
        record("a rank of 4 killed, stopped or failing, plain mpirun, no checkpoint due", len(kinds), "the others saved the last step that any of them had applied", 1)


class DuringAnEvaluation(Survivors):
    # An epoch has 5 steps. The evaluation of the first one would take for ever.
    EVALUATED = ["train.steps=10", "data.validation={file: shapes.h5, dataset: imgs, rows: [100, 200]}", "evaluate.every_epochs=1", "evaluate.batch=10"]

    def test_the_weights_and_not_their_average_are_saved_and_the_evaluation_is_made_first(self):
        said = self.folder / "evaluating.txt"
        with open(said, "w") as output:
            process = self.start("train", "--config", "run.yaml", "run.name=evaluating", *runs.SMALL, *SETTINGS, *self.EVALUATED, "evaluate.importance_samples=1000000000", np=RANKS, output=output, env=runs.patient(5))
        process.said = said.read_text
        self.addCleanup(self.end, process)
        self.wait_for_step(process, "evaluating", 5)
        os.kill(process.ranks()[0], signal.SIGKILL)
        self.assertEqual(self.wait_for_end(process), EXIT_CODES["SIGKILL"], process.said())
        self.check_saved("evaluating", 5)
        self.assertEqual(json.loads((self.checkpoint("evaluating", 5) / "state.json").read_text())["awaits_evaluation"], 1)
        self.train("evaluating", *SETTINGS, *self.EVALUATED, np=RANKS)
        self.train("undisturbed", *SETTINGS, *self.EVALUATED, np=RANKS)
        self.assertEqual([entry.get("loss") for entry in self.log("evaluating") if "loss" in entry], [entry.get("loss") for entry in self.log("undisturbed") if "loss" in entry])
        self.assertEqual(self.weights("evaluating", 10), self.weights("undisturbed", 10))


class UnderTheLauncher(Survivors):
    def now(self, process):
        """What the latest start has said."""
        return process.said().rpartition("vae_launch: mpirun ")[2]

    def test_it_starts_again_at_the_last_step_of_those_that_were_left(self):
        kinds = ["SIGKILL", "failing"] * times(1, 4) + ["SIGSTOP"] * times(0, 2)
        random = drawn(f"{len(kinds)} faults under vae_launch")
        planned, step, table = STEPS_A_FAULT * len(kinds), 0, []
        # The program fails in one start only, so a run of several failing starts has several launchers.
        while kinds:
            part = [kinds.pop(0)]
            while kinds and "failing" not in part:
                part.append(kinds.pop(0))
            environment = {**runs.patient(5), **self.planted(random, part[-1], len(part) - 1)}
            last = not kinds
            process = self.launch("launched", f"train.steps={planned}", np=RANKS, settings=SETTINGS, options=["--max-restarts", 3, "--first-pause", 0.2], program=FAULTY,
                                  environment=environment, rank_program=FAULTY)
            for number, kind in enumerate(part, start=1):
                self.wait_until(lambda: process.poll() is not None or (self.starts(process) == number and TABLE.search(self.now(process))), HANGS_S, f"start {number}")
                self.assertIsNone(process.poll(), process.said())
                self.assertEqual(int(TABLE.search(self.now(process))[1] or 0), step, "it began at the last step of the start before")
                self.inject(kind, process, "launched", step + random.randrange(1, 18), random, lambda: process.poll() is not None)
                self.wait_until(lambda: process.poll() is not None or self.starts(process) > number, HANGS_S, "the next start")
                self.assertIsNone(process.poll(), process.said())
                saved = SAVED.findall(process.said())
                self.assertEqual(len(saved), number, process.said())
                step = int(saved[-1])
                table.append((kind, step))
                self.wait_until(lambda: process.poll() is not None or TABLE.search(self.now(process)), HANGS_S, "its training")
                self.assertEqual(int(TABLE.search(self.now(process))[1] or 0), step, process.said())
                self.check_saved("launched", step)
            if not last:
                self.wait_for_step(process, "launched", step + 1)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(self.wait_for_end(process), 75, process.said())
                step = self.checkpoints("launched")[-1]
        self.assertEqual(self.wait_for_end(process), 0, process.said())
        for row in table:
            print("vae_launch:", *row, flush=True)
        self.check_the_end_is_that_of_an_undisturbed_run("launched", planned)
        record("a rank of 4 killed, stopped or failing, vae_launch, no checkpoint due", len(table), "started again at the last step that any of the others had applied", 1)


if __name__ == "__main__":
    unittest.main()
