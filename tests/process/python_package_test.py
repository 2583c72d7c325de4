"""The Python package computes what the program computes: every network, likelihood, transform and condition, trained by the program and compared with its
verbs' files."""
import json
import os
import pathlib
import pickle
import re
import shutil
import sys
import unittest
import unittest.mock
import warnings
from dataclasses import replace

import numpy as np
import torch
from safetensors.torch import load_file

import runs
from package_runs import NATS, ROWS, TOLD, TRAINED, Package, vae_dist
from vae_dist.kept_config import parse_kept_config
from vae_dist.likelihoods import Decoded, LikelihoodOptions

sys.path.insert(0, str(runs.SOURCE / "launcher" / "python" / "examples"))
import vector_vae  # noqa: E402


class Compared(Package):
    def assert_same(self, name, *overrides, conditional=False, of_network=True):
        """Trains a run and compares all verbs; without `of_network`, what depends on the likelihood alone. Returns the model and the run's last evaluation."""
        model = self.trained(name, *overrides)
        self.assertFalse(model.training)
        evaluation = {key: column[-1] for key, column in vae_dist.metrics(self.run_path(name), evaluations=True, frame=False).items()}
        condition = self.told(conditional)
        if model.latent_kind != "none":
            rows = self.verb("reconstruct", name, "--rows", f"0:{ROWS}")
            originals = self.samples(rows, "originals")
            self.assert_close(model.reconstruct(originals, condition), self.samples(rows, "reconstructions"), "reconstructions")
            if model.latent_kind == "point":
                self.assert_log_prob(model, originals, model.encode(originals, condition).mu, condition, evaluation)
            if of_network and not model.config["data"].get("random_crop"):
                codes, posterior = self.verb("embed", name), model.encode(originals, condition)
                self.assert_close(posterior.mu, codes["mu"], "mu")
                self.assertEqual(posterior.log_var is None, "log_var" not in codes)
                if posterior.log_var is not None:
                    self.assert_close(posterior.log_var, codes["log_var"], "log_var")
                    kld = 0.5 * (posterior.mu.square() + posterior.log_var.exp() - 1 - posterior.log_var).double().sum(1).mean().item()
                    self.assertAlmostEqual(kld, evaluation["evaluation_kld"], delta=1e-5 * (1 + kld))
        told = {"truth/energy": 2.5, "kind": "down"} if conditional else None
        if of_network or model.likelihood.counts:
            drawn = self.verb("sample", name, "--count", "2", "--temperature", "0", *(["--condition", "energy=2.5,kind=down"] if conditional else []))
            zeros = torch.zeros(2, model.latent_values, dtype=model.dtype)
            self.assert_close(model.decode(zeros, told), self.samples(drawn, "samples"), "decoded")
        ours = model.sample(2, told, values="sample", generator=torch.Generator().manual_seed(1))
        for values in ours.values() if isinstance(ours, dict) else [ours]:
            self.assertTrue(values.isfinite().all())
        return model, evaluation

    def assert_codes(self, name, *overrides, conditional=False):
        """Trains a run with a codebook and compares with the verbs. Returns the model, the rows that it was trained on and their conditions."""
        model, condition = self.trained(name, *overrides), self.told(conditional)
        rows, embedded = self.verb("reconstruct", name, "--rows", f"0:{ROWS}"), self.verb("embed", name)
        originals, theirs = self.samples(rows, "originals"), self.samples(rows, "reconstructions")
        posterior, codes = model.encode(originals, condition), model.codes(originals, condition)
        self.assertEqual((model.latent_kind, posterior.log_var, "log_var" in embedded), ("point", None, False))
        self.assert_close(posterior.mu, embedded["mu"], "mu")
        self.assertEqual((codes.dtype, codes.shape), (embedded["codes"].dtype, embedded["codes"].shape))
        self.assertGreater(len(codes.unique()), 3)
        # In single precision a vector in the middle of two codes may fall on either side.
        same = (codes == embedded["codes"]).all(1)
        self.assertGreater(same.double().mean().item(), 0.9)
        self.assert_close(model.reconstruct(originals, condition)[same], theirs[same], "reconstructions")
        self.assert_close(model.decode_codes(embedded["codes"], condition), theirs, "decoded codes")
        evaluation = {key: column[-1] for key, column in vae_dist.metrics(self.run_path(name), evaluations=True, frame=False).items()}
        self.assert_log_prob(model, originals, model.quantizer.latents_of(embedded["codes"]), condition, evaluation)
        self.assert_comes_back(model, name, *overrides)
        return model, originals, condition

    def assert_log_prob(self, model, originals, code, condition, evaluation):
        """The program's reconstruction term of a code that is a point is -log p(x|z) of one z, in the model's units."""
        self.assertEqual(model.config["objective"]["reduction"], "sum")
        log_p = model.log_prob(originals, code, condition).double()
        if model.normalisation:
            log_p = log_p - model.normalisation.log_jacobian(model.stored(originals))
        term = evaluation["evaluation_reconstruction_loss"]
        self.assertAlmostEqual(-log_p.mean().item(), term, delta=1e-5 * (1 + abs(term)))

    def assert_comes_back(self, model, name, *overrides):
        """`weights import` takes what the package saves, and the run's new checkpoint has the same bytes of tensors."""
        saved = self.folder / f"{name}.safetensors"
        model.save(saved)
        self.program("weights", "import", saved, "--config", "run.yaml", f"run.name={name}_back", *runs.small(overrides), *TRAINED, *overrides, check=True)
        ours, theirs = load_file(saved), load_file(self.checkpoint(f"{name}_back") / "weights.safetensors")
        self.assertEqual(ours.keys(), theirs.keys())
        for tensor in ours:
            self.assertEqual((ours[tensor].dtype, ours[tensor].shape, ours[tensor].numpy().tobytes()), (theirs[tensor].dtype, theirs[tensor].shape, theirs[tensor].numpy().tobytes()), tensor)


