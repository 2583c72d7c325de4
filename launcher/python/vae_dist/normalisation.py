"""How stored values become what the model sees, and back: x = (f(stored) - shift) * factor by channel, f being the channel's transform."""
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from vae_dist.known import known


@dataclass(frozen=True)
class Transform:
    apply: Callable[[Tensor], Tensor]
    undo: Callable[[Tensor], Tensor]
    log_derivative: Callable[[Tensor], Tensor]
    """log f'(stored)"""


TRANSFORMS: dict[str, Transform] = {
    "none": Transform(lambda x: x, lambda y: y, torch.zeros_like),
    "log1p": Transform(torch.log1p, torch.expm1, lambda x: -torch.log1p(x)),
    "log": Transform(torch.log, torch.exp, lambda x: -torch.log(x)),
    # A model may give a root below 0, of which no value has the square.
    "sqrt": Transform(torch.sqrt, lambda y: y.clamp(min=0).square(), lambda x: -torch.log(2 * torch.sqrt(x))),
    "asinh": Transform(torch.asinh, torch.sinh, lambda x: -0.5 * torch.log1p(x.square())),
}


def by_channel(transforms: list[str], values: Tensor, change: Callable[[Transform, Tensor], Tensor], table: Mapping[str, Transform] | None = None) -> Tensor:
    """Changes values, [B, C, ...], by their channels' transforms; one transform is that of all channels. `table` holds them by name: TRANSFORMS, if it is
    None."""
    table = TRANSFORMS if table is None else table
    named = [known(table, name, "data.transform") for name in transforms]
    if len(set(transforms)) == 1:
        return change(named[0], values)
    parts, first = [], 0
    for name, channels in groupby(transforms):
        count = len(list(channels))
        parts.append(change(table[name], values.narrow(1, first, count)))
        first += count
    return torch.cat(parts, 1)


class Exact(nn.Module):
    """Has buffers that keep their own precision when the model around them changes its precision. Their device follows."""

    table: Mapping[str, Transform] | None = None
    """The transforms by name; None: TRANSFORMS."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Exact":
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = buffer.to(fn(buffer).device)
        return self


@dataclass(frozen=True)
class StoredArray:
    """A dataset of the training file that the channels of the samples come from."""

    name: str
    axes: str
    """Of a sample in it, outermost first: C channels, D H W space, V the values of a vector."""
    channels: int
    units: str = ""


class Normalisation(Exact):
    """The numbers that a run found in its training rows. Samples of the file are a tensor, or a dict of tensors by dataset where there are several."""

    shift: Tensor
    factor: Tensor

    def __init__(self, transforms: list[str], shift: list[float], factor: list[float], arrays: list[StoredArray], dimensions: int):
        """`dimensions`: number of space axes."""
        super().__init__()
        for name in transforms:
            known(TRANSFORMS, name, "data.transform")
        self.transforms, self.arrays, self._dimensions = transforms, arrays, dimensions
        sizes = (1, len(shift), *[1] * dimensions)
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float64).view(sizes), persistent=False)
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float64).view(sizes), persistent=False)

    @classmethod
    def parse(cls, text: str, dimensions: int) -> "Normalisation":
        """From a checkpoint's state."""
        read = json.loads(text)
        arrays = [StoredArray(each["name"], each["axes"], each["channels"], each.get("units", "")) for each in read["datasets"]]
        return cls(read["transform"], read["shift"], read["factor"], arrays, dimensions)

    def apply_to(self, stored: Tensor) -> Tensor:
        """[B, C, space...] as stored -> in the model's units."""
        return (by_channel(self.transforms, stored, lambda f, x: f.apply(x), self.table) - self.shift.to(stored.dtype)) * self.factor.to(stored.dtype)

    def undo(self, x: Tensor) -> Tensor:
        return by_channel(self.transforms, x / self.factor.to(x.dtype) + self.shift.to(x.dtype), lambda f, y: f.undo(y), self.table)

    def log_jacobian(self, stored: Tensor) -> Tensor:
        """The sum over a sample's known values of log |dx / d stored|: [B], float64."""
        of_values = by_channel(self.transforms, stored.double(), lambda f, x: f.log_derivative(x)) + self.factor.abs().log()
        return of_values.masked_fill(stored.isnan(), 0).flatten(1).sum(1)

    def _model_axes(self, array: StoredArray) -> str:
        """The axes that the dataset has, in the model's order."""
        return "".join(axis for axis in "CVDHW" if axis in array.axes)

    def from_file(self, x: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Samples as the file stores them, of each dataset [B, axes...] -> [B, C, space...] in the file's units."""
        if isinstance(x, Mapping):
            unknown = x.keys() ^ {array.name for array in self.arrays}
            if unknown:
                raise ValueError(f"the samples consist of the datasets {', '.join(array.name for array in self.arrays)}; wrong or missing: {', '.join(sorted(unknown))}")
        elif len(self.arrays) != 1:
            raise ValueError(f"the samples consist of several datasets: give a dict of {', '.join(array.name for array in self.arrays)}")
        parts = []
        for array in self.arrays:
            part = x[array.name] if isinstance(x, Mapping) else x
            if part.dim() != 1 + len(array.axes):
                raise ValueError(f"{array.name} is [N, {', '.join(array.axes)}], but the tensor has {part.dim()} axes")
            part = part.permute(0, *(1 + array.axes.index(axis) for axis in self._model_axes(array)))
            parts.append(part if set(array.axes) & set("CV") else part.unsqueeze(1))
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

    def to_file(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """The reverse of from_file()."""
        out, first = {}, 0
        for array in self.arrays:
            part = x.narrow(1, first, array.channels)
            first += array.channels
            have = self._model_axes(array)
            if not set(have) & set("CV"):
                part = part.squeeze(1)
            out[array.name] = part.permute(0, *(1 + have.index(axis) for axis in array.axes))
        return out if len(out) > 1 else out[self.arrays[0].name]
