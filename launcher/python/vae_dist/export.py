"""A trained model as ONNX or TorchScript files, with everything between the file's units and the model's inside.

ONNX is made by torch.export (`dynamo=True`), which all networks, likelihoods and transforms pass, with any number of samples; PyTorch's older exporter goes
through TorchScript, which PyTorch no longer develops, and serves where the network itself is TorchScript (model.name: script): torch.export would fix the
number of samples there.
"""
import copy
import io
import logging
import re
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vae_dist.checkpoint import Location
from vae_dist.likelihoods import Decoded
from vae_dist.model import Posterior, TrainedModel
from vae_dist.script_network import ScriptNetwork

_EXAMPLES = 2  # torch.export takes a size of 1 for a constant


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name.strip("/"))


class _Exported(nn.Module):
    """Functions of tensors alone, in fp32: samples (one tensor for each dataset), then the rows of each condition, as the file stores them."""

    def __init__(self, trained: TrainedModel):
        super().__init__()
        self.trained = copy.deepcopy(trained).float().eval().requires_grad_(False)

    @property
    def sample_names(self) -> list[str]:
        arrays = self.trained.normalisation.arrays if self.trained.normalisation else []
        return [_identifier(array.name) for array in arrays] if len(arrays) > 1 else ["x"]

    @property
    def condition_names(self) -> list[str]:
        return [_identifier(entry.dataset.rpartition("/")[2]) for entry in self.trained.conditions.entries]

    @property
    def takes_total(self) -> bool:
        return self.trained.likelihood.counts

    def axes(self) -> dict[str, str]:
        """The axes of each tensor of samples."""
        normalisation = self.trained.normalisation
        if normalisation:
            return {name: f"N{array.axes}" for name, array in zip(self.sample_names, normalisation.arrays)}
        return {"x": "N" + ("C" + "DHW"[3 - len(self.trained.space) :] if self.trained.space else "V")}

    def units(self) -> dict[str, str]:
        arrays = self.trained.normalisation.arrays if self.trained.normalisation else []
        return {name: array.units for name, array in zip(self.sample_names, arrays) if array.units}

    def example_samples(self) -> list[Tensor]:
        """Samples in the middle of what the model knows."""
        middle = self.trained.in_file_units(torch.zeros(_EXAMPLES, *self.trained.shape))
        return list(middle.values()) if isinstance(middle, dict) else [middle]

    def example_conditions(self) -> list[Tensor]:
        # A transform such as the logarithm takes ones.
        return [entry.labels[:1].expand(_EXAMPLES).contiguous() if hasattr(entry, "labels") else torch.ones(_EXAMPLES, entry.columns) for entry in self.trained.conditions.entries]

    def _told(self, rows: Sequence[Tensor]) -> Tensor | None:
        told = [entry.told(each) for entry, each in zip(self.trained.conditions.entries, rows)]
        return torch.cat(told, 1) if told else None

    def _batch(self, inputs: Sequence[Tensor]) -> Any:
        count, trained = len(self.sample_names), self.trained
        stored = trained.stored(dict(zip([array.name for array in trained.normalisation.arrays], inputs)) if trained.normalisation else inputs[0])
        return trained.batch(stored, self._told(inputs[count:]))

    def _in_file_units(self, x: Tensor) -> tuple[Tensor, ...]:
        made = self.trained.in_file_units(x)
        return tuple(made.values()) if isinstance(made, dict) else (made,)

    def encode(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """(samples..., conditions...) -> mu, log_var: [N, latent_values]; of a code that is a point, mu alone; of a quantized one, mu and codes: [N, vectors]."""
        batch = self._batch(inputs)
        posterior = Posterior(*self.trained.network.encode(batch.seen, batch.condition))
        if self.trained.quantizer is not None:
            return posterior.mu, self.trained.quantizer.codes_of(posterior.mu)
        return (posterior.mu,) if posterior.log_var is None else (posterior.mu, posterior.log_var)

    def decode(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """(z [N, latent_values], conditions..., of counts the total of each sample [N]) -> E[x|z] of each dataset."""
        rows = inputs[1:-1] if self.takes_total else inputs[1:]
        decoded = Decoded(*self.trained.network.decode(inputs[0], self._told(rows)))
        return self._in_file_units(self.trained.likelihood.mean(decoded, inputs[-1] if self.takes_total else None))

    def decode_codes(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """decode() with codes, int64 [N, vectors], in place of z."""
        assert self.trained.quantizer is not None
        return self.decode(self.trained.quantizer.latents_of(inputs[0]), *inputs[1:])

    def reconstruct(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """(samples..., conditions...) -> E[x|mu] of each dataset."""
        batch = self._batch(inputs)
        decoded = Decoded(*self.trained.network.decode(self.trained.network.encode(batch.seen, batch.condition)[0], batch.condition))
        return self._in_file_units(self.trained.likelihood.mean(decoded, self.trained.total_of(batch)))

    def encoder_inputs(self) -> dict[str, Tensor]:
        return dict(zip(self.sample_names + self.condition_names, self.example_samples() + self.example_conditions()))

    def decoder_inputs(self) -> dict[str, Tensor]:
        inputs = {"z": torch.zeros(_EXAMPLES, self.trained.latent_values), **dict(zip(self.condition_names, self.example_conditions()))}
        return {**inputs, "total": torch.ones(_EXAMPLES)} if self.takes_total else inputs


class _Function(nn.Module):
    """One of the functions as a module of its own, for torch.export."""

    def __init__(self, exported: _Exported, name: str):
        super().__init__()
        self.exported, self._name = exported, name

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return getattr(self.exported, self._name)(*inputs)


def _metadata(exported: _Exported) -> dict[str, str]:
    trained = exported.trained
    return {"run": str(trained.config["run"]["name"]), "step": str(trained.step), "model": trained.config["model"]["name"], "likelihood": trained.config["objective"]["likelihood"],
            **{f"axes.{name}": axes for name, axes in exported.axes().items()}, **{f"units.{name}": units for name, units in exported.units().items()}}


def _write_onnx(exported: _Exported, function: str, inputs: dict[str, Tensor], outputs: list[str], path: Location) -> None:
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError:
        raise ImportError("an ONNX file needs the packages onnx and onnxscript: pip install onnx onnxscript") from None
    wanted = _Function(exported, function).eval()
    if isinstance(exported.trained.network, ScriptNetwork):
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(wanted, tuple(inputs.values()), check_trace=False)
            torch.onnx.export(traced, tuple(inputs.values()), file, input_names=list(inputs), output_names=outputs, dynamo=False, opset_version=18,
                              dynamic_axes={name: {0: "batch"} for name in [*inputs, *outputs]})
        model = onnx.load_model_from_string(file.getvalue())
        onnx.helper.set_model_props(model, _metadata(exported))
        onnx.save(model, str(path))
        return
    batch = torch.export.Dim("batch", min=1)
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = registration.level
    registration.setLevel(logging.ERROR)  # it tells of every package that is not there
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(wanted, tuple(inputs.values()), input_names=list(inputs), output_names=outputs, dynamo=True,
                                        dynamic_shapes=(tuple({0: batch} for _ in inputs),), verbose=False)
    finally:
        registration.setLevel(before)
    assert program is not None
    program.model.metadata_props.update(_metadata(exported))
    program.save(str(path))


def export_onnx(trained: TrainedModel, encoder: Location | None, decoder: Location) -> None:
    """Writes two ONNX files, in fp32, for any number of samples (the axis `batch`).

    Encoder: `x` (or an input for each dataset, by its name) and the rows of each condition (by its dataset's name: numbers float32 [N, columns], classes
    int64 [N]), as the training file stores them, to `mu` and `log_var`, [N, latent_values], or of a quantized latent to `mu` and `codes`, int64 [N, vectors]. Decoder: `z`, the conditions and, of counts, the samples'
    `total` [N], to E[x|z] under the same names with the suffix _mean. Axes and units are in the metadata. `encoder`: None for a model without one.
    """
    exported = _Exported(trained)
    if encoder is not None:
        if trained.latent_kind == "none":
            raise ValueError("a decoder_only model has no encoder: name one file, the decoder")
        outputs = ["mu", "log_var"] if trained.latent_kind == "posterior" else ["mu"] if trained.quantizer is None else ["mu", "codes"]
        _write_onnx(exported, "encode", exported.encoder_inputs(), outputs, encoder)
    _write_onnx(exported, "decode", exported.decoder_inputs(), [f"{name}_mean" for name in exported.sample_names], decoder)


def export_script(trained: TrainedModel, path: Location) -> None:
    """Writes a TorchScript file, in fp32, with the methods `encode`, `decode` and `reconstruct` (of a decoder alone `decode`; of a quantized latent also `decode_codes`, which takes codes in place of z), which take and return the
    tensors of export_onnx()'s files in their order, as tuples."""
    exported = _Exported(trained)
    examples = {"decode": tuple(exported.decoder_inputs().values())}
    if trained.quantizer is not None:
        examples["decode_codes"] = (torch.zeros(_EXAMPLES, trained.quantizer.vectors, dtype=torch.int64), *examples["decode"][1:])
    if trained.latent_kind != "none":
        examples |= dict.fromkeys(("encode", "reconstruct"), tuple(exported.encoder_inputs().values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that are constants, as they shall be, and of TorchScript's age
        torch.jit.trace_module(exported, examples, check_trace=False).save(str(path))
