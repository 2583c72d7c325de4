"""Every model and likelihood learns: after a short training by two ranks the error is below half of the mean image's, and the latent is used."""
import math
import unittest

from runs import RunFolder

STEPS = 250
TRAINING = [f"train.steps={STEPS}", "train.global_batch=32", "distributed.replicas=2", "model.hidden_dims=[16, 32]", "model.latent_dim=8", "train.optimizer.learning_rate=0.003",
            "log.every_steps=10"]
NATS = ["objective.reduction=sum"]


class Models(RunFolder):
    IMAGES = ["--count", "1500", "--size", "16", "--channels", "1"]

    def evaluation(self, name, *overrides, np=2):
        """The evaluation of the last step, on training images because no validation data are configured."""
        self.train(name, *TRAINING, *overrides, np=np)
        (record,) = [record for record in self.log(name) if "evaluated" in record]
        return record

    def assert_learned(self, name, *overrides, **options):
        record = self.evaluation(name, *overrides, **options)
        self.assertLess(record["evaluation_mse"], 0.5 * record["mean_image_mse"], name)
        self.assertGreater(record["evaluation_kld"], 2, name)
        self.assertGreater(record["active_units"], 0, name)
        return record

    def test_vanilla_vae(self):
        self.assertIn("elbo_nats", self.assert_learned("vanilla"))

    def test_learned_variance(self):
        # Training begins at sigma 1, where using a latent does not pay. The high learning rate lets the single log sigma fall far enough.
        self.assert_learned("learned", "objective.variance=learned", *NATS, "train.optimizer.learning_rate=0.02")

    def test_optimal_variance(self):
        record = self.assert_learned("optimal", "objective.variance=optimal", *NATS)
        steps = self.steps("optimal")
        self.assertIn("squared_error", steps[STEPS])
        # -log p at the optimal sigma is D/2 (log(2 pi MSE) + 1) per image, far below that at sigma 1.
        self.assertGreater(record["elbo_nats"], 0)

    def test_predicted_variance(self):
        self.assert_learned("predicted", "objective.variance=predicted", *NATS)

    def test_variance_predicted_for_a_whole_image(self):
        record = self.assert_learned("shared", "objective.variance=predicted_shared", *NATS, "evaluate.importance_samples=5")
        self.assertGreater(record["log_p_of_5_draws"], record["elbo_nats"])
        # One sigma for all values at its best gives D/2 (log(2 pi MSE) + 1) nats, here with the mean image's error.
        self.assertGreater(record["elbo_nats"], -16 * 16 / 2 * (math.log(2 * math.pi * record["mean_image_mse"]) + 1), "better than the best single sigma around the mean image")

    def test_a_run_with_a_shared_variance_goes_on_and_is_used_as_any_other(self):
        kept = ["objective.variance=predicted_shared", *NATS, "distributed.reproducible=true"]
        self.train("undisturbed", *TRAINING, *kept, "train.steps=12", np=2)
        for steps, np in ((5, 2), (12, 1)):
            self.train("stopped", *TRAINING, *kept, f"train.steps={steps}", np=np)
        self.assertEqual(*((self.checkpoint(name) / "weights.safetensors").read_bytes() for name in ("undisturbed", "stopped")))
        refused = self.train("stopped", *TRAINING, *kept, "objective.variance=predicted", "train.steps=20", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("objective.variance", refused.stderr)
        for verb in (["sample", "--count", "4"], ["reconstruct", "--rows", "0:4"], ["traverse", "--row", "1"], ["interpolate", "--rows", "0:2"], ["embed"]):
            self.program(verb[0], "--checkpoint", "runs/stopped", *verb[1:], "--out", f"{verb[0]}.h5", check=True)
        self.program("evaluate", "--checkpoint", "runs/stopped", "--rows", "0:64", "--importance-samples", "16", "--json", "evaluated.json", check=True)
        self.assertIn("log_p", (self.folder / "evaluated.json").read_text())

    def test_bernoulli(self):
        record = self.assert_learned("bernoulli", "objective.likelihood=bernoulli", *NATS, "data.binarize=threshold", "evaluate.importance_samples=5")
        self.assertGreater(record["log_p_of_5_draws"], record["elbo_nats"])
        self.assertLess(record["bits_per_dim"], 1)

    def test_bernoulli_of_grey_values_has_no_likelihood(self):
        done = self.train("grey", *TRAINING, "train.steps=3", "objective.likelihood=bernoulli", *NATS, np=None)
        self.assertEqual(done.stderr.count("not a likelihood"), 1)
        (record,) = [record for record in self.log("grey") if "evaluated" in record]
        self.assertFalse({"elbo_nats", "bits_per_dim"} & record.keys(), "absent, not 0")

    def test_a_network_without_hidden_levels_is_linear_or_refused(self):
        linear = ["model.hidden_dims=[]", "model.output=identity"]
        self.assert_learned("linear", "model.name=mlp_vae", *linear)
        refused = self.train("none", *TRAINING, *linear, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("model.name vanilla_vae: a convolutional network needs at least one level in hidden_dims", refused.stderr)

    def test_laplace(self):
        self.assert_learned("laplace", "objective.likelihood=laplace", "objective.scale=0.1", *NATS)

    def test_discretized_logistic(self):
        self.assertLess(self.assert_learned("logistic", "objective.likelihood=discretized_logistic", *NATS)["bits_per_dim"], 8)

    def test_mlp_vae(self):
        self.assert_learned("mlp", "model.name=mlp_vae", "model.hidden_dims=[64]")

    def test_resnet_vae(self):
        for latent in ("flat", "spatial"):
            with self.subTest(latent):
                self.assert_learned(latent, "model.name=resnet_vae", "model.blocks=1", "model.attention_at=[8]", f"model.latent={latent}", "train.steps=150")

    def test_an_importance_weighted_bound(self):
        record = self.assert_learned("weighted", "objective.importance_samples=5", "objective.sigma=0.2", *NATS)
        self.assertGreater(self.steps("weighted")[STEPS]["effective_samples"], 1)
        self.assertGreater(record["log_p_of_5_draws"], record["elbo_nats"])

    def test_an_autoencoder_has_an_error_and_no_kl(self):
        record = self.evaluation("autoencoder", "model.name=autoencoder")
        self.assertLess(record["evaluation_mse"], 0.5 * record["mean_image_mse"])
        self.assertFalse({"elbo_nats", "bits_per_dim", "active_units"} & record.keys(), "absent, not 0")

    def test_a_decoder_alone_raises_its_marginal_likelihood(self):
        record = self.evaluation("decoder", "model.name=decoder_only", "model.latent_dim=2", "objective.prior_samples=64", "objective.sigma=0.2", *NATS)
        steps = self.steps("decoder")
        self.assertLess(steps[STEPS]["loss"], steps[10]["loss"] - 50)
        self.assertLess(record["log_p_of_1_draws"], record["log_p_of_64_draws"])
        self.assertTrue(1 <= record["effective_samples"] <= 64)
        self.assertFalse({"evaluation_mse", "elbo_nats"} & record.keys(), "it reconstructs nothing")

    def test_bfloat16(self):
        self.assert_learned("bf16", "train.precision=bf16")

    def test_averaged_weights_are_what_is_evaluated(self):
        averaged = self.assert_learned("averaged", "train.ema_decay=0.9")
        plain = self.assert_learned("plain")
        self.assertEqual(self.losses("averaged"), self.losses("plain"), "training does not see the average")
        self.assertNotEqual(averaged["evaluation_mse"], plain["evaluation_mse"])
        # A checkpoint's model has the averaged weights.
        def mse(name):
            return float(self.program("reconstruct", "--checkpoint", f"runs/{name}", "--rows", "0:64", "--out", "rows.h5", "--overwrite", check=True).stdout.split("MSE ")[1].split()[0])
        self.assertNotEqual(mse("averaged"), mse("plain"))

    def test_a_run_ends_early_where_nothing_gets_better(self):
        overrides = [*TRAINING, "train.steps=2000", "train.optimizer.learning_rate=0", "data.validation.fraction=0.1", "evaluate.every_epochs=1", "train.early_stop.patience=2"]
        done = self.train("early", *overrides, np=2)
        self.assertIn("stopped early", done.stderr)
        records = [record for record in self.log("early") if "evaluated" in record]
        # The first evaluation is the best, and the next two are no better. (The weights do not change, but the running statistics settle, so a few
        # may be better.)
        self.assertLess(len(records), 40)
        again = self.train("early", *overrides, np=2)
        self.assertIn("nothing left to do", again.stderr)


if __name__ == "__main__":
    unittest.main()
