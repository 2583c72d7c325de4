"""Finds checkpoints as the program's verbs do, verifies and reads them."""
import hashlib
import json
import pathlib
import re
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from vae_dist.kept_config import parse_kept_config

Location = str | pathlib.Path


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint's folder holds, apart from the optimizer's state."""

    path: pathlib.Path
    config: dict[str, Any]
    """The run's resolved configuration: every key that has an effect."""
    state: dict[str, Any]
    """Progress, and what the run found out about its training rows: state.json."""
    weights: dict[str, torch.Tensor]
    """Parameters and buffers by name; where the run keeps moving averages (train.ema_decay), these."""
    metadata: dict[str, str]
    """Of weights.safetensors: the sample's shape, the model's name, what tensors do not say."""


def checkpoints_of(run: pathlib.Path) -> list[pathlib.Path]:
    """The complete checkpoints of a run, newest first."""
    found = [(int(match[1]), path) for path in (run / "checkpoints").glob("step_*") if (match := re.fullmatch(r"step_(\d{8,})", path.name)) and (path / "manifest.json").exists()]
    return [path for _, path in sorted(found, reverse=True)]


def candidates(location: Location) -> list[pathlib.Path]:
    """The checkpoints that a location stands for, the preferred one first.

    `location`: a checkpoint's folder, a run's folder (its checkpoints, newest first), RUN@best or RUN@STEP. Raises FileNotFoundError.
    """
    path = pathlib.Path(location)
    if (path / "manifest.json").exists():
        return [path]
    run, at, which = str(location).rpartition("@")
    if at and "/" not in which and not path.exists():
        return [_named(pathlib.Path(run), which, str(location))]
    found = checkpoints_of(path)
    if not found:
        raise FileNotFoundError(f"{path} is neither a checkpoint (a folder with manifest.json) nor a run with checkpoints in it")
    return found


def _named(run: pathlib.Path, which: str, location: str) -> pathlib.Path:
    found = checkpoints_of(run)
    if not found:
        raise FileNotFoundError(f"{location}: {run} is not a run with checkpoints in it")
    if which == "best":
        step = _newest_state(found).get("best_step", -1)
        if step < 0:
            raise FileNotFoundError(f"{location}: the run recorded no best checkpoint, which needs validation data and checkpoint.keep_best: 1")
    elif which.isascii() and which.isdecimal():
        step = int(which)
    else:
        raise ValueError(f"{location}: write best or a step after the @, as in {run}@best and {run}@1000")
    for path in found:
        if int(path.name.removeprefix("step_")) == step:
            return path
    raise FileNotFoundError(f"{location}: there is no checkpoint of step {step}; the run has {', '.join(path.name for path in found)}")


def _newest_state(found: list[pathlib.Path]) -> dict[str, Any]:
    """The newest state that can be read. Raises ValueError or OSError if there is none."""
    for folder in found:
        state = folder / "state_evaluated.json"
        try:
            return _json(state if state.exists() else folder / "state.json")
        except (ValueError, OSError):
            if folder == found[-1]:
                raise
    raise AssertionError("a run has at least one checkpoint")


def _json(path: pathlib.Path) -> dict[str, Any]:
    """The object in a file. Raises ValueError with the file's name."""
    try:
        read = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(read, dict):
        raise ValueError(f"{path} is damaged: it is no JSON object")
    return read


def _manifest(folder: pathlib.Path) -> dict[str, Any]:
    manifest = _json(folder / "manifest.json")
    if manifest.get("format") != 1:
        raise ValueError(f"{folder}: the checkpoint has format {manifest.get('format')}, but this package reads format 1")
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(entry, dict) and "bytes" in entry for entry in files.values()):
        raise ValueError(f"{folder / 'manifest.json'} is damaged: it does not say which files there are")
    return manifest


def _verified(folder: pathlib.Path, manifest: dict[str, Any], name: str, verify: bool) -> pathlib.Path:
    """The path of a file after a look at its length and, where the manifest has it, its SHA-256."""
    path, entry = folder / name, manifest["files"].get(name)
    if entry is None:
        raise ValueError(f"{folder}: the manifest does not list {name}")
    if path.stat().st_size != entry["bytes"]:
        raise ValueError(f"{path} is damaged: it has {path.stat().st_size} bytes, but the manifest says {entry['bytes']}")
    if verify and "sha256" in entry:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        if digest.hexdigest() != entry["sha256"]:
            raise ValueError(f"{path} is damaged: its SHA-256 differs from the one in the manifest")
    return path


def _state(folder: pathlib.Path, manifest: dict[str, Any], verify: bool) -> dict[str, Any]:
    name = "state_evaluated.json" if "state_evaluated.json" in manifest["files"] else "state.json"
    return _json(_verified(folder, manifest, name, verify))


def _config(folder: pathlib.Path, manifest: dict[str, Any], verify: bool) -> dict[str, Any]:
    if "config.json" in manifest["files"]:
        return _json(_verified(folder, manifest, "config.json", verify))
    path = _verified(folder, manifest, "config.yaml", verify)
    try:
        return parse_kept_config(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except ValueError as error:
        raise ValueError(f"{path.parent}/{error}") from None


def read_config(folder: pathlib.Path) -> dict[str, Any]:
    """The configuration of a checkpoint, without a look at its sum. Raises ValueError or OSError."""
    return _config(folder, _manifest(folder), verify=False)


def _tensors(path: pathlib.Path, prefix: str = "") -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            return {name.removeprefix(prefix): file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def _read(folder: pathlib.Path, verify: bool) -> Checkpoint:
    manifest = _manifest(folder)
    config = _config(folder, manifest, verify)
    weights, metadata = _tensors(_verified(folder, manifest, "weights.safetensors", verify))
    if config["train"].get("ema_decay") is not None:
        averages, _ = _tensors(_verified(folder, manifest, "optimizer.safetensors", verify), "ema.")
        weights.update({name: tensor for name, tensor in averages.items() if name in weights})
    return Checkpoint(folder, config, _state(folder, manifest, verify), weights, metadata)


def read_checkpoint(location: Location, verify: bool = True) -> Checkpoint:
    """Reads the checkpoint at `location`: a checkpoint's folder, a run's folder (its newest one that is not damaged), RUN@best or RUN@STEP.

    With `verify`, compares the SHA-256 of every file that is read. Raises FileNotFoundError, or ValueError for a damaged file.
    """
    found = candidates(location)
    for folder in found:
        try:
            return _read(folder, verify)
        except (ValueError, KeyError, OSError) as error:
            if folder == found[-1]:
                raise
            warnings.warn(f"{error}; falling back to the checkpoint before", stacklevel=2)
    raise AssertionError("candidates() returns at least one")
