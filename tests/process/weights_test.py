"""Weights can be exchanged with torch: it loads the files of `weights export` and computes the same pictures, and `weights import` reads its files."""
import sys
import unittest

import h5py
import torch

import runs

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402
from vanilla_vae_reference import VanillaVAE  # noqa: E402


class TheirVae(torch.nn.Module):
    """The network of PyTorch-VAE's VanillaVAE for 64x64 pixels: five levels, a code of 2x2, and a decoder that always ends in Tanh. It shares no code
    with the reference in tests/golden."""
    WIDTHS, LATENT = [4, 6, 8, 8, 10], 5

    def __init__(self):
        super().__init__()

        def level(convolution, width):
            return torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(width), torch.nn.LeakyReLU())

        def up(before, after):
            return torch.nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)

        widths, deepest = [3, *self.WIDTHS], self.WIDTHS[-1]
        self.encoder = torch.nn.Sequential(*(level(torch.nn.Conv2d(before, after, 3, stride=2, padding=1), after) for before, after in zip(widths, widths[1:])))
        self.fc_mu, self.fc_var = torch.nn.Linear(deepest * 4, self.LATENT), torch.nn.Linear(deepest * 4, self.LATENT)
        self.decoder_input = torch.nn.Linear(self.LATENT, deepest * 4)
        self.decoder = torch.nn.Sequential(*(level(up(before, after), after) for before, after in zip(self.WIDTHS[:0:-1], self.WIDTHS[-2::-1])))
        first = self.WIDTHS[0]
        self.final_layer = torch.nn.Sequential(up(first, first), torch.nn.BatchNorm2d(first), torch.nn.LeakyReLU(), torch.nn.Conv2d(first, 3, 3, padding=1), torch.nn.Tanh())

    def encode(self, images):
        return self.fc_mu(self.encoder(images).flatten(1))

    def decode(self, z):
        return self.final_layer(self.decoder(self.decoder_input(z).view(-1, self.WIDTHS[-1], 2, 2)))


def model_of(metadata):
    """The reference for the model of runs.SMALL, with the image shape stated in the file."""
    shape = [int(metadata[key]) for key in ("channels", "height", "width")]
    return VanillaVAE(shape[0], shape[1:], latent_dim=4, hidden_dims=[8, 16])


