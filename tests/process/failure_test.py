"""A failing run ends quickly, and its run directory can be read and resumed from."""
import json
import os
import re
import signal
import unittest

import numpy

from comparing import loss_differences, read_safetensors
from deadline import HANGS_S
from ranks import is_alive
from runs import SMALL, RunFolder, patient


class LostRank(RunFolder):
    # Steps slow enough for a signal to arrive between two checkpoints.
    STEPS = ["model.hidden_dims=[32, 64]", "train.global_batch=40", "distributed.replicas=2", "train.precision=fp64", "checkpoint.every_steps=4"]

    def start_and_kill(self, name, rank, signal_number):
        """Sends the signal to one of two ranks after some steps. Returns mpirun's exit code and output once all ranks have exited.
        (If the loss were not noticed, a timeout would end the run with exit code 4.)"""
        process = self.start("train", "--config", "run.yaml", f"run.name={name}", *SMALL, *self.STEPS, "train.steps=100000", np=2, env=patient(5))
        try:
            log = self.run_path(name) / "metrics.jsonl"
            self.wait_until(lambda: process.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= 10), HANGS_S, "step 10")
            ranks = process.ranks()
            self.assertEqual(sorted(ranks), [0, 1])
            self.logged = log.read_bytes().count(b"\n")
            os.kill(ranks[rank], signal_number)
            output, _ = process.communicate(timeout=HANGS_S)
            self.wait_until(lambda: not any(is_alive(pid) for pid in ranks.values()), HANGS_S, "the end of every rank")
            return process.returncode, output
        finally:
            process.kill()
            process.communicate()

    def test_kill_of_any_rank_ends_all_and_the_run_goes_on_from_the_step_that_the_other_saved(self):
        for rank in (0, 1):
            with self.subTest(rank=rank):
                name = f"killed_{rank}"
                code, output = self.start_and_kill(name, rank, signal.SIGKILL)
                self.assertEqual(code, 128 + signal.SIGKILL, output)

                reached = int(self.checkpoint(name).name.removeprefix("step_"))
                self.assertGreaterEqual(reached, self.logged, output)
                if reached % 4:  # otherwise the run itself may just have saved it
                    self.assertIn(f"saved the last step before the failure, {reached}", output)
                done = self.train(name, *self.STEPS, f"train.steps={reached + 6}")
                self.assertIn(f"from {reached} to {reached + 6}", done.stderr)
                self.assertEqual([record["step"] for record in self.log(name) if "loss" in record], list(range(1, reached + 7)))

                self.train(f"undisturbed_{rank}", *self.STEPS, f"train.steps={reached + 6}")
                self.assertLess(max(loss_differences(self.steps(name), self.steps(f"undisturbed_{rank}")).values()), 1e-9)

    def test_term_of_one_rank_ends_all_with_a_checkpoint(self):
        code, output = self.start_and_kill("terminated", 1, signal.SIGTERM)
        self.assertEqual(code, 75, output)
        last = max(self.steps("terminated"))
        self.assertEqual(self.checkpoint("terminated").name, f"step_{last:08d}")
        self.assertFalse(list((self.run_path("terminated") / "errors").iterdir()))


