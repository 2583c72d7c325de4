"""Turns PyTorch's files of weights into safetensors and back, for `vae_dist weights import` and `export`.

    python pytorch_weights.py to-safetensors weights.pt out.safetensors
    python pytorch_weights.py from-safetensors weights.safetensors out.pt

A .pt, .pth or .ckpt holds a pickled dictionary: a plain state_dict, or (Lightning's checkpoints) one under the key "state_dict", whose
names may begin with "model." or, from DataParallel, "module.". It is read with weights_only=True: a pickle that would run code is refused.
Only torch is needed. What is wrong is said on stderr in one paragraph, with exit code 2.
"""
import ctypes
import json
import os
import re
import sys

import torch

TYPES = {torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.int64: "I64", torch.uint8: "U8"}
PREFIXES = ("model.", "module.")


class Refused(Exception):
    pass


def load(path):
    """The state_dict of a file: tensors by name, their types among TYPES."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}")
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError and more
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named:
            raise Refused(f"{path} holds more than tensors ({named[1]}): reading it could run code, so it is refused. If you trust it, load it in Python with "
                          "weights_only=False and save its state_dict alone: torch.save(model.state_dict(), file)")
        raise Refused(f"{path} is no file of PyTorch's weights (torch.load: {type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]})")
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise Refused(f"{path} holds a {type(content).__name__}, not a state_dict (a dictionary of tensors)")
    others = [str(name) for name, value in content.items() if not isinstance(value, torch.Tensor) or not isinstance(name, str)]
    if others:
        raise Refused(f"{path} is no state_dict: these entries are no tensors: {', '.join(others)}")
    if not content:
        raise Refused(f"{path} holds no tensors")
    return {bare(name): known_type(tensor) for name, tensor in content.items()}


def bare(name):
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def known_type(tensor):
    tensor = tensor.detach().cpu()
    if tensor.dtype not in TYPES:
        tensor = tensor.to(torch.float32 if tensor.is_floating_point() else torch.int64)
    return tensor.contiguous()


def raw_bytes(tensor):
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""


def to_safetensors(path, out):
    header, data, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor in load(path).items():
        data.append(raw_bytes(tensor))
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data[-1])]}
        offset += len(data[-1])
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(out, "wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.writelines(data)


def from_safetensors(path, out):
    with open(path, "rb") as file:
        content = bytearray(file.read())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    types, tensors = {name: dtype for dtype, name in TYPES.items()}, {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        flat = torch.frombuffer(bytearray(content[start + first:start + last]), dtype=types[entry["dtype"]]) if last > first else torch.empty(0, dtype=types[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    partial = f"{out}.partial.{os.getpid()}"
    try:
        torch.save(tensors, partial)
        os.replace(partial, out)
    except (OSError, RuntimeError) as error:
        if os.path.exists(partial):
            os.remove(partial)
        raise Refused(f"cannot write {out}: {error}")


if __name__ == "__main__":
    try:
        {"to-safetensors": to_safetensors, "from-safetensors": from_safetensors}[sys.argv[1]](*sys.argv[2:])
    except Refused as error:
        sys.exit(print(error, file=sys.stderr) or 2)
