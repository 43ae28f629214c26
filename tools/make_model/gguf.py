"""Writes GGUF version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), whole or in parts."""

import struct

from blocks import TYPES

ALIGNMENT = 32
NUMBERS = {"u8": (0, "<B"), "i8": (1, "<b"), "u16": (2, "<H"), "i16": (3, "<h"), "u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"),
           "bool": (7, "<?"), "u64": (10, "<Q"), "i64": (11, "<q"), "f64": (12, "<d")}
STRING, ARRAY = 8, 9


def string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def item(kind, value):
    return string(value) if kind == "str" else struct.pack(NUMBERS[kind][1], value)


def number_of(kind):
    return STRING if kind == "str" else NUMBERS[kind][0]


def entry(key, kind, value):
    """kind: "u32", "str", …, or "[u32]" for an array."""
    if kind.startswith("["):
        inner = kind[1:-1]
        body = struct.pack("<IIQ", ARRAY, number_of(inner), len(value)) + b"".join(item(inner, v) for v in value)
    else:
        body = struct.pack("<I", number_of(kind)) + item(kind, value)
    return string(key) + body


class Tensor:
    """One tensor to be written: `chunks()` gives its bytes in pieces."""

    def __init__(self, name, shape, kind, chunks):
        self.name, self.shape, self.kind, self.chunks = name, shape, kind, chunks
        count = 1
        for n in shape:
            count *= n
        _, weights, size, _ = TYPES[kind]
        self.bytes = count // weights * size


def write_part(path, entries, tensors):
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entry(*e) for e in entries)
    offset = 0
    for t in tensors:
        dims = b"".join(struct.pack("<Q", n) for n in reversed(t.shape))
        head += string(t.name) + struct.pack("<I", len(t.shape)) + dims + struct.pack("<IQ", TYPES[t.kind][0], offset)
        offset += -(-t.bytes // ALIGNMENT) * ALIGNMENT
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % ALIGNMENT))
        for t in tensors:
            written = 0
            for chunk in t.chunks():
                out.write(chunk)
                written += len(chunk)
            assert written == t.bytes, (t.name, written, t.bytes)
            out.write(bytes(-written % ALIGNMENT))


def write(path, entries, tensors, parts=1):
    """`path`, or for several parts `path` less .gguf with -00001-of-0000N.gguf; gives the paths."""
    if parts == 1:
        write_part(path, entries, tensors)
        return [path]
    stem = path[:-5] if path.endswith(".gguf") else path
    paths = []
    for i in range(parts):
        share = tensors[len(tensors) * i // parts:len(tensors) * (i + 1) // parts]
        split = [("split.no", "u16", i), ("split.count", "u16", parts), ("split.tensors.count", "i32", len(tensors))]
        paths.append(f"{stem}-{i + 1:05}-of-{parts:05}.gguf")
        write_part(paths[-1], (entries if i == 0 else []) + split, share)
    return paths


def read_entries(path, prefix):
    """The entries of a file whose keys begin with `prefix`, as write takes them."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"GGUF":
        raise SystemExit(f"{path}: no GGUF file")
    names = {number: name for name, (number, _) in NUMBERS.items()} | {STRING: "str"}
    at = 24

    def take(kind):
        nonlocal at
        if kind == "str":
            size, = struct.unpack_from("<Q", data, at)
            at += 8 + size
            return data[at - size:at]
        value, = struct.unpack_from(NUMBERS[kind][1], data, at)
        at += struct.calcsize(NUMBERS[kind][1])
        return value

    out = []
    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        key = take("str").decode()
        kind = take("u32")
        if kind == ARRAY:
            inner, count = names[take("u32")], take("u64")
            found = (key, f"[{inner}]", [take(inner) for _ in range(count)])
        else:
            found = (key, names[kind], take(names[kind]))
        if key.startswith(prefix):
            out.append(found)
    return out