class Weights(runs.RunFolder):
    IMAGES = ["--count", "120", "--size", "21", "--channels", "3"]

    def exported(self, run):
        self.program("weights", "export", "--checkpoint", f"runs/{run}", "--out", f"{run}.safetensors", "--overwrite", check=True)
        return safetensors_file.read(self.folder / f"{run}.safetensors")

    def reconstructions(self, run):
        """Rows 0 to 9 of the dataset and the program's results for them."""
        self.program("reconstruct", "--checkpoint", f"runs/{run}", "--rows", "0:10", "--out", f"{run}.h5", "--overwrite", check=True)
        with h5py.File(self.folder / f"{run}.h5") as file:
            return torch.from_numpy(file["originals"][:]), torch.from_numpy(file["reconstructions"][:])

    def expect_torch_computes(self, model, run):
        """Compares `model` in evaluation mode with the program's pictures, in single precision on both sides."""
        model.eval()
        originals, pictures = self.reconstructions(run)
        with h5py.File(self.folder / "shapes.h5") as file:
            stored = torch.from_numpy(file["imgs"][:10]).permute(0, 3, 1, 2) / 255
        torch.testing.assert_close(originals, stored, rtol=0, atol=1e-6)
        with torch.no_grad():
            mu, _ = model.encode(stored)
            torch.testing.assert_close(pictures, model.decode(mu), rtol=0, atol=1e-5)
        self.assertGreater(pictures.std().item(), 1e-3)

    def test_torch_loads_an_exported_model_strictly_and_makes_the_same_pictures(self):
        self.train("exported", "train.steps=25", np=2)
        tensors, metadata = self.exported("exported")
        self.assertEqual((metadata["channels"], metadata["height"], metadata["width"]), ("3", "21", "21"))
        model = model_of(metadata)
        model.load_state_dict(tensors, strict=True)
        self.assertEqual({name: tensor.dtype for name, tensor in tensors.items()}, {name: tensor.dtype for name, tensor in model.state_dict().items()})
        self.assertEqual(model.encoder[0][1].num_batches_tracked.item(), 25)
        self.expect_torch_computes(model, "exported")

    def test_the_default_model_has_the_names_and_shapes_of_pytorch_vae(self):
        defaults = ["model.hidden_dims=[32, 64, 128, 256, 512]", "model.latent_dim=128"]
        self.train("default_model", "train.steps=1", *defaults)
        tensors, _ = self.exported("default_model")
        VanillaVAE(3, (21, 21), latent_dim=128, hidden_dims=[32, 64, 128, 256, 512]).load_state_dict(tensors, strict=True)

    def test_a_run_begins_with_imported_weights(self):
        torch.manual_seed(3)
        model = VanillaVAE(3, (21, 21), latent_dim=4, hidden_dims=[8, 16])
        model(torch.rand(8, 3, 21, 21), torch.randn(8, 4))  # moves the running statistics away from their initial values
        safetensors_file.write(self.folder / "made_by_torch.safetensors", model.state_dict(), {})
        self.program("weights", "import", "made_by_torch.safetensors", "--config", "run.yaml", "run.name=imported", "model.output=sigmoid", *runs.SMALL, check=True)
        tensors, _ = self.exported("imported")
        self.assertEqual(tensors.keys(), model.state_dict().keys())
        for name, tensor in model.state_dict().items():
            self.assertTrue(torch.equal(tensors[name], tensor), name)
        self.expect_torch_computes(model, "imported")

        # Training continues from these weights: its batches are added to torch's one.
        self.train("imported", "train.steps=3")
        tensors, _ = self.exported("imported")
        self.assertEqual(tensors["encoder.0.1.num_batches_tracked"].item(), 4)

    def made_by_torch(self):
        torch.manual_seed(5)
        model = VanillaVAE(3, (21, 21), latent_dim=4, hidden_dims=[8, 16])
        model(torch.rand(8, 3, 21, 21), torch.randn(8, 4))
        return model

    def import_file(self, file, run, *overrides, **options):
        return self.program("weights", "import", file, "--config", "run.yaml", f"run.name={run}", *runs.SMALL, "model.output=sigmoid", *overrides, **options)

    def imported(self, run):
        return safetensors_file.read(self.checkpoint(run, 0) / "weights.safetensors")[0]

    def expect_refused(self, file, *says, overrides=()):
        """Returns the message of a rejected import, and checks that it leaves nothing behind."""
        refused = self.import_file(file, "refused", *overrides)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        for expected in (file, *says):
            self.assertIn(expected, refused.stderr)
        self.assertFalse(self.run_path("refused").exists())
        return refused.stderr

    def test_pytorchs_own_files_go_in_plain_and_as_lightning_writes_them(self):
        model = self.made_by_torch()
        state = model.state_dict()
        lightning = {"epoch": 3, "global_step": 100, "pytorch-lightning_version": "2.0", "hyper_parameters": {"lr": 0.001}, "optimizer_states": [{"state": {}}],
                     "state_dict": {f"model.{name}": tensor for name, tensor in state.items()}}
        halves = {f"module.{name}": tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
        for file, content in [("plain weights.pt", state), ("lightning.ckpt", lightning), ("halves.pth", halves)]:
            with self.subTest(file):
                run = file.partition(".")[0].replace(" ", "_")
                torch.save(content, self.folder / file)
                self.import_file(file, run, check=True)
                tensors, _ = self.exported(run)
                self.assertEqual(tensors.keys(), state.keys())
                for name, tensor in state.items():
                    expected = tensor.half().float() if file == "halves.pth" and tensor.is_floating_point() else tensor
                    self.assertTrue(torch.equal(tensors[name], expected), name)
                if file != "halves.pth":
                    self.expect_torch_computes(model, run)

    def test_pytorch_loads_what_is_exported_for_it(self):
        self.train("for_torch", "train.steps=5")
        self.program("weights", "export", "--checkpoint", "runs/for_torch", "--out", "it's exported.pt", check=True)
        state = torch.load(self.folder / "it's exported.pt", weights_only=True)
        model = VanillaVAE(3, (21, 21), latent_dim=4, hidden_dims=[8, 16])
        model.load_state_dict(state, strict=True)
        self.expect_torch_computes(model, "for_torch")
        self.assertEqual(list(self.folder.glob("*partial*")), [])

    def test_a_pickle_that_holds_code_is_not_run(self):
        class Code:
            def __reduce__(self):
                return (open, (str(marker), "w"))

        marker = self.folder / "code_was_run"
        torch.save({"state_dict": self.made_by_torch().state_dict(), "callback": Code()}, self.folder / "code.ckpt")
        refused = self.import_file("code.ckpt", "code")
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("code.ckpt holds more than tensors", refused.stderr)
        self.assertFalse(marker.exists())
        self.assertFalse(self.run_path("code").exists())

    def test_pytorch_files_that_are_no_state_dict_are_refused(self):
        torch.save([1, 2], self.folder / "list.pt")
        torch.save({"fc_mu.weight": torch.zeros(2), "epoch": 3}, self.folder / "mixed.pt")
        torch.save({"fc_mu.weight": torch.zeros(2)}, self.folder / "misfit.pt")
        (self.folder / "text.pt").write_text("no weights at all")
        for file, says in [("list.pt", "not a state_dict"), ("mixed.pt", "not tensors: epoch"), ("text.pt", "neither a safetensors file nor a PyTorch weights file"), ("absent.pt", "No such file"),
                           ("misfit.pt", "misfit.pt: the weights do not fit the model")]:
            with self.subTest(file):
                refused = self.import_file(file, "refused")
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertIn(file, refused.stderr)
                self.assertIn(says, refused.stderr)
        refused = self.import_file("list.pt", "refused", env={"VAE_DIST_TORCH_PYTHON": "no_such_python"})
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("cannot start no_such_python", refused.stderr)
        self.assertFalse(self.run_path("refused").exists())

    def test_weights_that_do_not_fit_are_refused_with_every_misfit(self):
        model = VanillaVAE(3, (21, 21), latent_dim=5, hidden_dims=[8, 16])
        state = dict(model.state_dict())
        state["head.weight"] = state.pop("fc_mu.bias")
        safetensors_file.write(self.folder / "misfit.safetensors", state, {})
        refused = self.import_file("misfit.safetensors", "misfit")
        self.assertEqual(refused.returncode, 2)
        for expected in ("misfit.safetensors", "fc_mu.bias is missing", "fc_mu.weight has shape [5, 576]", "the model's is [4, 576]",
                         "decoder_input.weight has shape [576, 5]", "head.weight [5] is unknown"):
            self.assertIn(expected, refused.stderr)
        self.assertFalse(self.run_path("misfit").exists())

    def test_a_file_of_another_model_is_refused_in_a_dozen_lines(self):
        other = {f"backbone.layer{i}.weight": torch.zeros(2, 3) for i in range(70)}
        safetensors_file.write(self.folder / "other.safetensors", other, {})
        said = self.expect_refused("other.safetensors", "Of the model's 36 tensors 36 are missing", "70 of the file's are left over", "backbone.layer0.weight [2, 3] is unknown", "and 66 more like this")
        self.assertLessEqual(len(said.splitlines()), 12, said)

    def test_names_lose_what_wrappers_put_into_them(self):
        state = self.made_by_torch().state_dict()
        wrapped = [("parallel_lightning", lambda name: f"module.model.{name}"), ("compiled_encoder", lambda name: "_orig_mod." + name.replace("encoder.", "encoder._orig_mod."))]
        for run, rename in wrapped:
            with self.subTest(run):
                safetensors_file.write(self.folder / f"{run}_in.safetensors", {rename(name): tensor for name, tensor in state.items()}, {})
                self.import_file(f"{run}_in.safetensors", run, check=True)
                tensors = self.imported(run)
                self.assertEqual(tensors.keys(), state.keys())
                for name, tensor in state.items():
                    self.assertTrue(torch.equal(tensors[name], tensor), name)

    def test_two_sets_of_weights_in_one_file_are_refused(self):
        state = self.made_by_torch().state_dict()
        both = {f"model.{name}": tensor for name, tensor in state.items()} | {f"module.{name}": torch.zeros_like(tensor) for name, tensor in state.items()}
        safetensors_file.write(self.folder / "both.safetensors", both, {})
        torch.save({"state_dict": both}, self.folder / "both.ckpt")
        for file in ("both.safetensors", "both.ckpt"):
            said = self.expect_refused(file, "more than one set of weights", "'model.decoder.0.0.bias' and 'module.decoder.0.0.bias' are both decoder.0.0.bias", "and 27 more")
            self.assertLessEqual(len(said.splitlines()), 12, said)

    def test_weights_that_are_not_finite_are_refused_unless_asked_for(self):
        state = self.made_by_torch().state_dict()
        state["fc_mu.bias"][1] = float("nan")
        state["encoder.0.1.running_var"][:2] = float("inf")
        torch.save(state, self.folder / "broken.pt")
        self.expect_refused("broken.pt", "2 of its 36 tensors", "fc_mu.bias: 1 NaN and 0 infinite of 4 values", "encoder.0.1.running_var: 0 NaN and 2 infinite of 8 values", "--allow-not-finite")
        # Values too large for single precision become infinite in the model.
        large = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in self.made_by_torch().state_dict().items()}
        large["fc_var.bias"][0] = 1e300
        safetensors_file.write(self.folder / "large.safetensors", large, {})
        self.expect_refused("large.safetensors", "fc_var.bias: 0 NaN and 1 infinite")
        self.program("weights", "import", "broken.pt", "--config", "run.yaml", "run.name=asked_for", *runs.SMALL, "model.output=sigmoid", "--allow-not-finite", check=True)
        self.assertTrue(self.imported("asked_for")["fc_mu.bias"].isnan().any())

    def test_the_kind_of_a_file_is_told_by_its_first_bytes(self):
        state = self.made_by_torch().state_dict()
        torch.save({"model_state_dict": state, "optimizer_state_dict": {"state": {}}, "epoch": 3}, self.folder / "tutorial.pth.tar")
        torch.save({"model": state, "epoch": 3}, self.folder / "no_suffix")
        torch.save(state, self.folder / "old_format.safetensors", _use_new_zipfile_serialization=False)
        safetensors_file.write(self.folder / "really_safetensors.pt", state, {})
        for file in ("tutorial.pth.tar", "no_suffix", "old_format.safetensors", "really_safetensors.pt"):
            with self.subTest(file):
                run = "told_" + file.partition(".")[0]
                self.import_file(file, run, check=True)
                tensors = self.imported(run)
                self.assertTrue(all(torch.equal(tensors[name], tensor) for name, tensor in state.items()) and tensors.keys() == state.keys())
        with h5py.File(self.folder / "keras.bin", "w") as file:
            file["layer"] = [1.0]
        (self.folder / "packed").write_bytes(b"\x1f\x8b\x08 rest")
        self.expect_refused("keras.bin", "HDF5")
        self.expect_refused("packed", "gunzip")
        torch.save({"first": state, "second": state}, self.folder / "two.pt")
        self.expect_refused("two.pt", "several dictionaries of tensors (first, second)")

    def test_safetensors_of_half_precision_are_taken(self):
        state = self.made_by_torch().state_dict()
        for kind in (torch.float16, torch.bfloat16):
            with self.subTest(kind):
                name = str(kind).partition(".")[2]
                halves = {key: tensor.to(kind) if tensor.is_floating_point() else tensor for key, tensor in state.items()}
                safetensors_file.write(self.folder / f"{name}_in.safetensors", halves, {})
                self.import_file(f"{name}_in.safetensors", name, check=True)
                tensors = self.imported(name)
                for key, tensor in halves.items():
                    self.assertTrue(torch.equal(tensors[key], tensor.float() if tensor.is_floating_point() else tensor), key)