class Networks(Compared):
    def test_vanilla_vae(self):
        self.assert_same("vanilla", self.source("bytes", "NHW"))

    def test_averages_of_the_weights_are_taken_where_the_run_keeps_them(self):
        overrides = [self.source("colour", "NHWC"), "train.ema_decay=0.9", "data.range=[-1, 1]", "model.activation=silu"]
        model, _ = self.assert_same("averaged", *overrides)
        self.assert_comes_back(model, "averaged", *overrides)
        raw = load_file(self.checkpoint("averaged") / "weights.safetensors")
        self.assertFalse(torch.equal(raw["fc_mu.weight"], model.network.state_dict()["fc_mu.weight"]))

    def test_resnet_vae_with_a_flat_latent(self):
        overrides = [self.source("colour", "NHWC"), "model.name=resnet_vae", "model.blocks=1", "model.attention_at=[6]", "objective.variance=predicted", *NATS]
        model, _ = self.assert_same("flat", *overrides)
        self.assert_comes_back(model, "flat", *overrides)

    def test_resnet_vae_with_a_spatial_latent_and_conditions(self):
        overrides = [self.source("field", "NHW", condition=TOLD), "model.name=resnet_vae", "model.latent=spatial", "model.latent_dim=2", "model.activation=relu", "data.normalize=min_max", "objective.variance=predicted_shared", *NATS]
        model, _ = self.assert_same("spatial", *overrides, conditional=True)
        self.assert_comes_back(model, "spatial", *overrides)
        self.assertEqual(model.latent_values, 2 * 8 * 8)

    def test_mlp_vae_of_vectors_with_a_transform_for_each_value_and_conditions(self):
        condition = "[{name: numbers, dataset: truth/energy, transform: none, normalize: min_max}, {name: classes, dataset: kind}]"
        overrides = [self.source("vector", "NV", condition=condition), "model.name=mlp_vae", "model.hidden_dims=[16]", "data.normalize=standardize", "data.transform=[asinh, log1p, log, sqrt, none]", "objective.likelihood=laplace", "objective.spread=predicted", *NATS]
        model, _ = self.assert_same("mlp", *overrides, conditional=True)
        self.assert_comes_back(model, "mlp", *overrides)

    def test_a_linear_vae(self):
        self.assert_same("linear", self.source("bytes", "NHW"), "model.name=mlp_vae", "model.hidden_dims=[]", "model.activation=tanh")

    def test_an_autoencoder_of_volumes(self):
        overrides = [self.source("volume", "NDHW"), "model.name=autoencoder", "data.normalize=standardize", "data.transform=log", *NATS]
        model, _ = self.assert_same("volumes", *overrides)
        self.assert_comes_back(model, "volumes", *overrides)

    def test_a_vae_of_several_datasets_told_their_classes(self):
        model, evaluation = self.assert_same(
            "several", self.source("[field, mass]", "NHW", condition=TOLD),
            "data.normalize=standardize", "data.transform=[none, log1p]", "objective.variance=learned", *NATS, conditional=True)
        originals = self.samples(self.verb("reconstruct", "several", "--rows", f"0:{ROWS}"), "originals")
        # Both estimates of log p(x|y) are of the file's values, and with few nats of KL they hardly depend on the draws.
        self.program("evaluate", "--checkpoint", "runs/several", "--importance-samples", "64", "--json", "several.json", check=True)
        theirs = json.loads((self.folder / "several.json").read_text())["log_p_nats"][-1]["nats"]
        ours = model.log_prob(originals, condition=self.told(True), draws=64, generator=torch.Generator().manual_seed(2)).double().mean().item()
        self.assertAlmostEqual(ours, theirs, delta=1e-3 * abs(theirs))
        # The bound in the file's units, less the same in the model's.
        jacobian = evaluation["elbo_nats"] + evaluation["evaluation_reconstruction_loss"] + evaluation["evaluation_kld"]
        self.assertAlmostEqual(model.normalisation.log_jacobian(model.stored(originals)).mean().item(), jacobian, delta=1e-4 * abs(jacobian))

    def test_log_p_of_codes_far_from_the_prior(self):
        """With nats of KL, the weights of the draws are most of the estimate."""
        model = self.trained("weighted", self.source("bytes", "NHW"), "model.name=mlp_vae", "model.hidden_dims=[16]", "model.latent_dim=2", "objective.sigma=0.3", "train.steps=150", "train.optimizer.learning_rate=0.003", *NATS)
        originals = self.samples(self.verb("reconstruct", "weighted", "--rows", f"0:{ROWS}"), "originals")
        posterior = model.encode(originals)
        kld = 0.5 * (posterior.mu.square() + posterior.log_var.exp() - 1 - posterior.log_var).sum(1).mean().item()
        self.assertGreater(kld, 3)
        self.program("evaluate", "--checkpoint", "runs/weighted", "--importance-samples", "2000", "--json", "weighted.json", check=True)
        theirs = json.loads((self.folder / "weighted.json").read_text())["log_p_nats"][-1]["nats"]
        ours = model.log_prob(originals, draws=2000, generator=torch.Generator().manual_seed(2)).double().mean().item()
        self.assertAlmostEqual(ours, theirs, delta=0.05)

    def test_a_vae_of_crops_puts_series_together_from_tiles(self):
        self.assert_same("tiles", self.source("series", "NWC"), "data.normalize=standardize", "data.transform=log", "data.random_crop=[24]")

    def test_a_decoder_alone(self):
        overrides = [self.source("bytes", "NHW"), "model.name=decoder_only", "objective.prior_samples=8", "objective.sigma=0.3", *NATS]
        model, _ = self.assert_same("decoder", *overrides)
        self.assert_comes_back(model, "decoder", *overrides)
        with self.assertRaisesRegex(ValueError, "no encoder"):
            model.encode(torch.zeros(1, 1, 16, 16))
        log_p = [model.log_prob(torch.zeros(4, 1, 16, 16), draws=draws, generator=torch.Generator().manual_seed(1)).mean().item() for draws in (1, 64)]
        self.assertLess(*log_p)

    def test_double_precision(self):
        model, _ = self.assert_same("double", self.source("bytes", "NHW"), "train.precision=fp64")
        self.assertEqual(model.dtype, torch.float64)

    def test_values_that_are_missing(self):
        self.assert_same("gaps", self.source("gaps", "NHW"), "data.normalize=standardize", "data.missing=mask", "model.name=autoencoder", *NATS)
        self.assert_same("raw", self.source("gaps", "NHW"), "data.normalize=none", "data.missing=mask", "data.encoder_transform=asinh", "model.name=resnet_vae")


