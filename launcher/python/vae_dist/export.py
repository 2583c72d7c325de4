"""A trained model as ONNX or TorchScript files, with everything between the file's units and the model's inside.

ONNX is made by torch.export (`dynamo=True`), which all networks, likelihoods and transforms pass, with any number of samples; PyTorch's older exporter goes
through TorchScript, which PyTorch no longer develops, and serves where the network itself is TorchScript (model.name: script): torch.export would fix the
number of samples there.
"""
import copy
import io
import json
import logging
import pathlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count

import torch
from torch import Tensor, nn

from vae_dist.checkpoint import Location
from vae_dist.conditions import Classes
from vae_dist.likelihoods import Decoded
from vae_dist.model import Batch, Posterior, TrainedModel
from vae_dist.normalisation import TRANSFORMS, Transform
from vae_dist.script_network import ScriptNetwork

_EXAMPLES = 2  # torch.export takes a size of 1 for a constant


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name.strip("/"))


# The runtimes' own operators do without float64, or take log(1 + x), which keeps no digits of a small x in single precision. Below _SMALL the first terms
# of the series are exact to 1e-10.
_SMALL = 1e-5


def _log1p(x: Tensor) -> Tensor:
    return torch.where(x.abs() < _SMALL, x - x * x / 2, torch.log(1 + x))


def _expm1(y: Tensor) -> Tensor:
    return torch.where(y.abs() < _SMALL, y + y * y / 2, torch.exp(y) - 1)


def _asinh(x: Tensor) -> Tensor:
    return torch.where(x.abs() < _SMALL, x, torch.sign(x) * torch.log(x.abs() + torch.sqrt(x * x + 1)))


def _sinh(y: Tensor) -> Tensor:
    return torch.where(y.abs() < _SMALL, y, (torch.exp(y) - torch.exp(-y)) / 2)


def _elementary() -> dict[str, Transform]:
    """TRANSFORMS in operations that every runtime has in float64."""
    own = {"log1p": (_log1p, _expm1), "asinh": (_asinh, _sinh)}
    return {name: replace(given, apply=own[name][0], undo=own[name][1]) if name in own else given for name, given in TRANSFORMS.items()}


def _unique(wanted: Sequence[Sequence[str]], taken: set[str]) -> list[str]:
    """One name for each, the first of those it wants that is not taken, or else the last with a number behind it."""
    names: list[str] = []
    for choices in wanted:
        numbered = (f"{choices[-1]}_{number}" for number in count(2))
        names.append(next(name for name in chain(choices, numbered) if name not in taken))
        taken.add(names[-1])
    return names


class _Exported(nn.Module):
    """Functions of tensors alone, in fp32: samples (one tensor for each dataset), then the rows of each condition, as the file stores them.

    Normalisation and transforms are computed in fp64 whatever the precision of the network. No tensor is converted to a type or device that is a constant of the files,
    apart from that: `network_type` has those of the network, so that a TorchScript file can be moved and converted as a whole.
    """

    network_type: Tensor

    def __init__(self, trained: TrainedModel):
        super().__init__()
        self.trained = copy.deepcopy(trained).cpu().float().eval().requires_grad_(False)
        self.register_buffer("network_type", torch.zeros(()), persistent=False)
        elementary = _elementary()
        self.trained.transforms = elementary
        for part in (self.trained.normalisation, *self.trained.conditions.entries):
            if part is not None:
                part.table = elementary
        self._transforms = self.trained.normalisation is not None or bool(self.trained.encoder_transform)

        arrays = self.trained.normalisation.arrays if self.trained.normalisation else []
        # Names of other tensors in the files.
        taken = {"z", "total", "mu", "log_var", "codes"}
        self.sample_names = _unique([[_identifier(array.name)] for array in arrays], taken) if len(arrays) > 1 else ["x"]
        taken |= {*self.sample_names, *self.mean_names}
        datasets = [entry.dataset for entry in self.trained.conditions.entries]
        self.condition_names = _unique([[_identifier(dataset.rpartition("/")[2]), _identifier(dataset)] for dataset in datasets], taken)
        self.datasets = {**{name: array.name for name, array in zip(self.sample_names, arrays)}, **dict(zip(self.condition_names, datasets))}
        """The paths of the training file's datasets by the names of their tensors."""

    @property
    def mean_names(self) -> list[str]:
        return [f"{name}_mean" for name in self.sample_names]

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
        return list(self._in_file_units(torch.zeros(_EXAMPLES, *self.trained.shape)))

    def example_conditions(self) -> list[Tensor]:
        # A transform such as the logarithm takes ones.
        return [entry.labels[:1].expand(_EXAMPLES).contiguous() if isinstance(entry, Classes) else torch.ones(_EXAMPLES, entry.columns) for entry in self.trained.conditions.entries]

    def _told(self, rows: Sequence[Tensor]) -> Tensor | None:
        told = [entry.told(each).type_as(self.network_type) for entry, each in zip(self.trained.conditions.entries, rows)]
        return torch.cat(told, 1) if told else None

    def _computed(self, x: Tensor) -> Tensor:
        """Of the type in which transforms are computed."""
        return x.double() if self._transforms else x.type_as(self.network_type)

    def _batch(self, inputs: Sequence[Tensor]) -> Batch:
        number, normalisation = len(self.sample_names), self.trained.normalisation
        samples = [self._computed(each) for each in inputs[:number]]
        if normalisation:
            stored = normalisation.from_file(dict(zip([array.name for array in normalisation.arrays], samples)))
        else:
            stored = samples[0]
        batch = self.trained.batch(stored, self._told(inputs[number:]))
        return batch._replace(x=batch.x.type_as(self.network_type), seen=batch.seen.type_as(self.network_type))

    def _in_file_units(self, x: Tensor) -> tuple[Tensor, ...]:
        made = self.trained.in_file_units(self._computed(x))
        return tuple(each.type_as(self.network_type) for each in (made.values() if isinstance(made, dict) else [made]))

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
        decoded = Decoded(*self.trained.network.decode(inputs[0].type_as(self.network_type), self._told(rows)))
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

    def encoder_inputs(self) -> tuple[list[str], list[Tensor]]:
        return self.sample_names + self.condition_names, self.example_samples() + self.example_conditions()

    def decoder_inputs(self) -> tuple[list[str], list[Tensor]]:
        names, examples = ["z", *self.condition_names], [torch.zeros(_EXAMPLES, self.trained.latent_values), *self.example_conditions()]
        return ([*names, "total"], [*examples, torch.ones(_EXAMPLES)]) if self.takes_total else (names, examples)