class SkippedSteps(RunFolder):
    ALWAYS = ["train.steps=100", "train.skip_step_above_norm=1e-12", "train.max_skipped_steps=6", "checkpoint.every_steps=1", "checkpoint.keep=20",
              "distributed.replicas=2"]

    def weights(self, name, step):
        return self.checkpoint(name, step) / "weights.safetensors"

    def samples_named(self, stderr):
        named = re.search(r"data.train samples of the last step were ([0-9, ]+)\.", stderr)
        self.assertTrue(named, stderr)
        return [int(sample) for sample in named[1].split(", ")]

    def test_skipped_steps_change_nothing_and_too_many_end_the_run_naming_the_samples(self):
        named = {}
        for np in (None, 2):
            name = f"skipped_{np}"
            done = self.train(name, *self.ALWAYS, np=np, check=False)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertEqual(len(re.findall("^vae_dist: ", done.stderr, re.MULTILINE)), 1, done.stderr)
            self.assertIn("No step of this run was ever taken", done.stderr)
            named[np] = self.samples_named(done.stderr)
            self.assertEqual(len(set(named[np])), 16)
            self.assertLess(max(named[np]), 200)
            self.assertEqual({record["skipped"] for record in self.steps(name).values()}, {1})
        self.assertEqual(named[None], named[2])
        self.assertIn("all 3 steps of this run were skipped", self.train("all_skipped", *self.ALWAYS, "train.steps=3").stderr)

        # The state is byte-identical from the first step to the last, at both world sizes.
        states = {self.weights(f"skipped_{np}", step).read_bytes() for np in (None, 2) for step in (1, 3, 5)}
        self.assertEqual(len(states), 1)
        optimizer = read_safetensors(self.checkpoint("skipped_2", 5) / "optimizer.safetensors")
        self.assertFalse(any(tensor.any() for tensor in optimizer.values()))

        # It is the initial state: a learning rate of 0 keeps the trained weights, and statistics begin at 0 and 1.
        self.train("initial", "train.steps=1", "train.optimizer.learning_rate=0", "distributed.replicas=2")
        initial = read_safetensors(self.weights("initial", 1))
        skipped = read_safetensors(self.weights("skipped_2", 5))
        begins = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
        for name, tensor in skipped.items():
            kind = name.rpartition(".")[2]
            expected = begins[kind] if kind in begins else initial[name]
            self.assertTrue(numpy.array_equal(tensor, numpy.broadcast_to(expected, tensor.shape)), name)

    def test_a_step_that_is_not_finite_is_skipped_on_all_ranks_alike(self):
        # The first step moves the weights so far that every later loss overflows.
        overrides = ["train.steps=4", "train.optimizer.learning_rate=1e30", "checkpoint.every_steps=1", "checkpoint.keep=20",
                     "distributed.replicas=2"]
        for np in (None, 2):
            name = f"overflow_{np}"
            self.train(name, *overrides, np=np)
            self.assertEqual([record["skipped"] for _, record in sorted(self.steps(name).items())], [0, 1, 1, 1])
            self.assertEqual(self.weights(name, 1).read_bytes(), self.weights(name, 4).read_bytes())
            state = json.loads((self.checkpoint(name, 4) / "state.json").read_text())
            self.assertEqual((state["step"], state["optimizer_step"], state["skipped_steps"]), (4, 1, 3))

    def test_only_steps_above_the_norm_are_skipped_at_every_world_size(self):
        for np in (None, 2):
            self.train(f"some_{np}", "train.steps=12", "train.skip_step_above_norm=0.51", "train.precision=fp64", "distributed.replicas=2", np=np)
            for record in self.steps(f"some_{np}").values():
                self.assertEqual(record["skipped"], int(record["gradient_norm"] > 0.51))
        skipped = [record["skipped"] for _, record in sorted(self.steps("some_2").items())]
        self.assertEqual(skipped, [record["skipped"] for _, record in sorted(self.steps("some_None").items())])
        self.assertTrue(0 < sum(skipped) < 12, skipped)


class RunDirectory(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("run", "train.steps=26", "train.precision=fp64", "distributed.replicas=1", "checkpoint.every_steps=10", "pictures.every_epochs=1",
                  "pictures.samples=4", "pictures.reconstructions=4")

    def test_it_holds_what_the_readme_says_and_nothing_else(self):
        files = {str(path.relative_to(self.run_path("run"))) for path in self.run_path("run").rglob("*") if path.is_file()}
        events = {file for file in files if file.startswith("tensorboard/")}
        self.assertEqual(len(events), 1, events)
        files -= events
        checkpoint = {"manifest.json", "weights.safetensors", "optimizer.safetensors", "state.json", "config.yaml", "config.json"}
        # Two epochs of 12 steps, and the end. Two checkpoints are kept.
        expected = {"config.yaml", "metrics.jsonl", "terms.json", "report.html", "environment.json", "checkpoint_time.json"}
        expected |= {f"checkpoints/step_{step:08d}/{file}" for step in (20, 26) for file in checkpoint}
        expected.add("checkpoints/step_00000026/state_evaluated.json")  # the last step is evaluated once it is saved
        expected |= {f"pictures/{kind}_{step:08d}.png" for kind in ("samples", "reconstructions") for step in (12, 24, 26)}
        self.assertEqual(files, expected)

    def test_its_config_is_resolved_and_starts_the_same_run(self):
        done = self.program("--config", self.run_path("run") / "config.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("nothing left to do", done.stderr)

    def test_floats_of_the_log_read_back_to_the_same_bits(self):
        # With one replica the program computes each loss as this sum in doubles, so one lost bit in any of the three would show.
        records = self.steps("run")
        self.assertEqual(len(records), 26)
        for record in records.values():
            self.assertEqual(record["loss"], record["reconstruction_loss"] + record["kld_weight"] * record["kld"])
        self.assertEqual(records[1]["kld_weight"], 0.00025 * 16 / 64)
        self.assertGreater(max(len(repr(record["kld"])) for record in records.values()), 16)

    def test_records_have_every_field(self):
        fields = {"step", "epoch", "loss", "reconstruction_loss", "kld", "kld_weight", "learning_rate", "gradient_norm", "samples_per_second",
                  "step_seconds", "data_wait_seconds", "allreduce_wait_seconds"}
        for record in self.steps("run").values():
            self.assertLessEqual(fields, record.keys())
        evaluated = [record for record in self.log("run") if "evaluated" in record]
        self.assertEqual([(record["step"], record["evaluated"], record["samples"]) for record in evaluated], [(26, "training", 200)])


if __name__ == "__main__":
    unittest.main()
