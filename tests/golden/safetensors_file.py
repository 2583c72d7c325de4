"""Reads and writes the safetensors format in a few lines (https://github.com/huggingface/safetensors, "Format")."""
import json
import math
import struct

import numpy
import torch

TYPES = {"F64": numpy.float64, "F32": numpy.float32, "F16": numpy.float16, "I64": numpy.int64, "BOOL": numpy.bool_}


def write(path, tensors, metadata):
    """`tensors`: torch tensors by name; `metadata`: text by name."""
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        bfloat16 = tensor.dtype == torch.bfloat16  # unknown to numpy
        array = numpy.array((tensor.detach().view(torch.int16) if bfloat16 else tensor.detach()).numpy(), order="C")
        kind = "BF16" if bfloat16 else next(kind for kind, dtype in TYPES.items() if array.dtype == dtype)
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)


def read(path):
    """Returns torch tensors by name, and the metadata."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first = 8 + length + entry["data_offsets"][0]
        array = numpy.frombuffer(content, TYPES[entry["dtype"]], math.prod(entry["shape"]), first)
        tensors[name] = torch.from_numpy(array.reshape(entry["shape"]).copy())
    return tensors, metadata
