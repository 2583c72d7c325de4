"""What a conditional model is told about each sample beside its values, y: numbers and one-hot classes side by side."""
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from vae_dist.known import known
from vae_dist.normalisation import TRANSFORMS


class Condition(Protocol):
    dataset: str
    values: int
    """Numbers that the model is told."""
    columns: int
    """Of the dataset: 1 for [N], F for [N, F]."""

    def told(self, rows: Tensor) -> Tensor:
        """Rows as the dataset stores them, [B] or [B, columns] -> [B, values], float32."""

    def rows_of(self, given: Any) -> Tensor:
        """What a caller writes (numbers, names of classes, arrays) -> rows as the dataset stores them."""


class Numbers:
    """(f(y) - shift) * factor of each column, in float64 as the program does."""

    def __init__(self, entry: dict[str, Any]):
        self.dataset, self._transform = entry["dataset"], known(TRANSFORMS, entry["transform"], "the transform of a condition")
        self._shift, self._factor = (torch.tensor(entry[key], dtype=torch.float64) for key in ("shift", "factor"))
        self.values = self.columns = len(entry["shift"])

    def told(self, rows: Tensor) -> Tensor:
        rows = rows.double().reshape(-1, self.columns)
        return ((self._transform.apply(rows) - self._shift.to(rows.device)) * self._factor.to(rows.device)).float()

    def rows_of(self, given: Any) -> Tensor:
        rows = torch.as_tensor(np.asarray(given) if not isinstance(given, Tensor) else given).double().reshape(-1, self.columns)
        if not self.told(rows).isfinite().all():
            raise ValueError(f"condition {self.dataset}: a value is no number that its transform can take")
        return rows


class Classes:
    """A one-hot vector of the classes that the training rows have."""

    def __init__(self, entry: dict[str, Any]):
        self.dataset, self.labels, self.names = entry["dataset"], torch.tensor(entry["labels"]), list(entry["names"])
        self.values, self.columns = len(self.labels), 1

    def told(self, rows: Tensor) -> Tensor:
        return (rows.reshape(-1, 1) == self.labels.to(rows.device)).float()

    def rows_of(self, given: Any) -> Tensor:
        if isinstance(given, str) or (isinstance(given, Sequence) and given and isinstance(given[0], str)):
            names = [given] if isinstance(given, str) else given
            given = [self.labels[self.names.index(known({n: n for n in self.names}, name, f"condition {self.dataset}: the class"))].item() for name in names]
        rows = torch.as_tensor(np.asarray(given) if not isinstance(given, Tensor) else given).reshape(-1)
        if not (rows[:, None] == self.labels.to(rows.device)).any(1).all():
            raise ValueError(f"condition {self.dataset}: there are the classes {self.names or self.labels.tolist()} alone")
        return rows


CONDITIONS: dict[str, type[Numbers] | type[Classes]] = {"numbers": Numbers, "classes": Classes}


class Conditions:
    """All conditions of a model, in the order in which it is told them."""

    def __init__(self, text: str = ""):
        """`text`: as a checkpoint's state has it."""
        entries = json.loads(text) if text else []
        self.entries: list[Numbers | Classes] = [known(CONDITIONS, entry["kind"], "the kind of condition")(entry) for entry in entries]

    def __bool__(self) -> bool:
        return bool(self.entries)

    @property
    def values(self) -> int:
        """Y"""
        return sum(entry.values for entry in self.entries)

    def told(self, given: Mapping[str, Any] | Tensor | None, count: int) -> Tensor | None:
        """What the model is told: [count, Y] float32, or None of a model that is not conditional.

        `given`: a dict with an entry for each condition, by its dataset's path or the last part of it: one value for all samples or one for each, as
        the file stores them, classes also by name; or [count, Y] as the model is told.
        """
        if not self.entries:
            if given is not None:
                raise ValueError("the model is not conditional")
            return None
        if given is None:
            raise ValueError(f"the model is conditional: give condition={{{', '.join(repr(entry.dataset) + ': ...' for entry in self.entries)}}}")
        if isinstance(given, Tensor):
            if given.shape != (count, self.values):
                raise ValueError(f"the condition is [{count}, {self.values}] for these samples, not {list(given.shape)}")
            return given
        written = dict(given)
        parts = []
        for entry in self.entries:
            name = next((name for name in (entry.dataset, entry.dataset.rpartition("/")[2]) if name in written), None)
            if name is None:
                raise ValueError(f"the condition {entry.dataset} is missing")
            told = entry.told(entry.rows_of(written[name]))
            if len(told) not in (1, count):
                raise ValueError(f"the condition {entry.dataset} has {len(told)} rows for {count} samples")
            parts.append(told.expand(count, -1))
        unknown = [name for name in written if not any(name in (entry.dataset, entry.dataset.rpartition("/")[2]) for entry in self.entries)]
        if unknown:
            raise ValueError(f"there is no condition {unknown[0]!r}; there are {', '.join(entry.dataset for entry in self.entries)}")
        return torch.cat(parts, 1)
