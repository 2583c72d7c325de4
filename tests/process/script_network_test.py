"""Networks that were written in Python: the same training as the program's own, the same bits at any number of ranks, and errors that say what is wanted."""
import hashlib
import json
import shutil
import subprocess
import sys
import unittest
from typing import List, Optional

import h5py
import numpy
import torch

import runs

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402

EXAMPLES = runs.SOURCE / "launcher" / "python" / "examples"
STEPS = 18
REPLICAS = ["distributed.replicas=8", "train.global_batch=32", "distributed.reproducible=true"]


def script(*files, latent=4):
    return ["model.name=script", f"model.encoder={files[0]}", f"model.decoder={files[-1]}", f"model.latent_dim={latent}"]


class Tiny(torch.nn.Module):
    """A linear network for 16x16 grey pictures, which tests derive others from."""

    def __init__(self):
        super().__init__()
        self.to_code, self.from_z = torch.nn.Linear(256, 8), torch.nn.Linear(4, 256)

    @torch.jit.export
    def encode(self, x: torch.Tensor):
        mu, log_var = self.to_code(x.flatten(1)).chunk(2, 1)
        return mu, log_var

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.from_z(z)).view(-1, 1, 16, 16)


class Bent(Tiny):
    """Another program for the same weights."""

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.from_z(torch.tanh(z))).view(-1, 1, 16, 16)


class Counting(Tiny):
    def __init__(self):
        super().__init__()
        self.register_buffer("samples", torch.zeros(()))
        self.register_buffer("level", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    @torch.jit.export
    def encode(self, x: torch.Tensor):
        if self.training:
            self.samples.add_(x.shape[0])
            self.level.mul_(0.9).add_(0.1 * x.detach().float().mean())
            self.batches.add_(1)
        mu, log_var = self.to_code(x.flatten(1)).chunk(2, 1)
        return mu, log_var


class CountingBright(Tiny):
    def __init__(self):
        super().__init__()
        self.register_buffer("bright", torch.zeros((), dtype=torch.long))

    @torch.jit.export
    def encode(self, x: torch.Tensor):
        if self.training:
            self.bright.add_((x > 0.5).sum())
        mu, log_var = self.to_code(x.flatten(1)).chunk(2, 1)
        return mu, log_var


class Noisy(Tiny):
    """Draws in its forward, also in evaluation."""

    @torch.jit.export
    def encode(self, x: torch.Tensor):
        mu, log_var = self.to_code((x + 0.1 * torch.randn_like(x)).flatten(1)).chunk(2, 1)
        return mu, log_var


class ChangingItsList(Tiny):
    seen: List[torch.Tensor]

    def __init__(self):
        super().__init__()
        self.seen = [torch.zeros(())]

    @torch.jit.export
    def encode(self, x: torch.Tensor):
        self.seen[0].add_(1)
        mu, log_var = self.to_code((x * self.seen[0]).flatten(1)).chunk(2, 1)
        return mu, log_var


class ChangingWhatItIsGiven(Tiny):
    """In place, and with an object of its own."""

    def __init__(self):
        super().__init__()
        self.norm, self.rows = torch.nn.BatchNorm1d(16), torch.nn.GRU(16, 16, batch_first=True)
        self.register_buffer("seen", torch.zeros(()))

    def changed(self, x: torch.Tensor) -> torch.Tensor:
        return x.sub_(0.5).mul_(2)

    @torch.jit.export
    def encode(self, x: torch.Tensor):
        if self.training:
            with torch.no_grad():
                self.seen.add_(1)
        mu, log_var = self.to_code((self.rows(self.norm(self.changed(x).squeeze(1)))[0]).flatten(1)).chunk(2, 1)
        return mu, log_var

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.from_z(self.changed(z))).view(-1, 1, 16, 16)


class ChangingNothingItIsGiven(ChangingWhatItIsGiven):
    def changed(self, x: torch.Tensor) -> torch.Tensor:
        return (x - 0.5) * 2


