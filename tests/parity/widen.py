"""Writes a GGUF file of tools/make_model again with all weights as f32: the same numbers, without their packing.

  python3 tests/parity/widen.py model.gguf wide.gguf
"""

import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/make_model"))

import blocks
import gguf


def read_tensors(path):
    """(name, shape, type, bytes) of each tensor. `path` is a whole file of version 3 that make_model wrote."""
    with open(path, "rb") as file:
        data = file.read()
    kinds = {number: kind for kind, (number, *_) in blocks.TYPES.items()}
    count, = struct.unpack_from("<Q", data, 8)
    entries = gguf.read_entries(path, "")
    at = 24 + sum(len(gguf.entry(*entry)) for entry in entries)
    described = []
    for _ in range(count):
        size, = struct.unpack_from("<Q", data, at)
        name = data[at + 8:at + 8 + size].decode()
        at += 8 + size
        dimensions, = struct.unpack_from("<I", data, at)
        shape = struct.unpack_from(f"<{dimensions}Q", data, at + 4)[::-1]
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * dimensions)
        at += 16 + 8 * dimensions
        described.append((name, shape, kinds[kind], offset))
    start = -(-at // gguf.ALIGNMENT) * gguf.ALIGNMENT
    for name, shape, kind, offset in described:
        size = gguf.Tensor(name, shape, kind, None).bytes
        yield name, shape, kind, data[start + offset:start + offset + size]


def main():
    path, out = sys.argv[1:]
    tensors = [gguf.Tensor(name, shape, "f32", lambda r=raw, k=kind: [blocks.encode(blocks.decode(r, k), "f32")])
               for name, shape, kind, raw in read_tensors(path)]
    gguf.write(out, gguf.read_entries(path, ""), tensors)


main()
