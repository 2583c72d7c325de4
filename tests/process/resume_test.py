"""A run can stop at any step and resume with another number of ranks, and its curve is that of a run that never stopped."""
import json
import os
import shutil
import signal
import subprocess
import unittest

from comparing import loss_differences, read_safetensors
from deadline import HANGS_S
from ranks import is_alive, signal_all
from runs import BINARY, SMALL, SOURCE, RunFolder

STOPPED = 75


class Resume(RunFolder):
    """R = 4 in fp64; an epoch has 12 steps."""

    REPLICAS = ["distributed.replicas=4", "train.precision=fp64"]

    def state(self, name, step=None):
        return json.loads((self.checkpoint(name, step) / "state.json").read_text())

    def files_of(self, name, step):
        return [(self.checkpoint(name, step) / file).read_bytes() for file in ("weights.safetensors", "optimizer.safetensors")]

    def assert_each_step_once(self, name, last):
        self.assertEqual([record["step"] for record in self.log(name) if "loss" in record], list(range(1, last + 1)))

    def assert_same_curve(self, name, reference):
        # Seen: 6e-16 at any step.
        self.assertLess(max(loss_differences(self.steps(name), self.steps(reference)).values()), 1e-9)


class PlannedStops(Resume):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("whole", "train.steps=40", *cls.REPLICAS, np=2)

    def test_four_ranks_then_one_then_two_give_the_undisturbed_curve(self):
        for np, steps in ((4, 17), (1, 29), (2, 40)):
            self.train("moved", f"train.steps={steps}", *self.REPLICAS, np=np)
            state = self.state("moved")
            # Each stop is in mid-epoch: 5 steps of 16 samples into the second epoch, 5 into the third, 4 into the fourth.
            self.assertEqual((state["step"], state["epoch"], state["position"]), (steps, steps // 12, steps % 12 * 16))
            self.assert_each_step_once("moved", steps)
        self.assert_same_curve("moved", "whole")

    def test_a_stop_changes_no_bit_at_the_same_number_of_ranks(self):
        for steps in (17, 40):
            self.train("stopped", f"train.steps={steps}", *self.REPLICAS, np=2)
        self.assertEqual(self.files_of("stopped", 40), self.files_of("whole", 40))
        self.assertEqual([record["loss"] for record in self.steps("stopped").values()], [record["loss"] for record in self.steps("whole").values()])

    def test_the_same_run_again_gives_the_same_bytes(self):
        self.train("again", "train.steps=40", *self.REPLICAS, np=2)
        self.assertEqual(self.files_of("again", 40), self.files_of("whole", 40))
        # A run with other weights differs.
        self.train("seeded", "train.steps=40", "run.seed=1266", *self.REPLICAS, np=2)
        self.assertNotEqual(self.files_of("seeded", 40), self.files_of("whole", 40))

    def test_replicas_are_kept_from_the_first_start(self):
        self.train("kept", "train.steps=5", "train.precision=fp64", np=4)
        self.train("kept", "train.steps=9", "train.precision=fp64", np=1)
        self.assertEqual(self.state("kept")["replicas"], 4)
        whole = {step: record for step, record in self.steps("whole").items() if step <= 9}
        self.assertLess(max(loss_differences(self.steps("kept"), whole).values()), 1e-9)

    def test_a_finished_run_says_so_and_leaves_everything_as_it_is(self):
        self.train("finished", "train.steps=3", np=2)
        before = (self.run_path("finished") / "metrics.jsonl").read_bytes()
        done = self.train("finished", "train.steps=3", np=2)
        self.assertEqual(done.returncode, 0)
        self.assertIn("nothing left to do", done.stderr)
        self.assertEqual((self.run_path("finished") / "metrics.jsonl").read_bytes(), before)

        self.train("finished", "train.steps=5", np=2)
        self.assert_each_step_once("finished", 5)


class Beginnings(Resume):
    """Runs that begin from a checkpoint of another run: `parent`, 10 steps long, with checkpoints of steps 5 and 10."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("parent", "train.steps=10", "checkpoint.every_steps=5", *cls.REPLICAS)

    def train_from(self, *arguments, check=True, **options):
        return self.program("train", "--from", *arguments, check=check, **options)

    def test_a_checkpoint_that_a_run_is_to_resume_is_only_its_beginning(self):
        shutil.copytree(self.run_path("parent"), self.folder / "lent")
        command = ["checkpoint.resume=lent/checkpoints/step_00000005", "checkpoint.every_steps=4", *self.REPLICAS]
        self.train("other", "train.steps=9", *command, np=2)
        self.assertEqual(sorted(self.steps("other")), [6, 7, 8, 9])
        # A requeued job has the same command line. It loses no step and no longer needs the other run.
        shutil.rmtree(self.folder / "lent")
        self.train("other", "train.steps=14", *command, np=4)
        self.assertEqual(sorted(self.steps("other")), list(range(6, 15)))
        self.assertEqual(self.state("other")["step"], 14)
        self.train("whole", "train.steps=14", *self.REPLICAS)
        self.assertLess(max(loss_differences(self.steps("other"), {step: record for step, record in self.steps("whole").items() if step > 5}).values()), 1e-9)

    def test_a_later_checkpoint_than_the_runs_own_is_gone_on_from(self):
        self.train("behind", "train.steps=3", *self.REPLICAS)
        self.train("behind", "train.steps=12", "checkpoint.resume=runs/parent", *self.REPLICAS)
        self.assertEqual(sorted(self.steps("behind")), [1, 2, 3, 11, 12])
        # Once the run has begun there, its own checkpoints take precedence, even if the other run gets further.
        shutil.copytree(self.run_path("parent"), self.run_path("ahead"))
        self.train("ahead", "train.steps=20", *self.REPLICAS)
        self.train("follower", "train.steps=12", "checkpoint.resume=runs/parent", *self.REPLICAS)
        said = self.train("follower", "train.steps=14", "checkpoint.resume=runs/ahead", *self.REPLICAS).stderr
        self.assertEqual(sorted(self.steps("follower")), [11, 12, 13, 14])
        self.assertIn("it continues from that one", said)

    def test_a_run_may_have_another_name(self):
        shutil.copytree(self.run_path("parent"), self.run_path("renamed"))
        self.train("renamed", "train.steps=12", *self.REPLICAS)
        self.assert_each_step_once("renamed", 12)

    def test_a_fork_begins_with_weights_and_optimizer_and_goes_on_from_its_own_checkpoints(self):
        shutil.copytree(self.run_path("parent"), self.run_path("old"))
        command = ["runs/old", "run.name=fork", "train.optimizer.learning_rate=1e-4"]
        said = self.train_from(*command, "train.steps=4", np=2).stderr
        self.assertEqual(said.count("begins with the weights and the optimizer state of runs/old/checkpoints/step_00000010"), 1, said)
        self.assertEqual(self.files_of("fork", 0), self.files_of("old", 10))
        self.assertEqual([self.state("fork", 0)[key] for key in ("step", "epoch", "position", "begun_from")], [0, 0, 0, "runs/old/checkpoints/step_00000010"])
        self.assert_each_step_once("fork", 4)
        self.assertEqual({record["learning_rate"] for record in self.steps("fork").values()}, {1e-4})
        # The other run continues meanwhile, which does not affect the fork.
        self.train("old", "train.steps=11", *self.REPLICAS)
        said = self.train_from(*command, "train.steps=7", np=4).stderr
        self.assertIn("continues from its own checkpoint of step 4", said)
        self.assert_each_step_once("fork", 7)

    def test_a_fork_with_a_configuration_of_its_own_needs_only_weights_that_fit(self):
        command = ["runs/parent/checkpoints/step_00000005", "--config", "run.yaml", *SMALL, "run.name=own"]
        said = self.train_from(*command, "train.optimizer.name=sgd", "train.optimizer.momentum=0.9", "train.global_batch=32", "train.ema_decay=0.9", "train.steps=2").stderr
        self.assertIn("its optimizer starts afresh", said)
        begun, parent = read_safetensors(self.checkpoint("own", 0) / "weights.safetensors"), read_safetensors(self.checkpoint("parent", 5) / "weights.safetensors")
        averages = read_safetensors(self.checkpoint("own", 0) / "optimizer.safetensors")
        for name, tensor in parent.items():
            self.assertTrue((begun[name] == tensor.astype(begun[name].dtype)).all(), name)
            if f"ema.{name}" in averages:
                self.assertTrue((averages[f"ema.{name}"] == begun[name]).all(), name)
        misfit = self.train_from(*command[:-1], "run.name=misfit", "model.latent_dim=5", check=False)
        self.assertEqual(misfit.returncode, 2, misfit.stderr)
        self.assertIn("runs/parent/checkpoints/step_00000005: the weights do not fit the model", misfit.stderr)
        self.assertFalse(self.run_path("misfit").exists())

    def test_what_is_no_fork_is_refused(self):
        for arguments, says in [(["runs/parent"], "is the run \"runs/parent\" itself. Choose another run.name"),
                                (["runs/parent", "run.name=taken"], "already holds a run that did not begin with the weights of another run"),
                                (["runs/absent", "run.name=new"], "runs/absent"),
                                (["runs/parent", "run.name=new", "checkpoint.resume=runs/taken"], "keep one of them")]:
            with self.subTest(arguments):
                if "run.name=taken" in arguments and not self.run_path("taken").exists():
                    self.train("taken", "train.steps=1")
                refused = self.train_from(*arguments, check=False)
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertIn(says, refused.stderr)
                self.assertFalse(self.run_path("new").exists())
        refused = self.program("train", "run.name=new")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--config", refused.stderr)

    def test_the_launcher_starts_forks(self):
        done = subprocess.run([SOURCE / "launcher" / "vae_launch", "--program", BINARY, "--np", "2", "--", "--from", "runs/parent", "run.name=launched", "train.steps=3"],
                              cwd=self.folder, text=True, capture_output=True, timeout=HANGS_S, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assert_each_step_once("launched", 3)
        # The launcher asks the program for these keys.
        asked = ["config", "--from", "runs/parent", "run.name=launched", "--key", "run.name", "--key", "train.global_batch", "--key", "distributed.replicas"]
        self.assertEqual(self.program(*asked, check=True).stdout, "launched\n16\n4\n")


class Evaluations(Resume):
    """The checkpoint of a step is written before the step is evaluated. A run that resumes from it makes up for the evaluation."""

    DATA = ["data.validation.fraction=0.2", "evaluate.every_epochs=1", "checkpoint.every_steps=10", "train.early_stop.patience=50", "train.precision=fp64"]

    def evaluations(self, name):
        return [{key: value for key, value in record.items() if key != "seconds"} for record in self.log(name) if "evaluated" in record]

    def best(self, name):
        folder = self.checkpoint(name)
        evaluated = folder / "state_evaluated.json"
        state = json.loads((evaluated if evaluated.exists() else folder / "state.json").read_text())
        return {key: state[key] for key in ("step", "best_step", "best_validation_loss", "best_stop_metric", "evaluations_since_best", "awaits_evaluation")}

    def test_a_run_killed_in_an_evaluation_has_its_step_and_loses_no_evaluation(self):
        # 160 training images: an epoch has 10 steps.
        self.train("whole", "train.steps=30", *self.DATA, np=2)
        slow = "evaluate.importance_samples=10000000"
        process = self.start("train", "--config", "run.yaml", "run.name=killed", *SMALL, *self.DATA, "train.steps=30", slow, np=2)
        try:
            manifest = self.run_path("killed") / "checkpoints" / "step_00000010" / "manifest.json"
            self.wait_until(lambda: process.poll() is not None or manifest.exists(), HANGS_S, "the checkpoint before the evaluation")
            self.assertIsNone(process.poll(), "the run ended too early")
        finally:
            signal_all(process.ranks().values())
            process.communicate()
        self.assertEqual(self.evaluations("killed"), [], "it was killed before the end of its evaluation")
        self.train("killed", "train.steps=30", *self.DATA, np=2)
        self.assert_each_step_once("killed", 30)
        self.assertEqual(self.evaluations("killed"), self.evaluations("whole"))
        self.assertEqual([record["step"] for record in self.evaluations("killed")], [10, 20, 30])
        self.assertEqual(self.best("killed"), self.best("whole"))
        self.assertEqual(self.best("killed")["awaits_evaluation"], 0)
        self.assertEqual(self.files_of("killed", 30), self.files_of("whole", 30))

    def test_an_evaluation_within_an_epoch_is_not_lost_either(self):
        settings = [*self.DATA, "evaluate.every_epochs=0", "evaluate.every_steps=4", "checkpoint.every_steps=4", "train.steps=11"]
        self.train("whole_steps", *settings, np=2)
        process = self.start("train", "--config", "run.yaml", "run.name=killed_steps", *SMALL, *settings, "evaluate.importance_samples=10000000", np=2)
        try:
            manifest = self.run_path("killed_steps") / "checkpoints" / "step_00000004" / "manifest.json"
            self.wait_until(lambda: process.poll() is not None or manifest.exists(), HANGS_S, "the checkpoint before the evaluation")
            self.assertIsNone(process.poll(), "the run ended too early")
        finally:
            signal_all(process.ranks().values())
            process.communicate()
        self.assertEqual(self.evaluations("killed_steps"), [])
        self.train("killed_steps", *settings, np=2)
        self.assertEqual([record["step"] for record in self.evaluations("killed_steps")], [4, 8, 11])
        self.assertEqual(self.evaluations("killed_steps"), self.evaluations("whole_steps"))
        self.assertEqual(self.best("killed_steps"), self.best("whole_steps"))
        self.assertEqual(self.files_of("killed_steps", 11), self.files_of("whole_steps", 11))

    def test_a_run_stopped_where_an_evaluation_is_due_loses_none(self):
        # An epoch has a single step, so an evaluation is due whenever the run stops.
        settings = [*self.DATA, "train.global_batch=160"]
        process = self.start("train", "--config", "run.yaml", "run.name=stopped", *SMALL, *settings, "train.steps=100000")
        try:
            log = self.run_path("stopped") / "metrics.jsonl"
            self.wait_until(lambda: process.poll() is not None or (log.exists() and b"evaluated" in log.read_bytes()), HANGS_S, "the first evaluation")
            process.send_signal(signal.SIGUSR1)
            output, _ = process.communicate(timeout=HANGS_S)
        finally:
            process.kill()
            process.communicate()
        self.assertEqual(process.returncode, STOPPED, output)
        step = self.state("stopped")["step"]
        self.assertEqual([record["step"] for record in self.evaluations("stopped")], list(range(1, step)))
        self.train("stopped", *settings, f"train.steps={step + 2}")
        self.train("not_stopped", *settings, f"train.steps={step + 2}")
        self.assertEqual(self.evaluations("stopped"), self.evaluations("not_stopped"))
        self.assertEqual(self.best("stopped"), self.best("not_stopped"))


class RequestedStops(Resume):
    """Steps are slow enough for a signal between two of them."""

    STEPS = ["model.hidden_dims=[32, 64]", "train.global_batch=40", *Resume.REPLICAS]

    def start_and_signal(self, name, np, signal_number, to, after):
        """Trains on `np` ranks (None: without mpirun) until `after` steps are logged, then signals mpirun, the program or a rank. Returns
        the step after which all ranks stopped."""
        process = self.start("train", "--config", "run.yaml", f"run.name={name}", *SMALL, *self.STEPS, "train.steps=100000", np=np)
        try:
            log = self.run_path(name) / "metrics.jsonl"
            self.wait_until(lambda: process.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= after), HANGS_S, f"step {after}")
            self.assertIsNone(process.poll(), "it ended by itself")
            ranks = process.ranks() if np else {0: process.pid}
            self.assertEqual(len(ranks), np or 1)
            if to == "launcher":
                process.send_signal(signal_number)
            else:
                os.kill(ranks[to], signal_number)
            output, _ = process.communicate(timeout=HANGS_S)
        finally:
            process.kill()
            process.communicate()
        self.assertEqual(process.returncode, STOPPED, output)
        self.assertIn("stopped on request", output)
        # mpirun may return before the last rank has exited.
        self.wait_until(lambda: not any(is_alive(pid) for pid in ranks.values()), HANGS_S, "the end of all ranks")

        step = self.state(name)["step"]
        self.assertGreaterEqual(step, after)
        self.assertLess(step, 100000)
        # The checkpoint belongs to the last step in the log, on every rank.
        self.assert_each_step_once(name, step)
        self.assertEqual(self.checkpoint(name).name, f"step_{step:08d}")
        return step

    def test_a_signal_to_one_rank_to_mpirun_or_to_a_single_process_stops_all_after_the_same_step(self):
        first = self.start_and_signal("signalled", 4, signal.SIGUSR1, to=2, after=4)
        second = self.start_and_signal("signalled", 2, signal.SIGUSR1, to="launcher", after=first + 4)
        third = self.start_and_signal("signalled", None, signal.SIGUSR1, to="launcher", after=second + 4)
        last = third + 3
        self.train("signalled", *self.STEPS, f"train.steps={last}", np=2)
        self.assert_each_step_once("signalled", last)

        self.train("undisturbed", *self.STEPS, f"train.steps={last}", np=2)
        self.assert_same_curve("signalled", "undisturbed")


if __name__ == "__main__":
    unittest.main()