class FailingLater(Tiny):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(1)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @torch.jit.export
    def encode(self, x: torch.Tensor):
        if self.training:
            self.steps.add_(1)
        mu, log_var = self.to_code(self.norm(x).flatten(1)).chunk(2, 1)
        assert int(self.steps) < 12, "no more"
        return mu, log_var


class ReadingItsList(ChangingItsList):
    """In-place operations on what it computes, beside a list that stays."""

    @torch.jit.export
    def encode(self, x: torch.Tensor):
        mu, log_var = self.to_code((x.flatten(1) + self.seen[0]).relu_()).chunk(2, 1)
        return mu, log_var


class WithUnused(Tiny):
    def __init__(self):
        super().__init__()
        self.forgotten = torch.nn.Linear(2, 2)

    @torch.jit.export
    def unused(self, x: torch.Tensor) -> torch.Tensor:
        return self.forgotten(x)


class WithGenerator(Tiny):
    @torch.jit.export
    def encode(self, x: torch.Tensor):
        noise = torch.randn(x.shape, generator=torch.Generator())
        mu, log_var = self.to_code((x + noise).flatten(1)).chunk(2, 1)
        return mu, log_var


class Point(Tiny):
    @torch.jit.export
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.to_code(x.flatten(1))[:, :4]


class Masked(Tiny):
    """Constants of kinds that have no difference: an infinity that stays, truth values."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tensor([0, -torch.inf, 0, -torch.inf]))
        self.register_buffer("chosen", torch.tensor([True, False, True, True]))

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        kept = torch.where(self.chosen, z, torch.zeros_like(z)) * torch.softmax(self.mask, 0).sum()
        return torch.sigmoid(self.from_z(kept)).view(-1, 1, 16, 16)


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rows, self.to_code, self.from_z = torch.nn.LSTM(16, 8, num_layers=2, dropout=0.5, batch_first=True), torch.nn.Linear(8, 8), torch.nn.Linear(4, 256)

    @torch.jit.export
    def encode(self, x: torch.Tensor, y: Optional[torch.Tensor] = None):
        mu, log_var = self.to_code(self.rows(x.squeeze(1))[0][:, -1]).chunk(2, 1)
        return mu, log_var

    @torch.jit.export
    def decode(self, z: torch.Tensor, y: Optional[torch.Tensor] = None) -> torch.Tensor:
        return torch.sigmoid(self.from_z(z)).view(-1, 1, 16, 16)


class Assigning(Counting):
    @torch.jit.export
    def encode(self, x: torch.Tensor):
        if self.training:
            self.samples = self.samples + x.shape[0]
        mu, log_var = self.to_code(x.flatten(1)).chunk(2, 1)
        return mu, log_var


class AlwaysCounting(Counting):
    @torch.jit.export
    def encode(self, x: torch.Tensor):
        self.samples.add_(x.shape[0])
        mu, log_var = self.to_code(x.flatten(1)).chunk(2, 1)
        return mu, log_var


class NamedCodes(Tiny):
    def __init__(self):
        super().__init__()
        self.codes = torch.nn.Linear(4, 4)

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.from_z(self.codes(z))).view(-1, 1, 16, 16)


class WithPrelu(Tiny):
    def __init__(self):
        super().__init__()
        self.act = torch.nn.PReLU()

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.from_z(self.act(z))).view(-1, 1, 16, 16)


class Spatial(torch.nn.Module):
    """A code of 2 channels at 4x4 positions, of pictures in colour."""

    def __init__(self, viewed: bool = False):
        super().__init__()
        self.down, self.up, self.viewed = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.ConvTranspose2d(2, 3, 4, stride=4), viewed

    @torch.jit.export
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        z = self.down(x)
        return z.view(z.shape[0], -1) if self.viewed else z

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.up(z.view(-1, 2, 4, 4)))


class Viewing(Spatial):
    def __init__(self):
        super().__init__(viewed=True)


class WrongShape(Tiny):
    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.from_z(z)).view(-1, 16, 16, 1)


class ScriptNetworks(runs.RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        small = ["--channels", "1", "--size", "16", "--latent-dim", "4", "--widths", "8", "16"]
        for name in ("vanilla_vae", "unet_vae"):
            cls.example(f"{name}.py", f"{name}.pt", *small)

    @classmethod
    def example(cls, *arguments):
        subprocess.run([sys.executable, EXAMPLES / arguments[0], *map(str, arguments[1:])], cwd=cls.folder, check=True, stdout=subprocess.DEVNULL)

    def saved(self, network):
        """Scripts a network under its class's name."""
        torch.manual_seed(5)
        name = f"{type(network).__name__}.pt"
        torch.jit.script(network).save(self.folder / name)
        return name

    def weights(self, name):
        return safetensors_file.read(self.checkpoint(name) / "weights.safetensors")[0]

    def assert_same_bits(self, name, reference):
        for file in ("weights.safetensors", "optimizer.safetensors"):
            self.assertEqual((self.checkpoint(name) / file).read_bytes(), (self.checkpoint(reference) / file).read_bytes(), file)
        self.assertEqual(self.losses(name), self.losses(reference))