class TheirDecoder(runs.RunFolder):
    """Compares the decoder of PyTorch-VAE's own class with ours for the same weights."""
    IMAGES = ["--count", "40", "--size", "64", "--channels", "3"]
    NETWORK = [*runs.SMALL, f"model.hidden_dims={TheirVae.WIDTHS}", f"model.latent_dim={TheirVae.LATENT}"]
    THEIR_RANGE = ["data.range=[-1, 1]", "model.output=tanh"]

    def decoded(self, run):
        """The originals of some rows in the run's data range, and the program's reconstructions."""
        self.program("reconstruct", "--checkpoint", f"runs/{run}", "--rows", "0:8", "--out", f"{run}.h5", check=True)
        with h5py.File(self.folder / f"{run}.h5") as file:
            return torch.from_numpy(file["originals"][:]), torch.from_numpy(file["reconstructions"][:])

    def their_pictures(self, model, originals):
        model.eval()
        with torch.no_grad():
            return model.decode(model.encode(originals))

    def exported_into(self, model, run, suffix):
        said = self.program("weights", "export", "--checkpoint", f"runs/{run}", "--out", f"{run}{suffix}", check=True).stdout
        if suffix == ".pt":
            tensors = torch.load(self.folder / f"{run}.pt", weights_only=True)
            metadata = tensors.vae_dist
        else:
            tensors, metadata = safetensors_file.read(self.folder / f"{run}.safetensors")
        model.load_state_dict(tensors, strict=True)
        return said, metadata

    def test_exported_weights_say_what_the_other_side_must_end_in(self):
        self.train("ours", *self.NETWORK, "train.steps=8")
        self.train("theirs", *self.NETWORK, *self.THEIR_RANGE, "train.steps=8")
        for suffix in (".safetensors", ".pt"):
            with self.subTest(suffix):
                model = TheirVae()
                said, metadata = self.exported_into(model, "theirs", suffix)
                self.assertIn("must end in torch.nn.Tanh(), as PyTorch-VAE's class does; its images are in [-1, 1]", said)
                self.assertEqual([metadata[key] for key in ("output", "range", "likelihood", "layout", "activation")], ["tanh", "[-1, 1]", "gaussian", "NCHW", "leaky_relu"])
                if suffix == ".pt":
                    originals, pictures = self.decoded("theirs")
                    torch.testing.assert_close(self.their_pictures(model, originals), pictures, rtol=0, atol=1e-5)

        model = TheirVae()
        said, metadata = self.exported_into(model, "ours", ".safetensors")
        self.assertEqual((metadata["output"], metadata["range"]), ("sigmoid", "[0, 1]"))
        originals, pictures = self.decoded("ours")
        self.assertGreater((self.their_pictures(model, originals) - pictures).abs().max(), 0.1, "as it is, the class makes other pictures")
        self.assertIn("final_layer[-1] = torch.nn.Sigmoid()", said)
        model.final_layer[-1] = torch.nn.Sigmoid()
        torch.testing.assert_close(self.their_pictures(model, originals), pictures, rtol=0, atol=1e-5)

    def import_into(self, run, file, *overrides, **options):
        return self.program("weights", "import", file, "--config", "run.yaml", f"run.name={run}", *self.NETWORK, *overrides, **options)

    def test_imported_weights_decode_as_theirs_or_are_refused(self):
        torch.manual_seed(11)
        model = TheirVae()
        for _ in range(3):
            model.decode(model.encode(torch.rand(8, 3, 64, 64) * 2 - 1))
        torch.save({"state_dict": {f"model.{name}": tensor for name, tensor in model.state_dict().items()}}, self.folder / "last.ckpt")
        refused = self.import_into("without", "last.ckpt")
        self.assertEqual(refused.returncode, 2, refused.stderr)
        for says in ("last.ckpt does not state the output function of its decoder", "model.output=tanh", "data.range='[-1, 1]'"):
            self.assertIn(says, refused.stderr)
        self.assertFalse(self.run_path("without").exists())

        said = self.import_into("taken", "last.ckpt", *self.THEIR_RANGE, check=True).stdout
        self.assertIn("a decoder that ends in tanh, images in [-1, 1]", said)
        originals, pictures = self.decoded("taken")
        self.assertLess(originals.min(), -0.5)
        torch.testing.assert_close(self.their_pictures(model, originals), pictures, rtol=0, atol=1e-5)

        # Training with a different network around these weights is rejected too.
        other = self.train("taken", *self.NETWORK, "train.steps=1", check=False)
        self.assertEqual(other.returncode, 2, other.stderr)
        self.assertIn("'data.range=[-1, 1]'", other.stderr)
        self.train("taken", *self.NETWORK, *self.THEIR_RANGE, "train.steps=1")

    def test_an_import_goes_by_what_the_file_says(self):
        self.train("first", *self.NETWORK, *self.THEIR_RANGE, "train.steps=1")
        for file in ("first.pt", "first.safetensors"):
            with self.subTest(file):
                self.program("weights", "export", "--checkpoint", "runs/first", "--out", file, check=True)
                refused = self.import_into("second", file)
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertIn(f"{file} describes a different network from the configuration's", refused.stderr)
                self.assertIn("Set 'data.range=[-1, 1]', here", refused.stderr)
                self.assertIn("model.activation=leaky_relu", self.import_into("second", file, "model.activation=relu").stderr)
                self.import_into(f"second_{file[6:]}", file, "data.range=[-1, 1]", check=True)


if __name__ == "__main__":
    unittest.main()
