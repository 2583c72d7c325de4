"""Logs of runs as tables."""
import json
import math
import pathlib
from typing import Any

import numpy as np

from vae_dist.checkpoint import Location, checkpoints_of, read_config

Table = Any
"""A pandas.DataFrame, or a dict of numpy arrays of equal length by column."""


def _column(values: list[Any]) -> np.ndarray[Any, Any]:
    """Numbers as int64 or, where some are missing or not finite, float64 with NaN; all else as objects."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int) for value in values):
        return np.array(values, dtype=np.int64)
    if all(isinstance(value, int | float) for value in known):
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _table(records: list[dict[str, Any]], frame: bool | None) -> Table:
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: _column([record.get(name) for record in records]) for name in names}
    if frame is False:
        return columns
    try:
        import pandas
    except ImportError:
        if frame:
            raise
        return columns
    return pandas.DataFrame(columns)


def _records(path: pathlib.Path) -> list[dict[str, Any]]:
    """The whole lines of a log: the last may still be written."""
    records = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def metrics(run: Location, evaluations: bool = False, frame: bool | None = None) -> Table:
    """The log of a run, metrics.jsonl: a row for each logged training step or, with `evaluations`, for each evaluation (`evaluated` says on what).

    Columns have the log's names; losses are as objective.reduction says, KL in nats per sample, times in seconds. What a row lacks is NaN, and so is what
    was not finite. `frame`: True: a pandas.DataFrame; False: a dict of numpy arrays; None: a DataFrame where pandas is installed. Raises
    FileNotFoundError.
    """
    path = pathlib.Path(run) / "metrics.jsonl"
    if not path.exists():
        raise FileNotFoundError(f"{run} is not a run: it has no metrics.jsonl")
    return _table([record for record in _records(path) if ("evaluated" in record if evaluations else "loss" in record)], frame)


def _readable_config(checkpoints: list[pathlib.Path]) -> dict[str, Any]:
    """That of the first checkpoint whose configuration can be read, with its sections; a run that is damaged does not end the table of all others."""
    for folder in checkpoints:
        try:
            config = read_config(folder)
        except (ValueError, OSError):
            continue
        return {name: section for name, section in config.items() if isinstance(section, dict)}
    return {}


def _summary(folder: pathlib.Path) -> dict[str, Any]:
    records = _records(folder / "metrics.jsonl") if (folder / "metrics.jsonl").exists() else []
    last: dict[str, Any] = next((record for record in reversed(records) if "loss" in record), {})
    evaluation: dict[str, Any] = next((record for record in reversed(records) if "evaluated" in record), {})
    out: dict[str, Any] = {"run": folder.name}
    checkpoints = checkpoints_of(folder)
    newest = next(iter(checkpoints), None)
    config = _readable_config(checkpoints)
    out["model"], out["likelihood"] = config.get("model", {}).get("name"), config.get("objective", {}).get("likelihood")
    out["latent_dim"], out["seed"] = config.get("model", {}).get("latent_dim"), config.get("run", {}).get("seed")
    for name in ("step", "epoch", "loss", "reconstruction_loss", "kld", "samples_per_second"):
        out[name] = last.get(name)
    for name, value in evaluation.items():
        if isinstance(value, int | float) and name not in ("step", "epoch", "samples"):
            out[name if name.startswith("evaluation_") else f"evaluation_{name}"] = value
    out["checkpoint"] = str(newest) if newest else None
    return out


def runs(directory: Location = "runs", frame: bool | None = None) -> Table:
    """The runs in a folder, a row for each: its name, what it trains, the numbers of its last logged step and of its last evaluation (evaluation_...),
    and its newest checkpoint. `frame` as for metrics(). Raises FileNotFoundError if there is no such folder."""
    root = pathlib.Path(directory)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    folders = sorted(path for path in root.iterdir() if (path / "metrics.jsonl").exists() or (path / "checkpoints").is_dir())
    return _table([_summary(folder) for folder in folders], frame)