class Codes(Compared):
    """A latent whose vectors are replaced by those of a codebook."""

    def test_a_spatial_latent_in_groups_of_vectors_and_conditions(self):
        model, originals, condition = self.assert_codes(
            "spatial_codes", self.source("field", "NHW", condition=TOLD), "model.name=resnet_vae", "model.latent=spatial", "model.latent_dim=6", "model.blocks=1", "model.attention_at=[]", "data.normalize=standardize",
            "model.codes={kind: vector_quantized, size: 12, groups: 2}", *NATS, conditional=True)
        self.assertEqual(model.quantizer.vectors, 2 * 8 * 8)
        reason = "codes that are drawn independently at every place decode to noise"
        refused = self.program("sample", "--checkpoint", "runs/spatial_codes", "--condition", "energy=1,kind=up", "--out", "no.png")
        self.assertIn(reason, refused.stderr)
        for said, call in ((reason, lambda: model.sample(2, {"kind": "up", "energy": 1})), ("has no p", lambda: model.log_prob(originals, condition=condition)),
                           (r"integers \[N, 128\]", lambda: model.decode_codes(torch.zeros(2, 7, dtype=torch.int64))), ("0 to 11", lambda: model.decode_codes(torch.full((1, 128), 12)))):
            with self.subTest(said), self.assertRaisesRegex(ValueError, said):
                call()

    def test_averages_of_fully_connected_weights(self):
        model, _, _ = self.assert_codes("connected", self.source("bytes", "NHW"), "model.name=mlp_vae", "train.ema_decay=0.9", "model.codes={kind: vector_quantized, size: 9, groups: 4}", *NATS)
        model.requires_grad_(True).train()
        model.reconstruct(torch.rand(8, 1, 16, 16)).square().mean().backward()
        self.assertGreater(model.network.fc_mu.weight.grad.abs().sum().item(), 0, "gradients pass through the codes")


