"""Weights go both ways: torch loads what `weights export` writes and computes the same pictures, and `weights import` takes torch's."""
import sys
import unittest

import h5py
import torch

import runs

sys.path.insert(0, str(runs.SOURCE / "tests" / "golden"))
import safetensors_file  # noqa: E402
from vanilla_vae_reference import VanillaVAE  # noqa: E402


def model_of(metadata):
    """The reference for the model of runs.SMALL, of the image's shape that the file states."""
    shape = [int(metadata[key]) for key in ("channels", "height", "width")]
    return VanillaVAE(*shape, latent_dim=4, hidden_dims=[8, 16])


class Weights(runs.RunFolder):
    IMAGES = ["--count", "120", "--size", "21", "--channels", "3"]

    def exported(self, run):
        self.program("weights", "export", "--checkpoint", f"runs/{run}", "--out", f"{run}.safetensors", check=True)
        return safetensors_file.read(self.folder / f"{run}.safetensors")

    def reconstructions(self, run):
        """Rows 0 to 9 of the dataset and what the program makes of them."""
        self.program("reconstruct", "--checkpoint", f"runs/{run}", "--rows", "0:10", "--out", f"{run}.h5", check=True)
        with h5py.File(self.folder / f"{run}.h5") as file:
            return torch.from_numpy(file["originals"][:]), torch.from_numpy(file["reconstructions"][:])

    def expect_torch_computes(self, model, run):
        """`model` in evaluation mode against the program's pictures, in single precision on both sides."""
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
        VanillaVAE(3, 21, 21, latent_dim=128, hidden_dims=[32, 64, 128, 256, 512]).load_state_dict(tensors, strict=True)

    def test_a_run_begins_with_imported_weights(self):
        torch.manual_seed(3)
        model = VanillaVAE(3, 21, 21, latent_dim=4, hidden_dims=[8, 16])
        model(torch.rand(8, 3, 21, 21), torch.randn(8, 4))  # running statistics that are not the initial ones
        safetensors_file.write(self.folder / "made_by_torch.safetensors", model.state_dict(), {})
        self.program("weights", "import", "made_by_torch.safetensors", "--config", "run.yaml", "run.name=imported", *runs.SMALL, check=True)
        tensors, _ = self.exported("imported")
        self.assertEqual(tensors.keys(), model.state_dict().keys())
        for name, tensor in model.state_dict().items():
            self.assertTrue(torch.equal(tensors[name], tensor), name)
        self.expect_torch_computes(model, "imported")

        # Training goes on from them: the batches since count on top of torch's one.
        self.train("imported", "train.steps=3")
        tensors, _ = self.exported("imported")
        self.assertEqual(tensors["encoder.0.1.num_batches_tracked"].item(), 4)

    def made_by_torch(self):
        torch.manual_seed(5)
        model = VanillaVAE(3, 21, 21, latent_dim=4, hidden_dims=[8, 16])
        model(torch.rand(8, 3, 21, 21), torch.randn(8, 4))
        return model

    def import_file(self, file, run, **options):
        return self.program("weights", "import", file, "--config", "run.yaml", f"run.name={run}", *runs.SMALL, **options)

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
        model = VanillaVAE(3, 21, 21, latent_dim=4, hidden_dims=[8, 16])
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
        for file, says in [("list.pt", "not a state_dict"), ("mixed.pt", "no tensors: epoch"), ("text.pt", "no file of PyTorch's weights"), ("absent.pt", "No such file"),
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
        model = VanillaVAE(3, 21, 21, latent_dim=5, hidden_dims=[8, 16])
        state = dict(model.state_dict())
        state["head.weight"] = state.pop("fc_mu.bias")
        safetensors_file.write(self.folder / "misfit.safetensors", state, {})
        refused = self.program("weights", "import", "misfit.safetensors", "--config", "run.yaml", "run.name=misfit", *runs.SMALL)
        self.assertEqual(refused.returncode, 2)
        for expected in ("misfit.safetensors", "fc_mu.bias is missing", "fc_mu.weight has shape [5, 576]", "the model's is [4, 576]",
                         "decoder_input.weight has shape [576, 5]", "head.weight [5] is unknown"):
            self.assertIn(expected, refused.stderr)
        self.assertFalse(self.run_path("misfit").exists())


if __name__ == "__main__":
    unittest.main()
