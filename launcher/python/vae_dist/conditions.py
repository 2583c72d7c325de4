"""What a conditional model is told about each sample beside its values, y: numbers and one-hot classes side by side."""
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vae_dist.known import known
from vae_dist.normalisation import TRANSFORMS, Exact


class Condition(Exact):
    """A dataset that the model is told."""

    dataset: str
    values: int
    """Numbers that the model is told."""
    columns: int
    """Of the dataset: 1 for [N], F for [N, F]."""

    def told(self, rows: Tensor) -> Tensor:
        """Rows as the dataset stores them, [B] or [B, columns], on the model's device -> [B, values], float32."""
        raise NotImplementedError

    def rows_of(self, given: Any) -> Tensor:
        """What a caller writes (numbers, names of classes, arrays) -> rows as the dataset stores them. Raises ValueError."""
        raise NotImplementedError


def _texts(given: Any) -> list[str] | None:
    """The texts of a str or bytes, or of a list or an array of them. None if there is anything else in it."""
    if isinstance(given, Tensor):
        return None
    each = np.asarray(given).reshape(-1).tolist()
    if not each or not all(isinstance(text, str | bytes) for text in each):
        return None
    return [text.decode(errors="replace") if isinstance(text, bytes) else text for text in each]


def _numbers(given: Any) -> Tensor:
    """Raises ValueError or TypeError for what is no number."""
    if isinstance(given, Tensor):
        return given
    array = np.asarray(given)
    if array.dtype.kind in "OSU":
        array = array.astype(np.float64)
    # PyTorch cannot compare unsigned integers of more than 8 bits.
    return torch.as_tensor(array.astype(np.int64) if array.dtype.kind == "u" else array)


class Numbers(Condition):
    """(f(y) - shift) * factor of each column, in float64 as the program does."""

    shift: Tensor
    factor: Tensor

    def __init__(self, entry: dict[str, Any]):
        super().__init__()
        self.dataset, self.transform = entry["dataset"], entry["transform"]
        known(TRANSFORMS, self.transform, "the transform of a condition")
        for key in ("shift", "factor"):
            self.register_buffer(key, torch.tensor(entry[key], dtype=torch.float64), persistent=False)
        self.values = self.columns = len(entry["shift"])

    def told(self, rows: Tensor) -> Tensor:
        transform = (TRANSFORMS if self.table is None else self.table)[self.transform]
        return ((transform.apply(rows.double().reshape(-1, self.columns)) - self.shift) * self.factor).float()

    def rows_of(self, given: Any) -> Tensor:
        try:
            rows = _numbers(given).to(self.shift.device).double()
        except (ValueError, TypeError) as error:
            raise ValueError(f"condition {self.dataset}: {error}") from None
        if rows.dim() < 2 and (self.columns == 1 or rows.shape == (self.columns,)):
            rows = rows.reshape(-1, self.columns)
        if rows.dim() != 2 or rows.shape[1] != self.columns:
            wanted = "a number, [N] or [N, 1]" if self.columns == 1 else f"[{self.columns}] or [N, {self.columns}]"
            raise ValueError(f"condition {self.dataset} is {wanted}, not {list(rows.shape)}")
        if not self.told(rows).isfinite().all():
            raise ValueError(f"condition {self.dataset}: a value is no number that its transform can take")
        return rows


class Classes(Condition):
    """A one-hot vector of the classes that the training rows have."""

    labels: Tensor

    def __init__(self, entry: dict[str, Any]):
        super().__init__()
        self.dataset, self.names = entry["dataset"], list(entry["names"])
        self.register_buffer("labels", torch.tensor(entry["labels"]), persistent=False)
        self.values, self.columns = len(self.labels), 1

    def told(self, rows: Tensor) -> Tensor:
        return (rows.reshape(-1, 1) == self.labels).float()

    def rows_of(self, given: Any) -> Tensor:
        texts, labels = _texts(given), self.labels.tolist()
        if texts is not None:
            by_text = {**{str(label): label for label in labels}, **dict(zip(self.names, labels))}
            unknown = next((text for text in texts if text not in by_text), None)
            if unknown is not None:
                raise self._unknown(repr(unknown))
            given = [by_text[text] for text in texts]
        try:
            rows = _numbers(given).to(self.labels.device).reshape(-1)
        except (ValueError, TypeError) as error:
            raise ValueError(f"condition {self.dataset}: {error}") from None
        known_rows = (rows[:, None] == self.labels).any(1)
        if not known_rows.all():
            raise self._unknown(str(rows[~known_rows][0].item()))
        return rows

    def _unknown(self, given: str) -> ValueError:
        labels = self.labels.tolist()
        classes = [f"{name} ({label})" for name, label in zip(self.names, labels)] if self.names else map(str, labels)
        return ValueError(f"condition {self.dataset}: there is no class {given}; the classes are {', '.join(classes)}")


CONDITIONS: dict[str, Callable[[dict[str, Any]], Condition]] = {"numbers": Numbers, "classes": Classes}


class Conditions(nn.Module):
    """All conditions of a model, in the order in which it is told them."""

    def __init__(self, text: str = ""):
        """`text`: as a checkpoint's state has it."""
        super().__init__()
        entries = json.loads(text) if text else []
        self._modules_of_entries = nn.ModuleList(known(CONDITIONS, entry["kind"], "the kind of condition")(entry) for entry in entries)

    @property
    def entries(self) -> list[Condition]:
        return cast(list[Condition], list(self._modules_of_entries))

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