class Shared(torch.nn.Module):
    """Gives a point. Has a layer under two names, and a parameter and a buffer beside its layers."""

    def __init__(self):
        super().__init__()
        self.to_code, self.scale = torch.nn.Linear(256, 8), torch.nn.Parameter(torch.ones(()))
        self.script, self.from_z = self.to_code, torch.nn.Linear(4, 256)
        self.register_buffer("level", torch.zeros(()))

    @torch.jit.export
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.level.mul_(0.5).add_(x.detach().float().mean())
        return (self.scale * self.script(x.flatten(1)))[:, :4]

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.from_z(z) + self.to_code.bias.sum() + self.level).view(-1, 1, 16, 16)


class Noisy(torch.nn.Module):
    """Draws in its forward, also in evaluation."""

    def __init__(self):
        super().__init__()
        self.to_code, self.from_z = torch.nn.Linear(256, 8), torch.nn.Linear(4, 256)

    @torch.jit.export
    def encode(self, x: torch.Tensor):
        mu, log_var = self.to_code((x + torch.randn_like(x)).flatten(1)).chunk(2, 1)
        return mu, log_var

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.from_z(z)).view(-1, 1, 16, 16)


class FromPython(Compared):
    """Networks that were written in Python (model.name: script). One with batch norm and dropout is compared in python_export_test.py."""

    def setUp(self):
        torch.manual_seed(5)

    def script(self, *networks):
        """Saves a network, or encoder and decoder. Returns the keys of a run of it."""
        files = [f"{self.id().rpartition('.')[2]}_{place}.pt" for place in range(len(networks))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript's age
            for file, network in zip(files, networks):
                torch.jit.script(network).save(self.folder / file)
        return ["model.name=script", f"model.encoder={files[0]}", f"model.decoder={files[-1]}"]

    def test_two_files_of_vectors_under_conditions(self):
        halves = [vector_vae.UnderCondition(half(values=5, condition=4, width=16, latent_dim=4)) for half in (vector_vae.Encoder, vector_vae.Decoder)]
        overrides = [self.source("vector", "NV", condition=TOLD), *self.script(*halves), "data.normalize=standardize", *NATS]
        model, evaluation = self.assert_same("two_files", *overrides, conditional=True)
        self.assertIn("encoder.body.body.0.weight", model.network.state_dict())
        # The bound on log p(x|y) in the file's units lies below the estimate of many draws.
        originals = self.samples(self.verb("reconstruct", "two_files", "--rows", f"0:{ROWS}"), "originals")
        log_p = model.log_prob(originals, condition=self.told(True), draws=256, generator=torch.Generator().manual_seed(1)).mean().item()
        self.assertLess(evaluation["elbo_nats"], log_p)
        self.assert_comes_back(model, "two_files", *overrides)

    def test_codes_of_a_point_and_a_layer_under_two_names(self):
        overrides = [self.source("bytes", "NHW"), *self.script(Shared()), "model.encoder_gives=point", "train.optimizer.learning_rate=0.001", "model.codes={kind: vector_quantized, size: 8, groups: 2}", *NATS]
        model, originals, _ = self.assert_codes("shared", *overrides)
        self.assertEqual({name for name in model.network.state_dict() if "codes." not in name}, {"scale", "level", "to_code.weight", "to_code.bias", "from_z.weight", "from_z.bias"})
        self.assertGreater(model.network.state_dict()["level"].item(), 0)
        # The run has its own copy of the file; a checkpoint alone needs the one that the configuration names.
        file = model.config["model"]["encoder"]
        moved, here = self.folder / "elsewhere", os.getcwd()
        shutil.copytree(self.checkpoint("shared"), moved)
        wanted = model.reconstruct(originals)
        os.chdir(self.folder)
        try:
            self.assertTrue(vae_dist.load(moved).reconstruct(originals).equal(wanted))
            pathlib.Path(file).write_text("another")
            with self.assertRaisesRegex(ValueError, f"{file} .*was changed after the run began"):
                vae_dist.load(moved)
            os.remove(file)
            self.assertTrue(vae_dist.load(self.run_path("shared")).reconstruct(originals).equal(wanted))
            os.symlink(self.checkpoint("shared"), "latest")
            self.assertTrue(vae_dist.load("latest").reconstruct(originals).equal(wanted))
            with self.assertRaisesRegex(ValueError, f"{file} .*cannot be read as TorchScript"):
                vae_dist.load(moved)
        finally:
            os.chdir(here)

    def test_what_a_network_draws_is_the_same_in_every_evaluation(self):
        model = self.trained("noisy", self.source("bytes", "NHW"), *self.script(Noisy()))
        x, before = torch.rand(4, 1, 16, 16), torch.get_rng_state()
        self.assertTrue(model.encode(x).mu.equal(model.encode(x).mu))
        self.assertTrue(torch.get_rng_state().equal(before))
        model.train()
        self.assertFalse(model.encode(x).mu.equal(model.encode(x).mu))


class Likelihoods(Compared):
    """Of a point as code, so that the program's evaluation is a number without noise."""

    def assert_likelihood(self, name, likelihood, *overrides, source=None):
        return self.assert_same(name, source or self.source("bytes", "NHW"), "model.name=autoencoder", *NATS, f"objective.likelihood={likelihood}", *overrides, of_network=False)

    def test_gaussian(self):
        for variance in ("fixed", "learned", "optimal", "predicted", "predicted_shared"):
            with self.subTest(variance):
                self.assert_likelihood(f"gaussian_{variance}", "gaussian", f"objective.variance={variance}", *(["objective.sigma=0.2"] if variance == "fixed" else []))

    def test_laplace(self):
        for spread in ("fixed", "learned", "predicted"):
            with self.subTest(spread):
                self.assert_likelihood(f"laplace_{spread}", "laplace", f"objective.spread={spread}", source=self.source("colour", "NHWC"))

    def test_bernoulli(self):
        self.assert_likelihood("bernoulli", "bernoulli", "data.binarize=threshold")

    def test_discretized_logistic(self):
        self.assert_likelihood("logistic", "discretized_logistic", "data.range=[-1, 1]", source=self.source("colour", "NHWC"))

    def test_counts(self):
        for likelihood in ("poisson", "negative_binomial", "zero_inflated_negative_binomial"):
            with self.subTest(likelihood):
                self.assert_likelihood(likelihood, likelihood, "data.normalize=none", "data.encoder_transform=log1p", "objective.generated_total=500", source=self.source("counts", "NHW"))


class Draws(unittest.TestCase):
    """What is drawn from p(x|z) has the mean that the likelihood states."""

    def test_means_of_draws(self):
        generator, count = torch.Generator().manual_seed(3), 4000
        for name, own in (("gaussian", {"sigma": 0.3}), ("gaussian", {"variance": "predicted"}), ("laplace", {"scale": 0.2}), ("laplace", {"spread": "predicted"}), ("bernoulli", {}),
                          ("discretized_logistic", {}), ("poisson", {}), ("negative_binomial", {}), ("zero_inflated_negative_binomial", {})):
            with self.subTest(name, **own):
                likelihood = vae_dist.LIKELIHOODS[name](LikelihoodOptions({"generated_total": 20, **own}, 0, 1, 2, 6)).requires_grad_(False)
                output = torch.linspace(0.4, 0.6, 6).view(1, 2, 3).expand(count, -1, -1).contiguous()
                decoded = Decoded(output, -1 + output if likelihood.second_head else None)
                drawn, mean = likelihood.draw(decoded, generator=generator), likelihood.mean(decoded)[0]
                self.assertEqual(drawn.shape, output.shape)
                error = drawn.std(0) / count ** 0.5
                self.assertTrue(((drawn.mean(0) - mean).abs() < 5 * error).all(), (drawn.mean(0), mean))
                self.assertTrue(likelihood.log_prob(decoded, drawn).isfinite().all())


class Known(Package):
    """What the package knows, and what it says of anything else."""

    def test_no_name_of_the_program_is_forgotten(self):
        keys = self.program("config", check=True).stdout
        for key, table in (("name: vanilla_vae", vae_dist.NETWORKS), ("likelihood: gaussian", vae_dist.LIKELIHOODS), ("# transform: none", vae_dist.TRANSFORMS)):
            comment = re.search(rf"^  {key} +#(.*(?:\n {{10,}}#.*)*)", keys, re.MULTILINE)[1]
            names = re.sub(r"\s*\n\s*#", "", comment).split(";")[0].replace("applied before normalize:", "").split("|")
            self.assertEqual({name.strip() for name in names}, set(table), key)
        condition = re.sub(r"\s*\n\s*#", "", re.search(r"condition: \[\](.*(?:\n {10,}#.*)*)", keys)[1]).split("Available:")[1]
        self.assertEqual(set(re.findall(r"(?:^|; )\s*(\w+): (?:(?!; \w+: ).)*; keys: dataset", condition)) - {"keys"}, set(vae_dist.CONDITIONS))

    def test_what_is_unknown_is_said_with_what_is_known(self):
        self.trained("known", self.source("bytes", "NHW"))
        given = vae_dist.read_checkpoint(self.run_path("known"))
        for section, key, value, words in (("model", "name", "my_vae", "autoencoder, decoder_only, mlp_vae, resnet_vae, script, vanilla_vae"), ("model", "ladder", 4, "activation, attention_at"),
                                           ("model", "codes", {"kind": "residual"}, "continuous, vector_quantized"), ("model", "codes", {"kind": "continuous", "depth": 2}, "commitment, decay"),
                                           ("objective", "likelihood", "cauchy", "bernoulli, discretized_logistic, gaussian")):
            with self.subTest(key, value=value):
                config = {**given.config, section: {**given.config[section], key: value}}
                with self.assertRaisesRegex(ValueError, f"{value if isinstance(value, str) else key}.*unknown.*{words}"):
                    vae_dist.TrainedModel(vae_dist.Checkpoint(given.path, config, given.state, given.weights, given.metadata))

    def test_checkpoints_are_found_and_verified(self):
        self.trained("found", self.source("bytes", "NHW"), "checkpoint.every_steps=2", "checkpoint.keep=3", "data.validation={fraction: 0.25}")
        self.assertEqual([vae_dist.load(f"{self.run_path('found')}{which}").step for which in ("", "@2", "@4")], [6, 2, 4])
        best = vae_dist.load(f"{self.run_path('found')}@best")
        self.assertEqual(best.step, best.state["best_step"])
        # One from before there were sums and a config.json.
        shutil.copytree(self.checkpoint("found", 2), self.folder / "older")
        manifest = json.loads((self.folder / "older/manifest.json").read_text())
        del manifest["files"]["config.json"]
        for entry in manifest["files"].values():
            del entry["sha256"]
        (self.folder / "older/config.json").unlink()
        (self.folder / "older/manifest.json").write_text(json.dumps(manifest))
        self.assertEqual(vae_dist.load(self.folder / "older").config, vae_dist.load(f"{self.run_path('found')}@2").config)
        kept = self.folder / "older/config.yaml"
        text = kept.read_text()
        kept.write_text(text.replace(": ", "; ", 1))
        with self.assertRaisesRegex(ValueError, "older/config.yaml: .* is nothing that vae_dist writes"):
            vae_dist.load(kept.parent)
        kept.write_text(text)
        # Its tensors have no sum, so that only reading finds the damage.
        older = self.folder / "older/weights.safetensors"
        older.write_bytes(b"\xff" * 8 + older.read_bytes()[8:])
        with self.assertRaisesRegex(ValueError, "older/weights.safetensors is damaged"):
            vae_dist.load(older.parent)
        newest = self.checkpoint("found") / "weights.safetensors"
        damaged = bytearray(newest.read_bytes())
        damaged[-1] ^= 1
        newest.write_bytes(damaged)
        with self.assertRaisesRegex(ValueError, "weights.safetensors is damaged: its SHA-256"):
            vae_dist.load(newest.parent)
        with self.assertWarnsRegex(UserWarning, "damaged.*falling back"):
            self.assertEqual(vae_dist.load(self.run_path("found")).step, 4)
        for name in ("state.json", "state_evaluated.json", "manifest.json"):
            file = newest.parent / name
            if file.exists():
                file.write_bytes(file.read_bytes()[:20])
        before = vae_dist.read_checkpoint(f"{self.run_path('found')}@4").state["best_step"]
        self.assertEqual(vae_dist.read_checkpoint(f"{self.run_path('found')}@best").state["step"], before)
        with self.assertRaisesRegex(ValueError, "manifest.json is damaged"):
            vae_dist.load(newest.parent)
        with self.assertWarnsRegex(UserWarning, "manifest.json is damaged.*falling back"):
            self.assertEqual(vae_dist.load(self.run_path("found")).step, 4)
        for wrong in ("found@3", "found@worst", "found@\u0664", "found@\u00b2", "absent"):
            with self.subTest(wrong), self.assertRaises((FileNotFoundError, ValueError)):
                vae_dist.load(self.run_path(wrong))

    def test_what_the_document_shows_runs(self):
        self.trained("moving", self.source("bytes", "NHW"))
        self.verb("reconstruct", "moving")
        (self.folder / "reconstruct.h5").rename(self.folder / "reconstructions.h5")
        text = (runs.SOURCE / "launcher/python/README.md").read_text()
        names, here = {"x": torch.rand(2, 1, 16, 16)}, os.getcwd()
        os.chdir(self.folder)
        try:
            for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
                exec(block, names)
        finally:
            os.chdir(here)
        self.assert_close(names["ours"], torch.from_numpy(names["theirs"]), "reconstructions")
        self.assertEqual((names["pictures"].shape, names["log_p"].shape), ((16, 1, 16, 16), (2,)))

    def test_tables_of_logs_and_runs(self):
        self.trained("logged", self.source("bytes", "NHW"))
        table = vae_dist.metrics(self.run_path("logged"), frame=False)
        self.assertEqual(table["step"].tolist(), [1, 2, 3, 4, 5, 6])
        self.assertEqual(table["loss"].tolist(), self.losses("logged"))
        self.assertEqual(vae_dist.metrics(self.run_path("logged"), evaluations=True, frame=False)["step"].tolist()[-1], 6)
        found = vae_dist.runs(self.folder / "runs", frame=False)
        row = found["run"].tolist().index("logged")
        self.assertEqual((found["model"][row], found["step"][row], found["loss"][row]), ("vanilla_vae", 6, self.losses("logged")[-1]))
        # A damaged configuration is that run's alone, and older runs have theirs in config.yaml.
        for name in ("damaged", "older"):
            shutil.copytree(self.run_path("logged"), self.run_path(name))
        (self.checkpoint("damaged") / "config.json").write_text("{")
        (self.checkpoint("older") / "config.json").unlink()
        manifest = self.checkpoint("older") / "manifest.json"
        listed = json.loads(manifest.read_text())
        del listed["files"]["config.json"]
        manifest.write_text(json.dumps(listed))
        found = vae_dist.runs(self.folder / "runs", frame=False)
        self.assertEqual({name: model for name, model in zip(found["run"], found["model"]) if name in ("logged", "damaged", "older")}, {"logged": "vanilla_vae", "damaged": None, "older": "vanilla_vae"})

    def test_a_model_can_be_trained_on(self):
        model = self.trained("further", self.source("bytes", "NHW"))
        model.requires_grad_(True).train()
        x = torch.rand(8, 1, 16, 16)
        (model.reconstruct(x, latent="sample") - x).square().mean().backward()
        self.assertTrue(all(parameter.grad.isfinite().all() for parameter in model.network.parameters()))
        self.assertGreater(model.network.fc_var.weight.grad.abs().sum().item(), 0)

    def test_what_samples_and_conditions_have_to_be_is_said(self):
        model = self.trained("told", self.source("[field, mass]", "NHW", condition="[{name: classes, dataset: kind}]"), "data.normalize=standardize")
        whole = {array.name: torch.zeros(2, 16, 16) for array in model.normalisation.arrays}
        first = next(iter(whole))
        for x, condition, words in ((whole, None, "conditional"), (whole, {"kind": "charm"}, r"charm.*up \(0\), down \(1\), strange \(2\)"), (whole, {"kind": 7}, "classes"), (whole, {"colour": 1}, "missing"),
                                    (whole, {"kind": [0, 1, 2]}, "3 rows for 2"), ({first: whole[first]}, {"kind": 0}, "datasets"), (whole[first], {"kind": 0}, "several datasets"),
                                    ({name: each[:, :8] for name, each in whole.items()}, {"kind": 0}, "not"), (whole, {"kind": 0, "mass": 1}, "no condition")):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                model.reconstruct(x, condition)

    def test_conditions_are_arrays_of_names_numbers_or_texts(self):
        told = vae_dist.conditions.Conditions(json.dumps([{"kind": "classes", "dataset": "truth/kind", "labels": [3, 5], "names": ["up", "down"]},
                                                          {"kind": "numbers", "dataset": "energy", "transform": "none", "shift": [0], "factor": [1]},
                                                          {"kind": "numbers", "dataset": "at", "transform": "none", "shift": [0, 0], "factor": [1, 1]}]))
        expected = [[0, 1, 2.5, 1, 2], [1, 0, 2.5, 1, 2]]
        names = ["down", "up"]
        for kind in (names, tuple(names), np.array(names), np.array(names, "S"), np.array(names, object), [b"down", b"up"], ["5", "up"], np.array([5, 3], "u2"), torch.tensor([5, 3])):
            for energy in (2.5, "2.5", ["2.5", "2.5"], np.array([[2.5], [2.5]])):
                with self.subTest(kind=kind, energy=energy):
                    self.assertEqual(told.told({"kind": kind, "energy": energy, "at": [1, 2]}, 2).tolist(), expected)
        self.assertEqual(told.told({"kind": 3, "energy": 0, "at": [[1, 2], [3, 4]]}, 2)[:, 3:].tolist(), [[1, 2], [3, 4]])
        given = {"kind": "up", "energy": 1, "at": [1, 2]}
        for wrong, words in (({"kind": "charm"}, r"no class 'charm'; the classes are up \(3\), down \(5\)"), ({"kind": [3, 4]}, "no class 4"), ({"kind": [None]}, "kind"), ({"energy": "much"}, "energy.*much"),
                             ({"energy": [[1, 2]]}, r"energy is a number, \[N\] or \[N, 1\], not \[1, 2\]"), ({"at": 1}, r"at is \[2\] or \[N, 2\], not \[\]"),
                             ({"at": [1, 2, 3, 4]}, r"not \[4\]"), ({"at": [[1], [2]]}, r"not \[2, 1\]")):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                told.told({**given, **wrong}, 2)

    def test_what_codes_and_integers_have_to_be_is_said(self):
        model = self.trained("shapes", self.source("bytes", "NHW"))
        bytes_of = np.zeros((2, 1, 16, 16), "u1")
        for words, call in ((r"z is \[N, 4\], not \[128\]", lambda: model.decode(torch.zeros(128))), (r"not \[2, 3\]", lambda: model.decode(torch.zeros(2, 3))),
                            ("3 rows for 2 samples", lambda: model.log_prob(torch.zeros(2, 1, 16, 16), torch.zeros(3, 4))), (r"not \[2, 256\]", lambda: model.log_prob(torch.zeros(2, 1, 16, 16), torch.zeros(2, 256))),
                            (r"lie in \[0, 1\], but these are uint8: .*divide by 255", lambda: model.encode(bytes_of))):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                call()
        self.assertTrue(model.encode(bytes_of.astype(bool)).mu.equal(model.encode(bytes_of.astype("f4")).mu))

    def test_a_model_is_loaded_without_a_trace_and_pickled(self):
        self.trained("pickled", self.source("vector", "NV", condition=TOLD), "model.name=mlp_vae", "model.hidden_dims=[8]", "data.normalize=standardize", "data.transform=[asinh, none, none, none, none]")
        torch.manual_seed(3)
        before = torch.get_rng_state()
        model = vae_dist.load(self.run_path("pickled"))
        self.assertTrue(torch.get_rng_state().equal(before))
        x = torch.randn(3, 5)
        again = pickle.loads(pickle.dumps(model))
        self.assertTrue(again.reconstruct(x, {"energy": 2, "kind": "up"}).equal(model.reconstruct(x, {"energy": 2, "kind": "up"})))

    def test_kept_texts_have_characters_that_end_no_line(self):
        self.assertEqual(parse_kept_config('run:\n  name: "a\x85b\u2028c"\n  seed: 1\n'), {"run": {"name": "a\x85b\u2028c", "seed": 1}})

    def test_a_network_of_an_extension_has_keys_of_its_own(self):
        self.trained("extended", self.source("bytes", "NHW"))
        given = vae_dist.read_checkpoint(self.run_path("extended"))
        checkpoint = replace(given, config={**given.config, "model": {**given.config["model"], "name": "laddered", "ladder": 4}})

        class Laddered(vae_dist.NETWORKS["vanilla_vae"]):
            own_keys = frozenset({"ladder"})

        with unittest.mock.patch.dict(vae_dist.NETWORKS, laddered=Laddered):
            self.assertIsInstance(vae_dist.TrainedModel(checkpoint).network, Laddered)


if __name__ == "__main__":
    unittest.main()
