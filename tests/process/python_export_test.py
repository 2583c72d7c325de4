"""Exported models compute what the program's own `embed`, `reconstruct` and `sample` compute: ONNX files in onnxruntime, TorchScript files in PyTorch."""
import contextlib
import io
import json
import os
import subprocess
import sys
import unittest
import unittest.mock
from dataclasses import replace

import onnxruntime
import torch

import runs
from package_runs import NATS, ROWS, SITE, TOLD, Package, vae_dist
import vae_dist.__main__
from vae_dist.export import export_onnx, export_script
from vae_dist.networks import VanillaVae

sys.path.insert(0, str(runs.SOURCE / "launcher" / "python" / "examples"))
import unet_vae  # noqa: E402
import vector_vae  # noqa: E402


class Branching(VanillaVae):
    def encode(self, seen, condition):
        return super().encode(seen if seen.sum() > 0 else -seen, condition)


class Exported(Package):
    """Files of a model in `folder`: encoder.onnx, decoder.onnx, model.pt."""

    def session(self, name):
        return onnxruntime.InferenceSession(str(self.folder / name), providers=["CPUExecutionProvider"])

    @staticmethod
    def run_onnx(session, inputs):
        """Outputs by name, as tensors. Only the inputs that the file has are given, and it has no others."""
        given = {each.name: inputs[each.name].numpy() for each in session.get_inputs()}
        return dict(zip([each.name for each in session.get_outputs()], map(torch.from_numpy, session.run(None, given))))

    def export(self, name):
        self.export_model(vae_dist.load(self.run_path(name)))

    def export_model(self, trained):
        export_onnx(trained, None if trained.latent_kind == "none" else self.folder / "encoder.onnx", self.folder / "decoder.onnx")
        export_script(trained, self.folder / "model.pt")

    def assert_files_agree(self, name, conditional=False):
        """Both kinds of files against the verbs' files, with another number of samples than they were made from."""
        script = torch.jit.load(self.folder / "model.pt")
        for method in ("encode", "decode", "reconstruct"):
            self.assertNotRegex(str(getattr(script, method).inlined_graph), r'"(cpu|cuda)', "a file that stays on one device")
        found = self.verb("reconstruct", name, "--rows", f"0:{ROWS}")
        originals, made = self.samples(found, "originals"), self.samples(found, "reconstructions")
        codes = self.verb("embed", name)
        encoder, decoder = self.session("encoder.onnx"), self.session("decoder.onnx")
        told = {"energy": torch.from_numpy(self.energy).float()[:, None], "kind": torch.from_numpy(self.kind)} if conditional else {}
        inputs = {**(originals if isinstance(originals, dict) else {"x": originals}), **told}
        for session in (encoder, decoder):
            self.assertEqual({each.shape[0] for each in [*session.get_inputs(), *session.get_outputs()]}, {"batch"})
        encoded = self.run_onnx(encoder, inputs)
        self.assertEqual(encoded.keys(), codes.keys() & {"mu", "log_var", "codes"})
        total = torch.nan_to_num(originals).flatten(1).sum(1) if not isinstance(originals, dict) else None
        decoded = self.run_onnx(decoder, {"z": encoded["mu"], "total": total, **told})
        in_order = tuple(inputs[each.name] for each in encoder.get_inputs())
        scripted = {"codes": script.encode(*in_order), "made": script.reconstruct(*in_order)}
        for index, (key, values) in enumerate(encoded.items()):
            self.assert_close(values, codes[key], f"{key} in ONNX")
            self.assert_close(scripted["codes"][index], codes[key], f"{key} in TorchScript")
        for index, (key, values) in enumerate(decoded.items()):
            theirs = made[key.removesuffix("_mean")] if isinstance(made, dict) else made
            self.assert_close(values, theirs, f"{key} in ONNX")
            self.assert_close(scripted["made"][index], theirs, f"{key} in TorchScript")
        script.double()
        double = script.reconstruct(*(each.double() if each.is_floating_point() else each for each in in_order))
        for values, single in zip(double, scripted["made"]):
            self.assertEqual(values.dtype, torch.float64)
            self.assert_close(values, single, "double precision")
            self.assertFalse(values.float().double().equal(values), "digits of double precision")
        return encoder

    def test_from_the_command_line(self):
        self.trained("pictures", self.source("colour", "NHWC"))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (SITE, os.environ.get("PYTHONPATH"))))}
        done = subprocess.run([sys.executable, "-m", "vae_dist", "export", "runs/pictures", "--onnx", "encoder.onnx", "decoder.onnx", "--script", "model.pt"],
                              cwd=self.folder, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "")
        encoder = self.assert_files_agree("pictures")
        self.assertEqual(encoder.get_inputs()[0].shape, ["batch", 3, 12, 14])
        told = encoder.get_modelmeta().custom_metadata_map
        self.assertEqual((told["model"], told["likelihood"], told["step"], told["axes.x"]), ("vanilla_vae", "gaussian", "6", "NCHW"))
        self.assertEqual((json.loads(told["range.x"]), told["binarize"]), ([0, 1], "none"))
        run = str(self.run_path("pictures"))
        for arguments, words in (([f"{run}_absent", "--script", "no.pt"], "neither a checkpoint"), ([run], "give --onnx"), ([run, "--onnx", "one.onnx"], "two files")):
            with self.subTest(words), contextlib.redirect_stderr(io.StringIO()) as said:
                try:
                    code = vae_dist.__main__.main(["export", *arguments])
                except SystemExit as end:  # of argparse
                    code = end.code
                self.assertEqual(code, 2)
                self.assertIn(words, said.getvalue())
        # A network that PyTorch cannot export, as an extension may be.
        with unittest.mock.patch.dict(vae_dist.NETWORKS, vanilla_vae=Branching), contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(vae_dist.__main__.main(["export", run, "--onnx", "no_encoder.onnx", "no_decoder.onnx"]), 2)
        self.assertRegex(said.getvalue(), "cannot export the model: .+\n.*--script in place of --onnx")
        self.assertFalse(list(self.folder.glob("no_*.onnx")))

    def test_several_datasets_with_transforms_attention_and_conditions(self):
        self.trained("several", self.source("[field, mass]", "NHW", condition=TOLD), "model.name=resnet_vae", "model.latent=spatial", "model.latent_dim=2", "model.blocks=1",
                     "model.attention_at=[8]", "data.normalize=standardize", "data.transform=[asinh, sqrt]", "objective.variance=predicted_shared", *NATS)
        self.export("several")
        encoder = self.assert_files_agree("several", conditional=True)
        self.assertEqual([each.name for each in encoder.get_inputs()], ["field", "mass", "energy", "kind"])
        self.assertEqual(encoder.get_modelmeta().custom_metadata_map["units.field"], "K")

    def test_counts_with_the_total_of_each_sample_from_a_point(self):
        self.trained("counts", self.source("counts", "NHW"), "model.name=autoencoder", "objective.likelihood=zero_inflated_negative_binomial", "data.normalize=none",
                     "data.encoder_transform=log1p", *NATS)
        self.export("counts")
        self.assert_files_agree("counts")
        self.assertEqual([each.name for each in self.session("decoder.onnx").get_inputs()], ["z", "total"])

    def test_missing_values_and_full_connections(self):
        self.trained("gaps", self.source("gaps", "NHW"), "model.name=mlp_vae", "model.hidden_dims=[16]", "data.normalize=standardize", "data.missing=mask")
        self.export("gaps")
        self.assert_files_agree("gaps")

    def test_codes(self):
        self.trained("codes", self.source("bytes", "NHW"), "model.name=mlp_vae", "model.hidden_dims=[16]", "model.codes={kind: vector_quantized, size: 8, groups: 4}")
        self.export("codes")
        encoder = self.assert_files_agree("codes")
        self.assertEqual([each.name for each in encoder.get_outputs()], ["mu", "codes"])
        codes = self.verb("embed", "codes")["codes"]
        self.assertGreater(len(codes.unique()), 2)
        self.assert_close(torch.jit.load(self.folder / "model.pt").decode_codes(codes)[0], self.verb("reconstruct", "codes", "--rows", f"0:{ROWS}")["reconstructions"], "decoded codes")

    def test_a_network_from_python_with_batch_norm_and_dropout(self):
        torch.manual_seed(5)
        torch.jit.script(unet_vae.UnetVae(channels=1, size=16, latent_dim=4, widths=[8, 16], dropout=0.1)).save(self.folder / "unet.pt")
        self.trained("script", self.source("bytes", "NHW"), "model.name=script", "model.encoder=unet.pt", "model.decoder=unet.pt", "train.ema_decay=0.9")
        self.export("script")
        encoder = self.assert_files_agree("script")
        self.assertEqual((encoder.get_inputs()[0].shape, encoder.get_modelmeta().custom_metadata_map["axes.x"]), (["batch", 1, 16, 16], "NCHW"))
        self.assertEqual([each.shape for session in (encoder, self.session("decoder.onnx")) for each in session.get_outputs()], [["batch", 4], ["batch", 4], ["batch", 1, 16, 16]])

    def test_a_network_from_python_under_conditions_with_transforms(self):
        for half, file in ((vector_vae.Encoder, "encoder.pt"), (vector_vae.Decoder, "decoder.pt")):
            torch.jit.script(vector_vae.UnderCondition(half(values=5, condition=4, width=16, latent_dim=4))).save(self.folder / file)
        self.trained("halves", self.source("vector", "NV", condition=TOLD), "model.name=script", "model.encoder=encoder.pt", "model.decoder=decoder.pt", "data.normalize=standardize",
                     "data.transform=[asinh, log1p, log, sqrt, none]")
        self.export("halves")
        self.assert_files_agree("halves", conditional=True)

    def test_a_decoder_alone_of_series(self):
        model = self.trained("decoder", self.source("series", "NWC"), "model.name=decoder_only", "objective.prior_samples=4", "data.normalize=standardize", "data.transform=log", *NATS)
        self.export("decoder")
        drawn = self.verb("sample", "decoder", "--count", "3", "--temperature", "0")["samples"]
        z = torch.zeros(3, model.latent_values)
        self.assert_close(self.run_onnx(self.session("decoder.onnx"), {"z": z})["x_mean"], drawn, "decoded in ONNX")
        self.assert_close(torch.jit.load(self.folder / "model.pt").decode(z)[0], drawn, "decoded in TorchScript")

    def varied(self, name, **changes):
        """A model of a run whose state says something else."""
        given = vae_dist.read_checkpoint(self.run_path(name))
        return vae_dist.TrainedModel(replace(given, state={**given.state, **{key: json.dumps(value) for key, value in changes.items()}}))

    def test_tensors_with_one_name_and_conditions_by_every_transform(self):
        self.trained("named", self.source("vector", "NV", condition=TOLD), "model.name=mlp_vae", "model.hidden_dims=[8]", "data.normalize=standardize")
        # As if it had been told other datasets, of as many numbers.
        numbers = {"kind": "numbers", "shift": [0.5], "factor": [2.0]}
        model = self.varied("named", conditions=[{**numbers, "dataset": "x", "transform": "asinh"}, {**numbers, "dataset": "truth/z", "transform": "log1p"},
                                                 {**numbers, "dataset": "x_mean", "transform": "sqrt"}, {**numbers, "dataset": "truth/z", "transform": "log"}])
        self.export_model(model)
        names = ["x_2", "truth_z", "x_mean_2", "truth_z_2"]
        x, told = torch.randn(5, 5), torch.rand(5, 4) + 0.5
        inputs = {"x": x, **{name: told[:, place, None] for place, name in enumerate(names)}}
        encoder, decoder = self.session("encoder.onnx"), self.session("decoder.onnx")
        self.assertEqual([[each.name for each in session.get_inputs()] for session in (encoder, decoder)], [["x", *names], ["z", *names]])
        self.assertEqual([encoder.get_modelmeta().custom_metadata_map[f"dataset.{name}"] for name in ["x", *names]], ["vector", "x", "truth/z", "x_mean", "truth/z"])
        rows = torch.cat([entry.told(told[:, place]) for place, entry in enumerate(model.conditions.entries)], 1)
        posterior = model.encode(x, rows)
        encoded = self.run_onnx(encoder, inputs)
        self.assert_close(encoded["mu"], posterior.mu, "mu")
        self.assert_close(self.run_onnx(decoder, {**inputs, "z": encoded["mu"]})["x_mean"], model.decode(posterior.mu, rows), "decoded")

    def test_small_values_keep_their_digits(self):
        self.trained("small", self.source("vector", "NV"), "model.name=mlp_vae", "model.hidden_dims=[8]", "data.normalize=standardize", "data.transform=[asinh, log1p, asinh, log1p, none]")
        # As if the values were this small.
        scale = torch.tensor([1e-6, 1e-6, 1e-3, 1e-3, 1])
        read = json.loads(vae_dist.read_checkpoint(self.run_path("small")).state["normalisation"])
        model = self.varied("small", normalisation={**read, "shift": [0] * 5, "factor": (1 / scale).tolist()})
        self.export_model(model)
        x = torch.randn(6, 5) * scale
        mu, script = model.encode(x).mu, torch.jit.load(self.folder / "model.pt")
        encoded = self.run_onnx(self.session("encoder.onnx"), {"x": x})
        self.assert_close(encoded["mu"], mu, "mu")
        self.assert_close(script.encode(x)[0], mu, "mu in TorchScript")
        theirs = model.decode(mu)
        for made in (self.run_onnx(self.session("decoder.onnx"), {"z": mu})["x_mean"], script.decode(mu)[0]):
            for column in range(5):
                self.assert_close(made[:, column], theirs[:, column], f"value {column}")


if __name__ == "__main__":
    unittest.main()
