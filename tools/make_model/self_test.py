"""Proves the block formats: bytes worked out by hand from the formulas, and bounds on what rounding may lose."""

import numpy as np

import blocks

# Weights of one block whose bytes can be told from the formula: d = 1 unless said otherwise.
RAMP32 = np.arange(32, dtype=np.float32)


def check(what, condition):
    if not condition:
        raise SystemExit(f"make_model self-test: {what}")


def golden():
    one = b"\x00\x3c"  # 1 as a half.
    q = blocks.encode(np.where(RAMP32 < 31, RAMP32 - 16, 127).astype(np.float32), "q8_0")
    check("q8_0", q == one + bytes((i - 16) % 256 for i in range(31)) + b"\x7f")
    x = (RAMP32 % 16) - 8  # From -8 to 7, twice: each byte holds the same level in both nibbles.
    check("q4_0", blocks.encode(x, "q4_0") == one + bytes(i * 17 for i in range(16)))
    check("q4_1", blocks.encode(x, "q4_1") == one + b"\x00\xc8" + bytes(i * 17 for i in range(16)))
    fives = bytes(i * 17 for i in range(16))
    check("q5_0", blocks.encode(RAMP32 - 16, "q5_0") == one + b"\x00\x00\xff\xff" + fives)
    check("q5_1", blocks.encode(RAMP32 + 2, "q5_1") == one + b"\x00\x40" + b"\x00\x00\xff\xff" + fives)
    # Groups 0 to 7 of q4_k with scales 56 to 63 and minima of 63 but where zero: d = m = 1.
    scales = np.arange(56, 64, dtype=np.float32)
    groups = (np.tile(np.arange(32) % 16, (8, 1)) * scales[:, None]).astype(np.float32)
    groups[7] -= 63
    raw = blocks.encode(groups.reshape(1, 256), "q4_k")
    check("q4_k halves", raw[:4] == one + one)
    check("q4_k scales", raw[4:16] == bytes([56 | 192, 57 | 192, 58 | 192, 59 | 192, 0, 0, 0, 192, 12, 13, 14, 15 | 240]))
    check("q4_k levels", raw[16:] == bytes((i % 16) * 17 for i in range(32)) * 4)
    check("q4_k back", np.array_equal(blocks.decode(raw, "q4_k"), groups.reshape(-1)))
    groups = (np.tile(np.arange(32), (8, 1)) * scales[:, None]).astype(np.float32)
    raw = blocks.encode(groups.reshape(1, 256), "q5_k")
    check("q5_k fifth bits", raw[16:48] == bytes(16) + b"\xff" * 16)
    check("q5_k back", np.array_equal(blocks.decode(raw, "q5_k"), groups.reshape(-1)))
    x = np.tile(np.arange(16) * 4 - 32, 16).astype(np.float32) * 127
    raw = blocks.encode(x.reshape(1, 256), "q6_k")
    check("q6_k scales", raw[192:] == b"\x7f" * 16 + one)
    check("q6_k back", np.array_equal(blocks.decode(raw, "q6_k"), x))
    check("bf16 ties to even", blocks.encode(np.array([1 + 2**-8, 1 + 3 * 2**-8], np.float32), "bf16") == b"\x80\x3f\x82\x3f")


def bounds():
    """The error of a weight is at most this share of its block's largest magnitude: half a step, and what the scales lose."""
    share = {"f32": 0, "f16": 2**-11, "bf16": 2**-8, "q8_0": 0.005, "q4_0": 0.13, "q4_1": 0.07, "q5_0": 0.066, "q5_1": 0.034,
             "q4_k": 0.11, "q5_k": 0.07, "q6_k": 0.035}
    random = np.random.Generator(np.random.Philox(key=20261121))
    x = random.standard_normal((512, 256), dtype=np.float32)
    x[0] = 0
    x[1] = np.abs(x[1])
    x[2] = -np.abs(x[2])
    for kind, (_, weights, size, _) in blocks.TYPES.items():
        raw = blocks.encode(x, kind)
        check(f"{kind} takes {size} bytes a block", len(raw) == x.size // weights * size)
        back = blocks.decode(raw, kind).reshape(x.shape)
        largest = np.abs(x).max(axis=1, keepdims=True)
        worst = float((np.abs(back - x) / np.maximum(largest, 1e-9)).max())
        check(f"{kind} loses {worst:.4f} of a block's largest weight, at most {share[kind]}", worst <= share[kind])


def run():
    golden()
    bounds()
    print("make_model self-test: the bytes of every weight type are as its formula says")
