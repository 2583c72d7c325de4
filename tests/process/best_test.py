"""The best checkpoint and early stopping compare by a measure that does not move while beta or the capacity does."""
import json
import unittest

from runs import RunFolder

# Losses in nats. What the code is worth is learned within 100 steps, while the weight of its KL rises until step 360.
STEPS, END = 400, 360
TRAINING = ["model.name=mlp_vae", "model.hidden_dims=[32]", "objective.reduction=sum", f"train.steps={STEPS}", "train.optimizer.learning_rate=0.01", "data.validation.fraction=0.2",
            "evaluate.every_steps=20"]
WARM_UP = ["objective.sigma=0.2", f"objective.beta={{schedule: linear, to: 20, steps: {END}}}"]
FREE_BITS = ["objective.sigma=0.3", f"objective.beta={{schedule: linear, to: 10, steps: {END}}}", "objective.free_bits=3"]
CAPACITY = ["objective.sigma=0.2", f"objective.capacity={{gamma: 1, max_nats: 150, steps: {END}}}"]


class Best(RunFolder):
    def evaluations(self, name):
        return [record for record in self.log(name) if "evaluated" in record]

    def newest_state(self, name):
        folder = self.checkpoint(name)
        evaluated = folder / "state_evaluated.json"
        return json.loads((evaluated if evaluated.exists() else folder / "state.json").read_text())

    def best_by(self, name, term, sign=1):
        """The step of the first evaluation with the least (sign -1: the largest) value."""
        return min(self.evaluations(name), key=lambda record: sign * record[term])["step"]

    def assert_best_is_late(self, name, *schedule):
        done = self.train(name, *TRAINING, *schedule)
        # The loss as it was weighted at each step calls an early checkpoint the best one, and would go on to do so: this is what was compared before.
        moving, still = self.best_by(name, "evaluation_loss"), self.best_by(name, "evaluation_final_loss")
        self.assertLess(moving, END)
        self.assertGreater(still, moving)
        state = self.newest_state(name)
        self.assertEqual((state["best_step"], state["best_measure"]), (still, "final_loss"))
        self.assertEqual(state["best_validation_loss"], min(record["evaluation_final_loss"] for record in self.evaluations(name)))
        self.assertTrue(self.checkpoint(name, still).exists())
        self.assertFalse(self.checkpoint(name, moving).exists(), "it was only the best for a while")
        self.assertRegex(done.stderr, rf"best validation +loss at the final weights \S+ at step {still}\n")
        self.assertIn("Best validation loss at the final weights", (self.run_path(name) / "report.html").read_text())
        # The loss that is reported remains that of the step.
        self.assertEqual(self.evaluations(name)[-1]["evaluation_loss"], self.evaluations(name)[-1]["evaluation_final_loss"])
        self.assertNotEqual(self.evaluations(name)[0]["evaluation_loss"], self.evaluations(name)[0]["evaluation_final_loss"])

    def test_with_a_warm_up_of_beta(self):
        self.assert_best_is_late("warm_up", *WARM_UP)

    def test_with_free_bits(self):
        self.assert_best_is_late("free_bits", *FREE_BITS)

    def test_with_a_capacity_that_rises(self):
        self.assert_best_is_late("capacity", *CAPACITY)

    def test_a_warm_up_does_not_stop_the_run(self):
        patience = 4
        self.train("patient", *TRAINING, *FREE_BITS, f"train.early_stop.patience={patience}")
        evaluations = self.evaluations("patient")
        best = self.best_by("patient", "evaluation_loss")
        worse = [record for record in evaluations if record["step"] > best]
        self.assertGreater(len(worse), patience, "by the loss of the step it would have stopped")
        self.assertEqual(evaluations[-1]["step"], STEPS)

    def test_by_the_bound(self):
        done = self.train("bound", *TRAINING, *WARM_UP, "checkpoint.best=elbo", "train.early_stop.metric=elbo", "train.early_stop.patience=100")
        best = self.best_by("bound", "elbo_nats", sign=-1)
        self.assertEqual((self.newest_state("bound")["best_step"], self.newest_state("bound")["best_measure"]), (best, "elbo_nats"))
        self.assertEqual(self.newest_state("bound")["best_stop_metric"], max(record["elbo_nats"] for record in self.evaluations("bound")))
        self.assertRegex(done.stderr, rf"best validation +ELBO \S+ at step {best}\n")
        self.assertIn("Best validation ELBO", (self.run_path("bound") / "report.html").read_text())

    def test_another_measure_forgets_the_best_and_says_so_once(self):
        self.train("changed", *TRAINING, "train.steps=60")
        self.assertEqual(self.newest_state("changed")["best_measure"], "loss")
        resumed = self.train("changed", *TRAINING, "train.steps=80", "checkpoint.best=mse")
        self.assertIn("was chosen by the loss. This run compares by the MSE (checkpoint.best), so it is forgotten.", resumed.stderr)
        self.assertEqual((self.newest_state("changed")["best_step"], self.newest_state("changed")["best_measure"]), (80, "mse"))
        again = self.train("changed", *TRAINING, "train.steps=100", "checkpoint.best=mse")
        self.assertNotIn("forgotten", again.stderr)

    def test_a_name_without_a_meaning_here_is_refused_before_the_first_step(self):
        for key, name in (("checkpoint.best", "fid"), ("train.early_stop.metric", "log_p_of_64_draws")):
            refused = self.train("refused", *TRAINING, f"{key}={name}", np=2, check=False)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertEqual(refused.stderr.count(f"{key} is {name}, which this run's evaluations do not have; choose one of loss, reconstruction_loss, kld, mse, active_units, "
                                                  "elbo_nats, bits_per_dim"), 1, refused.stderr)
            self.assertFalse((self.run_path("refused") / "metrics.jsonl").exists())


if __name__ == "__main__":
    unittest.main()
