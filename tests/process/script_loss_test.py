"""A loss that was written in Python (objective.name: script): the same training as the program's own where it computes the same, the same bits at any number of ranks, and
errors that say what is wanted."""
import json
import subprocess
import sys
import unittest
from typing import Dict, List

import h5py
import numpy
import torch
from torch import Tensor

import runs

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402

EXAMPLE = runs.SOURCE / "launcher" / "python" / "examples" / "sharp_loss.py"
STEPS = 18
REPLICAS = ["distributed.replicas=8", "train.global_batch=32", "distributed.reproducible=true"]


def script(file):
    return ["objective.name=script", f"objective.script={file}"]


class Standard(torch.nn.Module):
    """What the program computes itself."""

    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        mu, log_var = outputs["mu"], outputs["log_var"]
        error = (outputs["reconstruction"] - x).square().mean()
        kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1).mean()
        return {"total": error + weights["kld_weight"] * kl, "error": error, "kl": kl, "kld_weight": weights["kld_weight"]}


class Discrepancy(torch.nn.Module):
    """Draws from the prior, and compares pictures by the features of a network that is not trained."""

    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, stride=2), torch.nn.BatchNorm2d(4), torch.nn.Tanh())

    def kernel(self, a: Tensor, b: Tensor) -> Tensor:
        return (-(a[:, None] - b[None]).square().sum(2) / 8).exp().mean()

    @torch.jit.export
    def loss(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        z = outputs["z"]
        prior = torch.randn_like(z)
        mmd = self.kernel(z, z) + self.kernel(prior, prior) - 2 * self.kernel(z, prior)
        perceived = (self.features(outputs["reconstruction"]) - self.features(x)).square().mean()
        return {"loss": perceived + mmd, "mmd": mmd, "perceived": perceived}


class OfPoints(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        assert "log_var" not in outputs
        return {"loss": (outputs["reconstruction"] - x).abs().mean()}


class OfKnownValues(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        known = outputs["observed"]
        error = ((outputs["reconstruction"] - x).square() * known).sum() / known.sum()
        return {"loss": error + 1e-3 * outputs["mu"].square().mean() + 1e-3 * outputs["log_var"].square().mean(), "conditions": outputs["condition"].sum()}


class OfErrors(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        return {"loss": (outputs["reconstruction"] - x).square().mean() + 1e-6 * outputs["log_var"].square().mean()}


class OfMuAlone(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        return {"loss": outputs["mu"].square().mean()}


class PerSample(Standard):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        return {"loss": (outputs["reconstruction"] - x).square().flatten(1).mean(1)}


class Alone(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Tensor:
        return (outputs["reconstruction"] - x).square().mean()


class BadName(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        return {"My loss": (outputs["reconstruction"] - x).square().mean()}


class Missing(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        return {"loss": outputs["condition"].mean()}


class TwoArguments(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor]) -> Dict[str, Tensor]:
        return {"loss": (outputs["reconstruction"] - x).square().mean()}


class Remembering(Standard):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean_error", torch.zeros(()))

    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        error = (outputs["reconstruction"] - x).square().mean()
        self.mean_error.mul_(0.9).add_(0.1 * error.detach())
        return {"loss": error / self.mean_error}


class Appending(Standard):
    seen: List[Tensor]

    def __init__(self):
        super().__init__()
        self.seen = [torch.zeros(())]

    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        error = (outputs["reconstruction"] - x).square().mean()
        self.seen.append(error.detach())
        return {"loss": error / len(self.seen)}


class ChangingItsList(Appending):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        self.seen[0].add_(1)
        return {"loss": (outputs["reconstruction"] - x).square().mean() * self.seen[0]}


class ChangingItsInput(Standard):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        weights["kld_weight"].mul_(2)
        return {"loss": (outputs["reconstruction"] - x).square().mean()}


def noise_like(z: Tensor) -> Tensor:
    return torch.randn_like(z)


class Forking(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        noise = torch.jit.fork(noise_like, outputs["z"])
        return {"loss": (outputs["reconstruction"] - x).square().mean() + (outputs["z"] * torch.jit.wait(noise)).mean()}


class Penalty(torch.nn.Module):
    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        slope = torch.autograd.grad([outputs["reconstruction"].sum()], [outputs["z"]], create_graph=True)[0]
        assert slope is not None
        return {"loss": (outputs["reconstruction"] - x).square().mean() + 0.1 * slope.square().mean()}


class WithConstants(torch.nn.Module):
    """Constants of kinds that are unlike themselves, or that no module has: NaN, tensors in a list."""
    levels: List[Tensor]

    def __init__(self):
        super().__init__()
        self.register_buffer("gaps", torch.tensor([1.0, torch.nan]))
        self.levels = [torch.tensor(0.5), torch.tensor(2.0)]

    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        scale = torch.nan_to_num(self.gaps, nan=1.0).sum() * self.levels[0] * self.levels[1]
        return {"loss": (outputs["reconstruction"] - x).square().mean() * scale, "scale": scale}


class Spread(torch.nn.Module):
    """Undefined for a single sample, and indifferent to the size of mu."""

    def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
        error = (outputs["reconstruction"] - x).square().mean()
        return {"loss": error + 0.1 * (outputs["log_var"].std(0) - 1).square().mean(), "spread": x.std(0).mean()}


class FarAway(torch.nn.Module):
    """A network whose KL is infinite in single precision."""

    def __init__(self):
        super().__init__()
        self.to_code, self.from_z = torch.nn.Linear(256, 8), torch.nn.Linear(4, 256)

    @torch.jit.export
    def encode(self, x: Tensor):
        mu, log_var = self.to_code(x.flatten(1)).chunk(2, 1)
        return mu * 1e25, log_var

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.from_z(1e-25 * z)).view(-1, 1, 16, 16)


class NoLoss(torch.nn.Module):
    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return x


def saved(folder, loss, training=False, frozen=True):
    """Scripts a loss under its class's name."""
    torch.manual_seed(7)
    name = f"{type(loss).__name__}{'_training' if training else ''}{'' if frozen else '_trained'}.pt"
    torch.jit.script(loss.train(training).requires_grad_(not frozen)).save(folder / name)
    return name


class ScriptLosses(runs.RunFolder):
    def saved(self, loss, **how):
        return saved(self.folder, loss, **how)

    def evaluations(self, name):
        return [record for record in self.log(name) if "evaluated" in record]

    def values(self, name, term):
        return [record[term] for _, record in sorted(self.steps(name).items())]


class Training(ScriptLosses):
    def test_a_script_of_the_programs_loss_trains_as_the_program_does(self):
        """To rounding in double precision; in bfloat16 rounding grows over the steps."""
        file = self.saved(Standard())
        beta = ["objective.beta={schedule: linear, to: 2, steps: 40}", "evaluate.every_epochs=1"]
        for precision, tolerance, more in (("fp64", 1e-9, []), ("fp64", 1e-9, ["distributed.batch_norm=sync"]), ("bf16", 0.02, [])):
            with self.subTest(precision, more=more):
                settings = [*beta, *more, f"train.precision={precision}", "train.steps=30", "distributed.replicas=4"]
                names = own, scripted = [f"{name}_{precision}_{len(more)}" for name in ("own", "scripted")]
                self.train(own, *settings, np=2)
                self.train(scripted, *settings, *script(file), np=2)
                for record, of_script in zip(*(sorted(self.steps(name).items()) for name in names), strict=True):
                    for key, term in (("loss", "loss"), ("reconstruction_loss", "loss_error"), ("kld", "loss_kl"), ("reconstruction_loss", "reconstruction_loss"), ("kld", "kld")):
                        numpy.testing.assert_allclose(of_script[1][term], record[1][key], rtol=tolerance, atol=tolerance * 1e-2, err_msg=f"step {record[0]}: {term}")
                pairs = list(zip(*(self.evaluations(name) for name in names), strict=True))
                for record, of_script in pairs:
                    for key, term in (("loss", "evaluation_loss"), ("final_loss", "evaluation_final_loss"), ("kld", "loss_kl"), ("reconstruction_loss", "loss_error")):
                        numpy.testing.assert_allclose(of_script[term], record[f"evaluation_{key}"], rtol=max(tolerance, 1e-6), err_msg=term)
                self.assertNotEqual(pairs[0][0]["evaluation_loss"], pairs[0][0]["evaluation_final_loss"], "the weight still moves")
        self.assertEqual(self.values("scripted_fp64_0", "loss_kld_weight")[0], 0)
        self.assertGreater(self.values("scripted_fp64_0", "loss_kld_weight")[-1], 0)

    def test_the_same_bits_at_any_number_of_ranks_and_through_stops(self):
        """Of a loss that draws and has a normalisation, alone and beside a term of the whole batch."""
        file = self.saved(Discrepancy())
        for name, more in (("alone", []), ("beside_tc", ["objective.regularisers=[{name: tc, weight: 0.1}]"])):
            with self.subTest(name):
                settings = [*script(file), *REPLICAS, *more, "evaluate.every_epochs=1"]
                self.train(name, *settings, f"train.steps={STEPS}", np=4)
                for np, steps in ((2, 5), (8, 8), (1, STEPS)):
                    self.train(f"{name}_moved", *settings, f"train.steps={steps}", np=np)
                for of in ("weights.safetensors", "optimizer.safetensors"):
                    self.assertEqual((self.checkpoint(f"{name}_moved") / of).read_bytes(), (self.checkpoint(name) / of).read_bytes(), of)
                for term in ("loss", "loss_mmd", "loss_perceived"):
                    self.assertEqual(self.values(f"{name}_moved", term), self.values(name, term), term)
                for term in ("evaluation_loss", "loss_mmd", "loss_perceived"):
                    self.assertEqual(self.evaluations(f"{name}_moved")[-1][term], self.evaluations(name)[-1][term], term)
                self.assertLess(self.values(name, "loss_perceived")[-1], self.values(name, "loss_perceived")[0])
        self.train("other_seed", *script(file), *REPLICAS, "run.seed=1", "train.steps=1")
        self.assertNotEqual(self.values("other_seed", "loss_mmd"), self.values("alone", "loss_mmd")[:1])

    def test_replicas_that_run_as_one_batch_have_a_loss_of_their_own(self):
        """With sync batch norm, also beside a term of the whole batch: the loss draws, and is no mean over samples."""
        file = self.saved(Discrepancy())
        for more in ([], ["objective.regularisers=[{name: tc, weight: 0.1}]"]):
            names = [f"merged_{np}_{len(more)}" for np in (1, 2, 4)]
            for np, name in zip((1, 2, 4), names):
                self.train(name, *script(file), *more, "distributed.batch_norm=sync", "distributed.replicas=4", "train.precision=fp64", "train.steps=3", np=np)
                for term in ("loss", "loss_mmd"):
                    numpy.testing.assert_allclose(self.values(name, term), self.values(names[0], term), rtol=1e-9)

    def test_ranks_that_find_other_files_are_told_so(self):
        """As on machines whose folders differ: here the working folders do."""
        where = ["data.train.file=" + str(self.folder / "shapes.h5"), "data.train.dataset=imgs", f"run.directory={self.folder / 'runs'}", "run.name=apart", "distributed.replicas=2"]
        for name, content in (("full", (self.folder / self.saved(Standard())).read_bytes()), ("other", (self.folder / self.saved(OfPoints())).read_bytes()), ("empty", None)):
            (self.folder / name).mkdir()
            if content is not None:
                (self.folder / name / "loss.pt").write_bytes(content)
        command = [runs.BINARY, "train", "--config", str(self.folder / "run.yaml"), *runs.SMALL, *script("loss.pt"), *where, "train.steps=2"]
        for first, second, says in (("empty", "full", "objective.script: loss.pt cannot be read"), ("full", "empty", "objective.script: loss.pt cannot be read"), ("full", "other", "files from Python")):
            with self.subTest(first=first, second=second):
                done = subprocess.run(["mpirun", "--oversubscribe", "--bind-to", "none", "-np", "1", "-wdir", self.folder / first, *command, ":", "-np", "1", "-wdir", self.folder / second,
                                       *command], text=True, capture_output=True, timeout=runs.HANGS_S, stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)

    def test_what_the_script_does_without_stops_no_step(self):
        torch.jit.script(FarAway()).save(self.folder / "far.pt")
        settings = ["model.name=script", "model.encoder=far.pt", "model.decoder=far.pt", "model.latent_dim=4", "train.steps=20", "train.optimizer.learning_rate=0.01"]
        self.train("far", *settings, *script(self.saved(OfErrors())))
        self.assertLess(self.losses("far")[-1], self.losses("far")[0])
        self.assertEqual(set(self.values("far", "kld")), {None})

    def test_no_block_of_an_evaluation_is_much_smaller_than_others(self):
        """One of a single sample would have no spread."""
        file = self.saved(Spread())
        for batch in (100, 199):
            self.train(f"blocks_{batch}", *script(file), "train.steps=2", f"evaluate.batch={batch}")
        for term in ("evaluation_loss", "loss_spread"):
            self.assertEqual(*(self.evaluations(f"blocks_{batch}")[-1][term] for batch in (100, 199)), term)
        self.assertGreater(self.evaluations("blocks_199")[-1]["loss_spread"], 0)

    def test_points_codes_masks_and_conditions(self):
        self.train("points", *script(self.saved(OfPoints())), "model.name=autoencoder", "train.steps=10")
        self.train("codes", *script(self.saved(OfPoints())), "model.codes={kind: vector_quantized, size: 8, groups: 2}", "train.steps=10")
        self.train("constants", *script(self.saved(WithConstants())), "model.name=autoencoder", "train.steps=2", "train.precision=fp64")
        self.assertEqual(self.values("constants", "loss_scale"), [2, 2])
        for name in ("points", "codes"):
            self.assertLess(self.losses(name)[-1], self.losses(name)[0])
        self.assertGreater(self.values("codes", "commitment")[-1], 0)
        random = numpy.random.default_rng(3)
        x = (random.normal(size=(128, 2)) @ random.normal(size=(2, 20))).astype("f4")
        x[random.random(x.shape) < 0.2] = numpy.nan
        with h5py.File(self.folder / "gaps.h5", "w") as file:
            file["x"], file["label"] = x, random.integers(3, size=128).astype("i4")
        self.write_config("gaps.yaml", "run: {name: gaps}\ndata: {normalize: standardize, missing: mask, train: {file: gaps.h5, dataset: x, layout: NV, condition: "
                                       "[{name: classes, dataset: label}]}}\nmodel: {name: mlp_vae}\n")
        self.train("gaps", *script(self.saved(OfKnownValues())), "train.steps=60", "train.optimizer.learning_rate=0.02", config="gaps.yaml", np=2)
        self.assertLess(sum(self.losses("gaps")[-8:]), sum(self.losses("gaps")[:8]))
        self.assertEqual(self.values("gaps", "loss_conditions"), [8] * 60)  # each of a rank's 8 samples has one class


class Use(ScriptLosses):
    def test_a_run_keeps_its_loss(self):
        file = self.folder / "sharp.pt"
        subprocess.run([sys.executable, EXAMPLE, file, "--weight", "0.25"], check=True)
        settings = ["data.validation={fraction: 0.2}", "checkpoint.best=loss_edges", "evaluate.every_epochs=1", "distributed.replicas=2"]
        self.train("keeps", *script(file), "train.steps=2", *settings)
        file.unlink()
        self.train("keeps", *script(file), "train.steps=30", *settings, np=2)
        step = self.steps("keeps")[30]
        numpy.testing.assert_allclose(step["loss"], step["loss_squared_error"] + step["kld_weight"] * step["loss_kl"] + 0.25 * step["loss_edges"], rtol=1e-6)
        self.assertLess(self.values("keeps", "loss_edges")[-1], self.values("keeps", "loss_edges")[0])
        evaluated = self.program("evaluate", "--checkpoint", "runs/keeps", "--data", "shapes.h5", "--json", "e.json", check=True).stdout
        self.assertRegex(evaluated, r"loss_edges +\d")
        found = json.loads((self.folder / "e.json").read_text())
        self.assertEqual(set(found["script_terms"]), {"loss_squared_error", "loss_kl", "loss_edges"})
        self.assertEqual(self.program("report", "runs/keeps").returncode, 0)
        report = (self.run_path("keeps") / "report.html").read_text()
        self.assertIn("Loss term edges", report)
        self.program("train", "--from", "runs/keeps", "run.name=fork", "train.steps=2", np=2, check=True)
        self.assertEqual((self.run_path("fork") / "network/loss").read_bytes(), (self.run_path("keeps") / "network/loss").read_bytes())
        other = (self.folder / self.saved(Standard())).read_bytes()
        (self.run_path("fork") / "network/loss").write_bytes(other)
        self.assertIn("which is another loss than the one that this run began with", self.train("keeps", *script(self.saved(Standard())), *settings, "train.steps=31", np=2).stderr)
        changed = self.train("fork", *script(file), "train.steps=4", *settings, np=2, check=False)
        self.assertEqual(changed.returncode, 2, changed.stderr)
        self.assertIn("it is another loss than the one", changed.stderr)
        self.train("standard", "train.steps=2", "distributed.replicas=2")
        of_script, of_program = (json.loads((self.run_path(name) / "convolutions.json").read_text())["by_shape"].keys() for name in ("keeps", "standard"))
        self.assertEqual(of_script, of_program, "the batch that the script is asked with has no part in the choice of ways")
        self.assertIn("the script loss (SHA-256", self.program("compare", "runs/keeps", "runs/standard", "--data", "shapes.h5", check=True).stdout)

    def test_parameters_that_the_loss_does_not_reach_can_be_frozen(self):
        file = self.saved(OfMuAlone())
        refused = self.train("frozen", *script(file), "train.steps=2", check=False)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("fc_var.weight", refused.stderr)
        self.train("frozen", *script(file), "train.steps=2", "train.freeze=[fc_var, decoder_input, decoder, final_layer]", "distributed.replicas=2", np=2)
        self.program("evaluate", "--checkpoint", "runs/frozen", "--data", "shapes.h5", check=True)

    def test_what_does_not_fit_is_refused_before_the_first_step(self):
        (self.folder / "no.pt").write_text("no")
        cases = (
            (["objective.name=script"], "set objective.script"),
            (script("no.pt"), "no.pt cannot be read as TorchScript"),
            (script(self.saved(NoLoss())), "neither a method loss nor a method forward"),
            (script(self.saved(TwoArguments())), "gets three arguments"),
            (script(self.saved(PerSample())), "returns loss as Float of shape [2], but a scalar"),
            (script(self.saved(Alone())), "returns Tensor, but named scalars are wanted"),
            (script(self.saved(BadName())), "a value named 'My loss'"),
            (script(self.saved(Missing())), "condition"),
            (script(self.saved(Remembering())), "changes its tensor mean_error"),
            (script(self.saved(Discrepancy(), training=True)), "changes its tensor features.1."),
            (script(self.saved(Discrepancy(), frozen=False)), "features.0.weight asks for a gradient"),
            (script(self.saved(Appending())), "changes self.seen, a List[Tensor]"),
            (script(self.saved(ChangingItsList())), "changes self.seen, a List[Tensor]"),
            (script(self.saved(ChangingItsInput())), "changes kld_weight in place"),
            (script(self.saved(Forking())), "torch.jit.fork"),
            (script(self.saved(Penalty())), "torch.is_grad_enabled()"),
            ([*script(self.saved(Standard())), "objective.variance=learned"], "log_sigma"),
            ([*script(self.saved(Standard())), "model.name=decoder_only"], "has no encoder"),
            ([*script(self.saved(Standard())), "objective.free_bits=0.1"], "objective.free_bits"),
            ([*script(self.saved(Standard())), "objective.importance_samples=4"], "objective.importance_samples"),
            ([f"objective.script={self.saved(Standard())}"], "objective.script"),
        )
        self.assert_refused(cases)


if __name__ == "__main__":
    unittest.main()