class Training(ScriptNetworks):
    def test_pytorch_vaes_network_trains_as_the_programs_own(self):
        """Both compute the same, with other kernels: to rounding in double precision; in single precision rounding grows over the steps."""
        for precision, tolerance in (("fp64", 1e-9), ("fp32", 2e-5)):
            with self.subTest(precision):
                first, programs, scripted = (f"{name}_{precision}" for name in ("first", "programs", "scripted"))
                self.train(first, "train.steps=1", f"train.precision={precision}")
                settings = ["--from", f"runs/{first}", "train.steps=30", "distributed.replicas=2", f"train.precision={precision}"]
                self.train(programs, *settings, np=2)
                self.train(scripted, *settings, *script("vanilla_vae.pt"), np=2)
                numpy.testing.assert_allclose(self.losses(scripted), self.losses(programs), rtol=tolerance)
                own, foreign = self.weights(programs), self.weights(scripted)
                self.assertEqual(own.keys(), foreign.keys())
                for name, tensor in own.items():
                    if "num_batches" in name:
                        self.assertTrue(tensor.equal(foreign[name]), name)
                    else:
                        scale = max(1, tensor.abs().max().item())
                        numpy.testing.assert_allclose(foreign[name], tensor, rtol=0, atol=(1e-7 if precision == "fp64" else 3e-3) * scale, err_msg=name)
                for name in ("encoder.0.0.bias", "decoder.0.0.bias"):
                    self.assertTrue(foreign[name].equal(self.weights(first)[name]), f"{name} has requires_grad=False")

    def test_dropout_and_batch_norm_have_the_same_bits_at_any_number_of_ranks_and_through_stops(self):
        for name, files, more in (("unet", ["unet_vae.pt"], ["train.ema_decay=0.9"]), ("noisy", [self.saved(Noisy())], ["objective.regularisers=[{name: tc}]"]),
                                  ("recurrent", [self.saved(Recurrent())], [])):
            with self.subTest(name):
                settings = [*script(*files), *REPLICAS, *more]
                self.train(name, *settings, f"train.steps={STEPS}", np=4)
                for np, steps in ((2, 5), (8, 8), (1, STEPS)):
                    self.train(f"{name}_moved", *settings, f"train.steps={steps}", np=np)
                self.assert_same_bits(f"{name}_moved", name)
                self.assertLess(self.losses(name)[-1], self.losses(name)[0])
        self.train("other_seed", *script("unet_vae.pt"), *REPLICAS, "run.seed=1", "train.steps=3", np=2)
        self.assertNotEqual(self.losses("other_seed")[0], self.losses("unet")[0])

    def test_evaluations_of_a_network_that_draws_are_the_same_at_any_number_of_ranks(self):
        self.train("drawing", *script(self.saved(Noisy())), "train.steps=3")
        lines = []
        for np in (1, 2):
            self.program("evaluate", "--checkpoint", "runs/drawing", "--json", f"{np}.json", np=np, check=True)
            lines.append((self.folder / f"{np}.json").read_text())
        self.assertEqual(*lines)

    def test_buffers_do_not_depend_on_ranks(self):
        file = self.saved(Counting())
        for np in (1, 2, 4):
            self.train(f"counting_{np}", *script(file), *REPLICAS, "model.summed_buffers=[samples]", "train.steps=5", np=np)
        weights = self.weights("counting_1")
        self.assertEqual(weights["samples"].item(), 5 * 32)
        self.assertEqual(weights["batches"].item(), 5)
        self.assertEqual(weights["batches"].dtype, torch.int64)
        self.assertGreater(weights["level"].item(), 0)
        for np in (2, 4):
            self.assert_same_bits(f"counting_{np}", "counting_1")
        file = self.saved(CountingBright())
        for np in (1, 4):
            refused = self.train("bright", *script(file), *REPLICAS, "train.steps=2", np=np, check=False)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn("bright", refused.stderr)
        self.train("bright_sum", *script("CountingBright.pt"), *REPLICAS, "model.summed_buffers=[bright]", "train.steps=2", np=2)
        self.assertGreater(self.weights("bright_sum")["bright"].item(), 0)

    def test_what_it_is_given_it_may_change(self):
        for kind in (ChangingWhatItIsGiven, ChangingNothingItIsGiven):
            torch.manual_seed(5)
            self.train(kind.__name__, *script(self.saved(kind())), "train.steps=8", "train.precision=fp64", "model.initialise=file", "distributed.replicas=2", np=2)
        numpy.testing.assert_allclose(self.losses("ChangingWhatItIsGiven"), self.losses("ChangingNothingItIsGiven"), rtol=1e-12)
        self.assertEqual(self.weights("ChangingWhatItIsGiven")["seen"], 8)

    def test_a_step_that_fails_leaves_the_buffers_of_the_step_before(self):
        file = self.saved(FailingLater())
        for np, replicas in ((1, 4), (2, 4)):
            name = f"failing_{np}"
            done = self.train(name, *script(file), f"distributed.replicas={replicas}", "train.steps=30", np=np, check=False, env=runs.patient(5))
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("saved the last step before the failure, 11", done.stderr)
            self.train(f"until_11_{np}", *script(file), f"distributed.replicas={replicas}", "train.steps=11", np=np)
            for of_failed, of_whole in zip(*(sorted(self.weights(each).items()) for each in (name, f"until_11_{np}")), strict=True):
                self.assertEqual(of_failed[0], of_whole[0])
                self.assertTrue(of_failed[1].equal(of_whole[1]), of_failed[0])

    def test_constants_stay_what_they_are(self):
        network = Masked()
        self.train("masked", *script(self.saved(network)), *REPLICAS, "train.steps=5", np=2)
        for name in ("mask", "chosen"):
            self.assertTrue(self.weights("masked")[name].equal(getattr(network, name)), name)
        self.assertLess(self.losses("masked")[-1], self.losses("masked")[0])
        self.train("lists", *script(self.saved(ReadingItsList())), "train.steps=1")

    def test_a_run_keeps_its_network(self):
        file = self.folder / self.saved(Viewing())
        colour = ["--count", "64", "--size", "16", "--channels", "3"]
        self.program("data", "make-shapes", "colour.h5", *colour, check=True)
        settings = [*script(file.name, latent=32), "model.encoder_gives=point", "data.train.file=colour.h5", "distributed.replicas=2"]
        failed = self.train("keeps", *settings, "train.steps=2", check=False)
        self.assertEqual(failed.returncode, 2, failed.stderr)
        self.assertIn("train.channels_last=false", failed.stderr)
        file.write_bytes((self.folder / self.saved(Spatial())).read_bytes())
        self.train("keeps", *settings, "train.steps=2")
        file.write_text("gone")
        self.train("keeps", *settings, "train.steps=4", np=2)
        self.assertEqual(max(self.steps("keeps")), 4)
        for checkpoint in ("runs/keeps", f"{self.checkpoint('keeps')}/"):
            self.program("reconstruct", "--checkpoint", checkpoint, "--data", "colour.h5", "--rows", "0:4", "--out", "k.h5", "--overwrite", check=True)
        # Its code has positions, of which each has one vector.
        file.write_bytes((self.folder / "Spatial.pt").read_bytes())
        self.train("codes_of_positions", *settings, "model.codes={kind: vector_quantized, size: 8}", "train.steps=2")
        self.assertEqual(list(self.weights("codes_of_positions")["codes.codebook"].shape), [8, 2])

    def assert_refused(self, done, *says):
        self.assertEqual(done.returncode, 2, done.stderr)
        for each in says:
            self.assertIn(each, done.stderr)

    def sums(self, name):
        return json.loads((self.checkpoint(name) / "state.json").read_text())["kept_files"]

    def test_a_copy_that_was_changed_is_refused(self):
        original, other = self.folder / self.saved(Tiny()), (self.folder / self.saved(Bent())).read_bytes()
        wanted = original.read_bytes()
        sum_of_original = hashlib.sha256(wanted).hexdigest()
        self.train("changed", *script(original.name), "train.steps=2", np=2)
        self.assertEqual(self.sums("changed"), {"model.encoder": sum_of_original, "model.decoder": sum_of_original})
        copy = self.run_path("changed") / "network/encoder"
        copy.write_bytes(other)
        changed = "changed/network/encoder, the run's copy of model.encoder, was changed after the run began"
        for np in (None, 2):
            self.assert_refused(self.train("changed", *script(original.name), "train.steps=4", np=np, check=False), changed, "Copy Tiny.pt over it")
        for verb in (["evaluate"], ["reconstruct", "--data", "shapes.h5", "--out", "r.h5"], ["sample", "--out", "s.png"]):
            self.assert_refused(self.program(*verb, "--checkpoint", "runs/changed"), changed, "Copy Tiny.pt over it")
        original.write_bytes(other)
        self.assert_refused(self.program("evaluate", "--checkpoint", "runs/changed"), changed, sum_of_original)
        # Without the copy it is the file of the configuration that must be the same.
        copy.unlink()
        self.assert_refused(self.program("evaluate", "--checkpoint", "runs/changed"), "Tiny.pt (model.encoder) was changed", sum_of_original)
        original.write_bytes(wanted)
        self.program("evaluate", "--checkpoint", "runs/changed", check=True)
        copy.write_bytes(wanted)
        self.train("changed", *script(original.name), "train.steps=4", np=2)
        self.assertEqual(max(self.steps("changed")), 4)
        self.assertEqual(self.sums("changed")["model.encoder"], sum_of_original)

    def test_a_fork_begins_with_the_network_of_its_run(self):
        original = self.folder / self.saved(Tiny())
        wanted, other = original.read_bytes(), self.folder / self.saved(Bent())
        self.train("stem", *script(original.name), "train.steps=2", "distributed.replicas=2")
        original.write_text("gone")
        fork = ["train", "--from", "runs/stem", "train.steps=2"]
        self.program(*fork, "run.name=fork", np=2, check=True)
        self.assertEqual((self.run_path("fork") / "network/encoder").read_bytes(), wanted)
        self.assertEqual(self.sums("fork"), self.sums("stem"))
        # It is a run of its own.
        shutil.move(self.run_path("stem"), self.folder / "moved")
        self.program("evaluate", "--checkpoint", "runs/fork", check=True)
        shutil.move(self.folder / "moved", self.run_path("stem"))
        # What the command line names counts, even under the name that the file had.
        original.write_bytes(other.read_bytes())
        for name, settings in (("other", [f"model.encoder={other.name}", f"model.decoder={other.name}"]), ("same_name", ["model.encoder=Tiny.pt", "model.decoder=Tiny.pt"])):
            told = self.program(*fork, f"run.name={name}", *settings, check=True)
            self.assertIn("which is another network than the one that runs/stem/checkpoints/step_00000002 was trained with", told.stderr + told.stdout)
            self.assertEqual((self.run_path(name) / "network/encoder").read_bytes(), other.read_bytes())
        (self.run_path("stem") / "network/encoder").write_bytes(other.read_bytes())
        self.assert_refused(self.program(*fork, "run.name=refused"), "stem/network/encoder, the run's copy of model.encoder, was changed")

    def test_a_run_that_goes_on_elsewhere_takes_its_network_along(self):
        original = self.folder / self.saved(Tiny())
        wanted = original.read_bytes()
        self.train("there", *script(original.name), "train.steps=2", "distributed.replicas=2")
        original.write_bytes((self.folder / self.saved(Bent())).read_bytes())
        self.train("here", *script(original.name), "train.steps=4", "checkpoint.resume=runs/there", np=2)
        self.assertEqual((self.run_path("here") / "network/encoder").read_bytes(), wanted)
        shutil.rmtree(self.run_path("there"))
        self.train("here", *script(original.name), "train.steps=6")
        self.assertEqual(max(self.steps("here")), 6)
        self.assertEqual(set(self.sums("here").values()), {hashlib.sha256(wanted).hexdigest()})

    def test_initial_values_are_the_files_or_drawn_from_the_seed(self):
        scripted = torch.jit.load(self.folder / "vanilla_vae.pt").state_dict()
        still = ["train.steps=1", "train.optimizer.learning_rate=0"]
        self.train("kept", *script("vanilla_vae.pt"), *still, np=2)
        self.train("drawn", *script("vanilla_vae.pt"), *still, "model.initialise=keyed")
        self.train("own", *still)
        kept, drawn, own = self.weights("kept"), self.weights("drawn"), self.weights("own")
        for name, tensor in scripted.items():
            if "running" in name or "num_batches" in name:
                continue
            self.assertTrue(kept[name].equal(tensor), name)
            self.assertEqual(drawn[name].equal(tensor), set(tensor.unique().tolist()) <= {0, 1}, name)
            self.assertTrue(drawn[name].equal(own[name]), f"{name}: the layers are the same ones in the same order")

    def test_two_files_of_vectors_under_a_condition(self):
        random = numpy.random.default_rng(3)
        labels = random.integers(3, size=300)
        with h5py.File(self.folder / "vectors.h5", "w") as file:
            file["x"] = (random.normal(size=(300, 20)) + 3 * labels[:, None]).astype("f4")
            file["label"] = labels.astype("i4")
        self.write_config("vectors.yaml", "run: {name: vectors}\ndata: {normalize: standardize, train: {file: vectors.h5, dataset: x, layout: NV, condition: [{name: classes, dataset: label}]}}\n")
        self.example("vector_vae.py", "encoder.pt", "decoder.pt", "--values", "20", "--condition", "3", "--latent-dim", "4")
        self.train("vectors", *script("encoder.pt", "decoder.pt"), "train.steps=30", config="vectors.yaml", np=2)
        self.assertLess(self.losses("vectors")[-1], 0.7 * self.losses("vectors")[0])
        self.assertIn("encoder.body.body.0.weight", self.weights("vectors"))
        self.program("sample", "--checkpoint", "runs/vectors", "--condition", "label=2", "--out", "s.h5", check=True)
        lacks = self.train("lacks", *script("encoder.pt", "decoder.pt"), "data.train.condition=[]", "train.steps=1", config="vectors.yaml", check=False)
        self.assertEqual(lacks.returncode, 2)
        self.assertIn("gets 1 tensor", lacks.stderr)

    def test_points_codes_bf16_and_accumulation(self):
        point = [*script(self.saved(Point())), "model.encoder_gives=point", "train.steps=10"]
        for name, settings in (("point", []), ("codes", ["model.codes={kind: vector_quantized, size: 8, groups: 2}"]), ("bf16", ["train.precision=bf16"]),
                               ("fp64", ["train.precision=fp64", "distributed.replicas=4"])):
            with self.subTest(name):
                self.train(name, *point, *settings)
                self.assertLess(self.losses(name)[-1], self.losses(name)[0])