class _Function(nn.Module):
    """One of the functions as a module of its own, for torch.export."""

    def __init__(self, exported: _Exported, name: str):
        super().__init__()
        self.exported, self._name = exported, name

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return getattr(self.exported, self._name)(*inputs)


def _values_of_x(trained: TrainedModel) -> dict[str, str]:
    """What is known of samples that are not normalised: they lie in a range, and whether the run has made zeros and ones of them."""
    if trained.normalisation is not None:
        return {}
    return {"range.x": json.dumps(trained.range), "binarize": str(trained.config["data"].get("binarize") or "none")}


def _metadata(exported: _Exported) -> dict[str, str]:
    trained = exported.trained
    return {"run": str(trained.config["run"]["name"]), "step": str(trained.step), "model": trained.config["model"]["name"], "likelihood": trained.config["objective"]["likelihood"], **_values_of_x(trained),
            **{f"axes.{name}": axes for name, axes in exported.axes().items()}, **{f"units.{name}": units for name, units in exported.units().items()},
            **{f"dataset.{name}": path for name, path in exported.datasets.items()}}


def _write_onnx(exported: _Exported, function: str, inputs: tuple[list[str], list[Tensor]], outputs: list[str], path: Location) -> None:
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError:
        raise ImportError("an ONNX file needs the packages onnx and onnxscript: pip install onnx onnxscript") from None
    wanted, (names, examples) = _Function(exported, function).eval(), inputs
    if isinstance(exported.trained.network, ScriptNetwork):
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(wanted, tuple(examples), check_trace=False)
            torch.onnx.export(traced, tuple(examples), file, input_names=names, output_names=outputs, dynamo=False, opset_version=18,
                              dynamic_axes={name: {0: "batch"} for name in [*names, *outputs]})
        model = onnx.load_model_from_string(file.getvalue())
        with torch.no_grad():
            computed = wanted(*examples)
        for described, tensor in zip(model.graph.output, computed, strict=True):  # a script's sizes are not known without running it
            for axis, size in list(zip(described.type.tensor_type.shape.dim, tensor.shape, strict=True))[1:]:
                axis.dim_value = size
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
            program = torch.onnx.export(wanted, tuple(examples), input_names=names, output_names=outputs, dynamo=True,
                                        dynamic_shapes=(tuple({0: batch} for _ in names),), verbose=False)
    finally:
        registration.setLevel(before)
    assert program is not None
    program.model.metadata_props.update(_metadata(exported))
    program.save(str(path))


def export_onnx(trained: TrainedModel, encoder: Location | None, decoder: Location) -> None:
    """Writes two ONNX files, in fp32, for any number of samples (the axis `batch`).

    Encoder: `x` (or an input for each dataset, by its name) and the rows of each condition (by the last part of its dataset's path, or all of it where that is the name
    of another tensor: numbers float32 [N, columns], classes int64 [N]), as the training file stores them, to `mu` and `log_var`, [N, latent_values], or of a quantized latent to `mu` and `codes`, int64 [N, vectors]. Decoder: `z`, the conditions and, of counts, the samples'
    `total` [N], to E[x|z] under the same names with the suffix _mean. Axes, units and the paths of datasets (`dataset.NAME`) are in the metadata. `encoder`: None for a model without one.
    """
    exported = _Exported(trained)
    if encoder is not None:
        if trained.latent_kind == "none":
            raise ValueError("a decoder_only model has no encoder: name one file, the decoder")
        outputs = ["mu", "log_var"] if trained.latent_kind == "posterior" else ["mu"] if trained.quantizer is None else ["mu", "codes"]
        _write_onnx(exported, "encode", exported.encoder_inputs(), outputs, encoder)
    try:
        _write_onnx(exported, "decode", exported.decoder_inputs(), exported.mean_names, decoder)
    except BaseException:
        if encoder is not None:  # half a model is none
            pathlib.Path(encoder).unlink()
        raise


def export_script(trained: TrainedModel, path: Location) -> None:
    """Writes a TorchScript file, in fp32, with the methods `encode`, `decode` and `reconstruct` (of a decoder alone `decode`; of a quantized latent also `decode_codes`, which takes codes in place of z), which take and return the
    tensors of export_onnx()'s files in their order, as tuples."""
    exported = _Exported(trained)
    examples = {"decode": tuple(exported.decoder_inputs()[1])}
    if trained.quantizer is not None:
        examples["decode_codes"] = (torch.zeros(_EXAMPLES, trained.quantizer.vectors, dtype=torch.int64), *examples["decode"][1:])
    if trained.latent_kind != "none":
        examples |= dict.fromkeys(("encode", "reconstruct"), tuple(exported.encoder_inputs()[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that are constants, as they shall be, and of TorchScript's age
        torch.jit.trace_module(exported, examples, check_trace=False).save(str(path))
