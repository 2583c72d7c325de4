"""Comparisons of two runs: their losses, tensors and files."""
import ctypes
import hashlib
import json
import struct

import numpy

LOSSES = ("loss", "reconstruction_loss", "kld")
ELEMENT_TYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8"}


def read_safetensors(path):
    """The tensors of a file by name. Format: 8 bytes of header length, a JSON header, the data (github.com/huggingface/safetensors)."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    data = content[8 + length:]
    return {name: numpy.frombuffer(data[slice(*entry["data_offsets"])], ELEMENT_TYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()}


def loss_differences(run, reference):
    """The largest relative difference of any loss, by step. Takes the records of both by step; both must hold the same steps."""
    if run.keys() != reference.keys():
        raise AssertionError(f"the steps differ: {sorted(run)} and {sorted(reference)}")
    return {step: max(abs(run[step][loss] - reference[step][loss]) / abs(reference[step][loss]) for loss in LOSSES) for step in reference}


def gradient_difference(checkpoint, reference):
    """The largest difference of any gradient of a run's first step, over the largest gradient. Takes two checkpoints of step 1: Adam's
    first moment then is (1 - beta1) times the gradient."""
    moments = [{name: tensor for name, tensor in read_safetensors(each / "optimizer.safetensors").items() if name.startswith("exp_avg.")}
               for each in (checkpoint, reference)]
    if moments[0].keys() != moments[1].keys() or not moments[0]:
        raise AssertionError(f"the parameters differ: {sorted(moments[0])} and {sorted(moments[1])}")
    largest = max(abs(tensor).max() for tensor in moments[1].values())
    return max(abs(moments[0][name] - moments[1][name]).max() for name in moments[1]) / largest


def file_hashes(folder):
    """The hash of each file below a folder, and None for each folder, by relative path."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            for path in sorted(folder.rglob("*"))}


def xxh3(content):
    """The hash in the format of the program's manifests."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    return f"{library.XXH3_64bits(content, ctypes.c_size_t(len(content))):016x}"


def seal(manifest, file):
    """Writes a checkpoint's manifest with its own hash, as the program does."""
    manifest = {key: value for key, value in manifest.items() if key != "xxh3"}
    manifest["xxh3"] = xxh3(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode())
    file.write_text(json.dumps(manifest, sort_keys=True, indent=2) + "\n")


def without_key(folder, key):
    """Makes a checkpoint one of a program that did not know a configuration key yet: `key` is its last name, which must occur once."""
    lines = (folder / "config.yaml").read_text().splitlines(keepends=True)
    older = [line for line in lines if line.strip().partition(":")[0] != key]
    if len(older) != len(lines) - 1:
        raise AssertionError(f"{folder}: {len(lines) - len(older)} lines have the key {key}")
    content = "".join(older).encode()
    (folder / "config.yaml").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["config.yaml"] = {"bytes": len(content), "xxh3": xxh3(content)}
    seal(manifest, folder / "manifest.json")
