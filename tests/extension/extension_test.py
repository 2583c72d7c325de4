"""A network, a likelihood, a regulariser and an optimizer outside src/ (the guide's examples: linear_vae.cpp, cauchy.cpp, code_spread.cpp, sign_descent.cpp)
work like built-in ones: they are listed, validated, trained and resumed."""
import json
import unittest

from runs import RunFolder

LINEAR = ["model.name=linear_vae", "model.latent_dim=8", "train.optimizer.learning_rate=0.01", "objective.kld_weight.weight=1e-6"]
SPREAD = "objective.regularisers=[{name: code_spread, weight: 0.01, radius: 2}, {name: code_l2, weight: 0.001}]"


class Extension(RunFolder):
    def refused(self, *overrides):
        done = self.train("refused", *overrides, check=False)
        self.assertEqual(done.returncode, 2)
        return done.stderr

    def test_what_a_network_refuses_is_bad_input_that_all_ranks_report_once(self):
        done = self.train("refused", "model.name=linear_vae", "model.latent_dim=300", np=2, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("model.name linear_vae: model.latent_dim is larger than a sample has values"), 1, done.stderr)

    def test_their_keys_are_listed(self):
        words = " ".join(self.program("config", check=True).stdout.replace("#", " ").split())
        for said in ("decoder_only | linear_vae | mlp_vae", "offset: true linear_vae: the layers have biases", "radius (default 1): the norm that codes are pulled to",
                     "bernoulli | cauchy | discretized_logistic | gaussian | laplace", "half_width: 0.1 cauchy: half the width at half the maximum", "smoothing: 0.9 sign_descent: share of the smoothed gradient"):
            self.assertIn(said, words)

    def test_editors_and_shells_know_them(self):
        keys = json.loads(self.program("config", "--schema", check=True).stdout)["$defs"]
        self.assertIn("linear_vae", keys["model.name"]["enum"])
        self.assertEqual((keys["model.offset"]["type"], keys["model.offset"]["default"]), ("boolean", True))
        items = {each["if"]["properties"]["name"]["const"]: each["then"]["properties"] for each in keys["objective.regularisers"]["items"]["allOf"]}
        self.assertEqual(items["code_spread"]["radius"]["default"], 1)
        # A group that names another network refuses the key.
        of_network = {each["if"]["properties"]["name"]["const"]: each["then"]["properties"] for each in keys["model"]["allOf"]}
        self.assertEqual((of_network["mlp_vae"]["offset"], "offset" in of_network["linear_vae"]), (False, False))
        completion = self.program("completion", "bash", check=True).stdout
        self.assertRegex(completion, r"'objective\.likelihood'\) kind=words reply='[^']*\bcauchy\b")
        self.assertRegex(completion, r"__vae_dist_keys='[^']* objective\.half_width ")

    def test_a_network_learns_at_any_number_of_ranks_and_goes_on(self):
        options = [*LINEAR, "distributed.replicas=2", "distributed.reproducible=true", "evaluate.every_epochs=1"]
        self.train("alone", *options, "train.steps=300", np=1)
        self.train("both", *options, "train.steps=150", np=2)
        self.train("both", *options, "train.steps=300", np=2)
        self.assertEqual(self.losses("alone"), self.losses("both"))
        (record,) = [record for record in self.log("alone") if "evaluated" in record]
        self.assertLess(record["evaluation_mse"], record["mean_image_mse"])
        weights = [(self.checkpoint(name) / "weights.safetensors").read_bytes() for name in ("alone", "both")]
        self.assertEqual(*weights)

    def test_its_own_keys_reach_it(self):
        self.train("plain", *LINEAR, "model.offset=false", "train.steps=2")
        self.assertNotIn(b"fc_mu.bias", (self.checkpoint("plain") / "weights.safetensors").read_bytes())
        self.assertIn("model.offset: false in the run, true now", self.refused(*LINEAR, "run.name=plain", "train.steps=3"))

    def test_a_likelihood_is_minimised_with_its_own_scale_and_is_a_density(self):
        cauchy = [*LINEAR[:3], "objective.likelihood=cauchy", "objective.reduction=sum", "distributed.replicas=2", "distributed.reproducible=true", "evaluate.every_epochs=1", "train.steps=60"]
        for np in (1, 2):
            self.train(f"wide{np}", *cauchy, "objective.half_width=0.5", np=np)
        self.assertEqual(self.losses("wide1"), self.losses("wide2"))
        self.train("narrow", *cauchy, np=2)
        wide, narrow = ([record for record in self.log(name) if "evaluated" in record][-1] for name in ("wide2", "narrow"))
        losses = self.losses("wide2")
        self.assertLess(losses[-1], losses[0])
        self.assertGreater(wide["evaluation_reconstruction_loss"], 0)  # at a half width of 0.5 the density is at most one
        for record in (wide, narrow):
            self.assertAlmostEqual(record["elbo_nats"], -record["evaluation_reconstruction_loss"] - record["evaluation_kld"], delta=1e-3)
        self.assertNotEqual(wide["evaluation_reconstruction_loss"], narrow["evaluation_reconstruction_loss"])
        self.assertIn("objective.half_width: 0.5 in the run, 0.1 now", self.refused(*cauchy, "run.name=wide2", "train.steps=61"))
        self.assertIn("it applies only when objective.likelihood is cauchy", self.refused("objective.half_width=0.5"))

    def test_an_optimizer_trains_and_goes_on_from_its_checkpoint(self):
        signs = [*LINEAR[:2], "train.optimizer={name: sign_descent, learning_rate: 0.001, smoothing: 0.8}", "distributed.replicas=2", "distributed.reproducible=true"]
        self.train("through", *signs, "train.steps=40", np=1)
        self.train("stopped", *signs, "train.steps=20", np=2)
        self.train("stopped", *signs, "train.steps=40", np=2)
        self.assertEqual(self.losses("through"), self.losses("stopped"))
        losses = self.losses("through")
        self.assertLess(losses[-1], losses[0])
        self.assertIn("it applies only when train.optimizer.name is adam, adamax or adamw", self.refused(*signs, "train.optimizer.epsilon=1e-6"))

    def test_a_regulariser_moves_the_codes_and_is_shown(self):
        autoencoder = ["model.name=autoencoder", "train.steps=40", "distributed.replicas=2"]
        self.train("free", *autoencoder, "objective.regularisers=[{name: code_spread, weight: 0, radius: 2}]", np=1)
        for np in (1, 2):
            self.train(f"drawn{np}", *autoencoder, SPREAD, "evaluate.every_epochs=1", "distributed.reproducible=true", np=np)
        self.assertEqual(self.losses("drawn1"), self.losses("drawn2"))
        last = self.steps("drawn1")[40]
        self.assertLess(last["code_spread"], self.steps("free")[40]["code_spread"])
        self.assertAlmostEqual(last["loss"], last["reconstruction_loss"] + 0.01 * last["code_spread"] + 0.001 * last["code_l2"], places=5)
        (record,) = [record for record in self.log("drawn1") if "evaluated" in record]
        self.assertGreater(record["evaluation_loss"], record["evaluation_reconstruction_loss"])
        terms = json.loads((self.run_path("drawn1") / "terms.json").read_text())
        self.assertEqual(terms["code_spread"]["labels"], {"term": "code_spread"})
        self.assertIn("<figcaption>Regulariser code_spread</figcaption>", (self.run_path("drawn1") / "report.html").read_text())

    def test_a_list_of_regularisers_is_compared_on_resume(self):
        self.train("kept", "model.name=autoencoder", SPREAD, "train.steps=2")
        self.train("kept", "model.name=autoencoder", SPREAD, "train.steps=3")
        self.assertIn("objective.regularisers: [{name: code_spread, weight: 0.01, schedule: constant, radius: 2}, {name: code_l2, weight: 0.001, schedule: constant}] in the run, [] now",
                      self.refused("model.name=autoencoder", "run.name=kept", "train.steps=4"))

    def test_what_nobody_registered_cannot_be_written(self):
        self.assertIn("choose one of autoencoder | decoder_only | linear_vae | mlp_vae | resnet_vae | script | vanilla_vae", self.refused("model.name=linear_vea"))
        self.assertIn("code_l2 | code_spread", self.refused("objective.regularisers=[{name: code_spraed}]"))
        self.assertIn("its keys are name, weight, schedule, steps, radius", self.refused("objective.regularisers=[{name: code_spread, raduis: 2}]"))
        self.assertIn("above 0", self.refused("objective.regularisers=[{name: code_spread, radius: 0}]"))
        self.assertIn("it applies only when model.name is linear_vae", self.refused("model.offset=false"))
        self.assertIn("objective.regularisers", self.refused("model.name=decoder_only", "objective.regularisers=[{name: code_l2}]"))


if __name__ == "__main__":
    unittest.main()
