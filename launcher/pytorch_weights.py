"""Converts PyTorch weight files to safetensors and back, for `vae_dist weights import` and `export`.

    python pytorch_weights.py to-safetensors weights.pt out.safetensors
    python pytorch_weights.py from-safetensors weights.safetensors out.pt

A PyTorch file holds a pickled dictionary: either a plain state_dict, or a checkpoint that contains one under "state_dict" (Lightning and many others),
"model_state_dict" (PyTorch's own tutorial), or any other name if it is the only entry that holds nothing but tensors. Tensor names are kept. The file is read with
weights_only=True, so a pickle that would run code is rejected. The metadata of a safetensors file becomes an attribute of the state_dict, `vae_dist`, which
torch.load keeps and load_state_dict(strict=True) ignores.
Only torch is needed. Errors are reported on stderr in one paragraph, with exit code 2.
"""
import collections
import ctypes
import json
import os
import re
import sys

import torch

TYPES = {torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8"}
WRAPPERS = ("state_dict", "model_state_dict")
NAMED = 10  # maximum number of entries listed in a message


class Refused(Exception):
    pass


def load(path):
    """The state_dict of a file (tensors by name, with types from TYPES) and its metadata."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}")
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError and more
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named:
            raise Refused(f"{path} holds more than tensors ({named[1]}): reading it could run code, so it is rejected. If you trust it, load it in Python with "
                          "weights_only=False and save its state_dict alone: torch.save(model.state_dict(), file)")
        raise Refused(f"{path} is not a PyTorch weight file (torch.load: {type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]})")
    state = state_dict_in(content, path)
    beside = getattr(state, "vae_dist", {})
    return {name: known_type(name, tensor, path) for name, tensor in state.items()}, {str(key): str(value) for key, value in beside.items()} if isinstance(beside, dict) else {}


def is_tensors(content):
    return isinstance(content, dict) and len(content) > 0 and all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items())


def state_dict_in(content, path):
    if not isinstance(content, dict):
        raise Refused(f"{path} holds a {type(content).__name__}, not a state_dict (a dictionary of tensors)")
    if not content:
        raise Refused(f"{path} holds no tensors")
    if is_tensors(content):
        return content
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            return state_dict_in(content[wrapper], path)
    inner = [name for name, value in content.items() if is_tensors(value)]
    if len(inner) == 1:
        return content[inner[0]]
    if len(inner) > 1:
        raise Refused(f"{path} holds several dictionaries of tensors ({listed(inner)}): save only the right one with torch.save(content[name], file)")
    others = [name for name, value in content.items() if not isinstance(value, torch.Tensor) or not isinstance(name, str)]
    raise Refused(f"{path} is not a state_dict: these entries are not tensors: {listed(others)}")


def listed(names):
    return ", ".join(map(str, names[:NAMED])) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def known_type(name, tensor, path):
    tensor = tensor.detach().cpu()
    if tensor.is_complex() or tensor.is_quantized or tensor.layout != torch.strided:
        raise Refused(f"{path}: {name} is a {tensor.dtype} tensor of layout {tensor.layout}, but the weights must be plain dense tensors; save it as float32")
    if tensor.dtype not in TYPES:
        tensor = tensor.to(torch.float32 if tensor.is_floating_point() else torch.int64)
    return tensor.contiguous()


def raw_bytes(tensor):
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""


def to_safetensors(path, out):
    tensors, beside = load(path)
    header, data, offset = {"__metadata__": {"format": "pt", **beside}}, [], 0
    for name, tensor in tensors.items():
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
    types, tensors = {name: dtype for dtype, name in TYPES.items()}, collections.OrderedDict()
    tensors.vae_dist = header.pop("__metadata__", {})
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