class Use(ScriptNetworks):
    def test_embed_reconstruct_and_sample_are_those_of_the_script_in_python(self):
        self.train("used", *script("unet_vae.pt"), "train.steps=20", "pictures.every_epochs=1", np=2)
        network = torch.jit.load(self.folder / "unet_vae.pt")
        network.load_state_dict(self.weights("used"))
        network.eval()
        with h5py.File(self.folder / "shapes.h5") as file, torch.no_grad():
            x = torch.from_numpy(file["imgs"][:]).reshape(-1, 1, 16, 16) / 255
            mu, log_var = network.encode(x)
            reconstruction = network.decode(mu)
        self.program("embed", "--checkpoint", "runs/used", "--data", "shapes.h5", "--labels", "none", "--out", "codes.h5", check=True)
        self.program("reconstruct", "--checkpoint", "runs/used", "--data", "shapes.h5", "--rows", "0:200", "--out", "r.h5", check=True)
        with h5py.File(self.folder / "codes.h5") as codes, h5py.File(self.folder / "r.h5") as made:
            numpy.testing.assert_allclose(codes["mu"], mu, rtol=1e-4, atol=1e-5)
            numpy.testing.assert_allclose(codes["log_var"], log_var, rtol=1e-4, atol=1e-5)
            numpy.testing.assert_allclose(numpy.asarray(made["reconstructions"]).reshape(x.shape), reconstruction, rtol=0, atol=1e-5)
        self.program("sample", "--checkpoint", "runs/used", "--out", "s.png", check=True)

    def test_what_does_not_fit_is_refused_before_the_first_step(self):
        (self.folder / "no.pt").write_text("no")
        self.program("data", "make-shapes", "colour.h5", "--count", "32", "--size", "16", "--channels", "3", check=True)
        good = self.saved(Tiny())
        cases = (
            ([*script(good, latent=5)], "model.latent_dim=4"),
            ([*script(self.saved(WrongShape()))], "[2, 1, 16, 16] is wanted"),
            ([*script(self.saved(Point()))], "two are wanted: mu and log_var"),
            ([*script("no.pt")], "cannot be read as TorchScript"),
            ([*script("nowhere.pt")], "nowhere.pt"),
            ([*script(self.saved(WithUnused()))], "forgotten.weight"),
            ([*script(self.saved(WithGenerator()))], "generator of its own"),
            ([*script(good), "distributed.batch_norm=sync"], "batch_norm"),
            ([*script(good), "model.summed_buffers=[seen]"], "no buffer seen"),
            ([*script(good), "model.hidden_dims=[4]"], "model.hidden_dims"),
            ([*script(good), "objective.variance=predicted"], "2 are wanted by objective.likelihood"),
            ([*script(good), "model.codes.kind=vector_quantized"], "no point that could be quantized"),
            ([*script("vanilla_vae.pt"), "data.train.file=colour.h5"], "does not pass through the network"),
            ([*script(self.saved(Assigning()))], "assigns self.samples"),
            ([*script(self.saved(ChangingItsList()))], "changes self.seen, a List[Tensor]"),
            ([*script(self.saved(AlwaysCounting()))], "samples. What is evaluated must leave no trace"),
            ([*script(self.saved(NamedCodes()))], "a module named codes"),
            ([*script(self.saved(WithPrelu())), "model.initialise=keyed"], "PReLU"),
            (["model.name=script"], "model.encoder and model.decoder"),
        )
        self.assert_refused(cases)


if __name__ == "__main__":
    unittest.main()
